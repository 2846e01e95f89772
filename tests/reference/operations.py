"""Random queries, valid for a role's schema, with values taken from the data so that conditions hold now and then."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from graphql import GraphQLEnumType, GraphQLInputObjectType, GraphQLObjectType, GraphQLSchema, get_named_type

from crm_graph.access import Access, Level
from crm_graph.catalog import CUSTOM, Catalog, EntityType, Field, Kind, Relation, Shape, custom_type, searched_fields
from crm_graph.criteria.predicates import COUNT_OPERATORS, MANY, OPERATORS, YES_OR_NO, Op
from crm_graph.resolvers.plan import Limits
from crm_graph.resolvers.search.planning import looked_up
from crm_graph.services.pinyin import readings
from crm_graph.services.search_keys import fold, squeeze
from reference.aggregate_operations import AggregateMaker
from reference.custom import custom_value
from reference.datasets import TEXTS
from reference.interpreter import as_json
from reference.literals import Name, Written, in_document
from reference.moments import some_relative
from reference.rows import Tables

_PARTS = (
    Op.CONTAINS, Op.STARTS_WITH, Op.ENDS_WITH, Op.EQ_INSENSITIVE, Op.CONTAINS_INSENSITIVE, Op.STARTS_WITH_INSENSITIVE,
    Op.ENDS_WITH_INSENSITIVE,
)  # fmt: skip
CURSOR_EDGES = "placesForCursors"
DIRECTIONS = ("ASC", "DESC", "ASC_NULLS_FIRST", "DESC_NULLS_LAST")
LEFT_OUT = frozenset({"availableTransitions", "entityMetadata"})
"""What no SQL computes: derived fields, and what the role set alone decides. It has tests of its own."""


@dataclass(frozen=True)
class Place:
    """A variable that takes a cursor, and the response keys that lead to the list it belongs to."""

    variable: str
    path: tuple[str, ...]


@dataclass(frozen=True)
class Generated:
    """A query, its variables, and where cursors of its answer can be put."""

    text: str
    variables: Mapping[str, Any]
    places: Sequence[Place]
    types: Mapping[str, str] = field(default_factory=dict)
    """The types of those variables that any other value of their type may stand in."""

    def varied(self, random: Random, pool: dict[str, list[Any]]) -> Mapping[str, Any]:
        """Variables with other values that `pool` has seen by type; it learns those of this query."""
        other = dict(self.variables)
        for name, type_ in self.types.items():
            seen = pool.setdefault(type_, [])
            if name in self.variables:
                seen.append(self.variables[name])
            if seen and random.random() < 0.8:
                other[name] = random.choice(seen)
        return other

    def continued(self, random: Random, answer: Any) -> Mapping[str, Any] | None:
        """The variables of a second page, with cursors of the first answer; None where there is none."""
        cursors = {p.variable: found for p in self.places if (found := list(_cursors(answer, p.path)))}
        chosen = {name: random.choice(found) for name, found in cursors.items() if random.random() < 0.8}
        return {**self.variables, **chosen} if chosen else None


def _cursors(answer: Any, path: tuple[str, ...]) -> list[str]:
    if isinstance(answer, list):
        return [cursor for item in answer for cursor in _cursors(item, path)]
    if not isinstance(answer, dict):
        return []
    if path:
        return _cursors(answer.get(path[0]), path[1:])
    return [edge["cursor"] for edge in answer.get(CURSOR_EDGES, ())]


@dataclass
class OperationMaker:
    """Makes one query; `random` may be driven by Hypothesis."""

    random: Random
    schema: GraphQLSchema
    catalog: Catalog
    access: Access
    tables: Tables
    limits: Limits
    max_depth: int = 3
    without: frozenset[str] = frozenset()
    _variables: dict[str, Any] = field(default_factory=dict)
    _definitions: list[str] = field(default_factory=list)
    _fragments: list[str] = field(default_factory=list)
    _places: list[Place] = field(default_factory=list)
    _types: dict[str, str] = field(default_factory=dict)
    _names: int = 0

    def make(self) -> Generated:
        """A query of one to three root fields."""
        roots = [f for f in self._fields("Query") if f != "__typename" and f not in self.without]
        chosen = [self._root(self.random.choice(roots)) for _ in range(self.random.randint(1, 3))]
        if self._chance(0.1):
            chosen.append("__typename")
        head = f"query Q({', '.join(self._definitions)}) " if self._definitions else ""
        text = "\n".join([f"{head}{{ {' '.join(chosen)} }}", *self._fragments])
        return Generated(text, self._variables, self._places, self._types)

    def make_list(self) -> Generated:
        """A query of one list under the key `rows`, which `$first` and `$after` lead through page by page."""
        fields = self._fields("Query")
        entity = self.random.choice([e for e in self.catalog.roots if e.api_plural in fields])
        arguments = {"first": Written("$first"), "after": Written("$after"), **self._conditions(entity, search=False)}
        written = ", ".join(f"{k}: {in_document(v)}" for k, v in arguments.items())
        nodes = f"nodes {{ {self._selection(entity, None, self.max_depth)} }}"
        head = f"query Q({', '.join(['$first: Int', '$after: String', *self._definitions])})"
        page = "pageInfo { hasNextPage endCursor }"
        text = f"{head} {{ rows: {entity.api_plural}({written}) {{ {nodes} {page} }} }}"
        return Generated("\n".join([text, *self._fragments]), self._variables, ())

    def _chance(self, share: float) -> bool:
        return self.random.randint(0, 99) >= 100 - share * 100

    def _fresh(self, prefix: str) -> str:
        self._names += 1
        return f"{prefix}{self._names}"

    def _variable(self, type_: str, value: Any) -> Written:
        name = self._fresh("v")
        default = f" = {in_document(value)}" if self._chance(0.15) else ""
        self._definitions.append(f"${name}: {type_}{default}")
        if not default or self._chance(0.3):
            self._variables[name] = value
        return Written(f"${name}")

    def _swappable(self, type_: str, value: Any, pool: str | None = None) -> Any:
        """The value itself, or a variable that may get any other value of its type, or of its pool."""
        either = self._either(type_, value)
        if isinstance(either, Written):
            self._types[either.text[1:]] = pool or type_
        return either

    def _either(self, type_: str, value: Any) -> Any:
        """The value itself, or a variable that has it."""
        return self._variable(type_, value) if self._chance(0.3) else value

    def _fields(self, type_name: str) -> list[str]:
        type_ = self.schema.type_map[type_name]
        assert isinstance(type_, GraphQLObjectType)
        return [*(name for name in type_.fields if name not in LEFT_OUT), "__typename"]

    def _root(self, name: str) -> str:
        key = self._fresh("r")
        if name == "node":
            id_ = self._either("ID!", self._an_id(self.random.choice(list(self.catalog.roots))))
            return f"{key}: node(id: {in_document(id_)}) {{ {self._node()} }}"
        if name in ("search", "lookup"):
            return self._search(key) if name == "search" else self._lookup_by_value(key)
        if name == "nodes":
            return f"{key}: nodes(ids: {in_document(self._ids())}) {{ {self._node()} }}"
        return self._of_type(key, name)

    def _of_type(self, key: str, name: str) -> str:
        for entity in self.catalog.roots:
            if name == f"{entity.api_plural}Aggregate":
                return self._aggregate(key, name, entity)
            if name == entity.api_plural:
                return self._connection(key, name, entity, (key,), self.max_depth)
            if name == entity.api_name[0].lower() + entity.api_name[1:]:
                return f"{key}: {name}({self._lookup(entity)}) {{ {self._selection(entity, (key,), self.max_depth)} }}"
        raise AssertionError(name)

    def _search(self, key: str) -> str:
        arguments: dict[str, Any] = {"text": self._either("String!", self._text(None))}
        types = self.schema.type_map["SearchType"]
        assert isinstance(types, GraphQLEnumType)
        if self._chance(0.4):
            some = self.random.sample(list(types.values), self.random.randint(0, len(types.values)))
            arguments["types"] = self._either("[SearchType!]", [Name(name) for name in some])
        if self._chance(0.5):
            arguments["first"] = self._either("Int", self.random.randint(0, self.limits.search_hits))
        written = ", ".join(f"{k}: {in_document(v)}" for k, v in arguments.items())
        hits = f"hits {{ match type __typename node {{ {self._node()} }} }}"
        return f"{key}: search({written}) {{ {hits} }}"

    def _lookup_by_value(self, key: str) -> str:
        possible = [
            (entity, searched)
            for entity in self.catalog.roots
            if self.access.grants(entity.name)
            for searched in searched_fields(self.catalog, entity)
            if looked_up(self.catalog, self.access, entity, searched.field.name.upper())
        ]
        entity, searched = self.random.choice(possible)
        value = self._text(entity)
        arguments = {
            "type": self._either("SearchType!", Name(entity.name.upper())),
            "field": self._either("LookupField!", Name(searched.field.name.upper())),
            "value": self._either("String!", value),
        }
        written = ", ".join(f"{k}: {in_document(v)}" for k, v in arguments.items())
        return f"{key}: lookup({written}) {{ {self._node()} }}"

    def _text(self, entity: EntityType | None) -> str:
        """A text to look for: part of some value, its pinyin or initials, one with a letter wrong, or several words."""
        entities = [e for e in self.catalog.roots if searched_fields(self.catalog, e)]
        entity = entity or self.random.choice(entities)
        fields = [s for s in searched_fields(self.catalog, entity) if s.relation is None] or [
            s for e in entities for s in searched_fields(self.catalog, e)
        ]
        names = [s.field.name for s in fields]
        values = [v for row in self.tables[entity.table] for n in names if (v := row.get(n))]
        value: str = self.random.choice([*values, "zhang", "wxm", "8001", "", "%", "张", "Ann Lee"])
        match self.random.randint(0, 6):
            case 0:
                start = self.random.randint(0, 3)
                value = value[start : start + self.random.randint(1, 5)]
            case 1:
                value = value[-self.random.randint(1, 6) :]
            case 2:
                value = "".join(readings(squeeze(fold(value)))[0])
            case 3:
                value = "".join(s[:1] for s in readings(squeeze(fold(value)))[0])
            case 4 if len(value) > 2:
                place = self.random.randrange(len(value))
                value = value[:place] + self.random.choice("abz1张") + value[place + self.random.randint(0, 1) :]
            case 5:
                value = f"{value[:4]} {self.random.choice(values or ['a'])[:3]}"
        return value[:100]

    def _lookup(self, entity: EntityType) -> str:
        refs = [r for r in self.tables["external_refs"] if r["entity_type"] == entity.name]
        if refs and self._chance(0.4):
            ref = self.random.choice(refs)
            wanted = {"source": ref["source"], "externalId": ref["external_id"]}
            return f"externalRef: {in_document(self._either('ExternalRefInput', wanted))}"
        return f"id: {in_document(self._either('ID', self._an_id(entity)))}"

    def _an_id(self, entity: EntityType) -> str:
        rows = self.tables[entity.table]
        if rows and self._chance(0.9):
            return str(self.random.choice(list(rows))["id"])
        return f"019aaaaa-0000-7000-{0x80 | entity.code:02x}00-000000000000"

    def _ids(self) -> Any:
        """Ids of any types, some twice, some of nothing: a literal, a variable, or a list with variables in it."""
        entities = list(self.catalog.roots)
        ids = [self._an_id(self.random.choice(entities)) for _ in range(self.random.randint(0, self.limits.max_page))]
        ids.extend(ids[:1] if self._chance(0.3) and len(ids) < self.limits.max_page else [])
        if self._chance(0.4):
            return self._variable("[ID!]!", ids)
        return [self._either("ID!", id_) for id_ in ids]

    def _node(self) -> str:
        """Fragments on some types; those on a type that the role does not have are optional."""
        types = [e for e in self.catalog.roots if self._chance(0.4)]
        parts = ["id __typename"] if self._chance(0.8) else []
        for type_ in types:
            if self.access.grants(type_.name):
                parts.append(f"... on {type_.api_name} {{ {self._selection(type_, None, 1)} }}")
            else:
                parts.append(f"... on {type_.api_name} @optional {{ id }}")
        return " ".join([*parts, "id"])

    def _selection(self, entity: EntityType, path: tuple[str, ...] | None, depth: int) -> str:
        """Some fields of an object; `path` is None where cursors of lists inside cannot be found again."""
        members = self._fields(entity.api_name)
        if self._chance(0.08):
            return f"{self._optional(entity)} {self._selection(entity, path, depth)}"
        if self._chance(0.03):
            return self._optional(entity)
        picked = [self.random.choice(members) for _ in range(self.random.randint(1, 5))]
        parts: list[str] = []
        for name in picked:
            parts.extend(self._member(entity, name, path, depth))
        text = " ".join(parts) or "id"
        if self._chance(0.15):
            return f"... on {entity.api_name}{self._directive()} {{ {text} }} {self._fresh('a')}: id"
        if self._chance(0.1):
            fragment = self._fresh("f")
            self._fragments.append(f"fragment {fragment} on {entity.api_name} {{ {text} }}")
            return f"...{fragment}{self._directive()} id"
        return text

    def _optional(self, entity: EntityType) -> str:
        """A field that the role's schema does not have, if there is one, with a variable or a fragment of its own."""
        known = set(self._fields(entity.api_name))
        hidden = [m for m in entity.fields.values() if m.api_name not in known]
        member = self.random.choice([None, *hidden])
        name = member.api_name if member else "neverWas"
        if self._chance(0.5):
            return f"{self._fresh('o')}: {name} @include(if: {in_document(self._variable('Boolean!', True))}) @optional"
        fragment = self._fresh("f")
        self._fragments.append(f"fragment {fragment} on {entity.api_name} {{ id }}")
        return f"{self._fresh('o')}: {name} @optional {{ ...{fragment} }}"

    def _member(self, entity: EntityType, name: str, path: tuple[str, ...] | None, depth: int) -> list[str]:
        key = self._fresh("a")
        member = entity.by_api_name.get(name)
        lists = isinstance(member, Relation) and member.shape is Shape.CONNECTION
        lists = lists or name in ("timeline", CUSTOM) or name.endswith("Aggregate")
        if path is not None and not lists and self._chance(0.1):
            key = name
        if member is None:
            relation = entity.by_api_name.get(name.removesuffix("Aggregate"))
            if isinstance(relation, Relation):
                return [self._aggregate(key, name, self.catalog[relation.target])]
            return self._beside_the_catalog(entity, key, name, path, depth)
        if isinstance(member, Field):
            body = " { amount currency __typename }" if member.kind is Kind.MONEY else ""
            return [f"{key}: {name}{self._directive()}{body}"]
        if depth == 0:
            return []
        target, below = self.catalog[member.target], None if path is None else (*path, key)
        if member.shape is Shape.CONNECTION:
            return [self._connection(key, name, target, below, depth - 1)]
        selections = [self._selection(target, below, depth - 1) for _ in range(2 if self._chance(0.1) else 1)]
        return [f"{key}: {name}{self._directive()} {{ {selection} }}" for selection in selections]

    def _beside_the_catalog(
        self, entity: EntityType, key: str, name: str, path: tuple[str, ...] | None, depth: int
    ) -> list[str]:
        if name == CUSTOM:
            fields = self.random.choices(self._fields(custom_type(entity)), k=2)
            return [f"{key}: {name} {{ {' '.join(fields)} }}"]
        if name not in ("timeline", "entity"):
            return [f"{key}: {name}"]
        if depth == 0:
            return []
        below = None if path is None else (*path, key)
        return [self._timeline(key, below) if name == "timeline" else f"{key}: entity {{ {self._node()} }}"]

    def _timeline(self, key: str, path: tuple[str, ...] | None) -> str:
        arguments = self._window(path, offset=False)
        enum = self.schema.type_map["TimelineKind"]
        assert isinstance(enum, GraphQLEnumType)
        if self._chance(0.4):
            kinds = self.random.sample(list(enum.values), self.random.randint(0, len(enum.values)))
            arguments["kinds"] = self._swappable("[TimelineKind!]", [Name(kind) for kind in kinds])
        written = ", ".join(f"{k}: {in_document(v)}" for k, v in arguments.items())
        parts = [self._timeline_part() for _ in range(self.random.randint(1, 3))]
        if path is not None:
            parts.append(f"{CURSOR_EDGES}: edges {{ cursor }}")
        return f"{key}: timeline{f'({written})' if written else ''} {{ {' '.join(parts)} }}"

    def _timeline_part(self) -> str:
        key = self._fresh("p")
        match self.random.randint(0, 3):
            case 0:
                return f"{key}: nodes {{ {self._entry()} }}"
            case 1:
                return f"{key}: edges {{ __typename cursor node {{ {self._entry()} }} }}"
            case 2:
                return f"{key}: pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor __typename }}"
        return f"{key}: __typename"

    def _entry(self) -> str:
        """Fragments on some types of entries; those on a type that the role does not have are optional."""
        parts = ["id happenedAt __typename"] if self._chance(0.7) else ["__typename"]
        for name in ("interaction", "ticket", "stage_change"):
            entity = self.catalog[name]
            known = entity.api_name in self.schema.type_map and "happenedAt" in self._fields(entity.api_name)
            if self._chance(0.6) and known:
                parts.append(f"... on {entity.api_name} {{ {self._selection(entity, None, 1)} }}")
        return " ".join(parts)

    def _directive(self) -> str:
        """Now and then `@skip` or `@include`."""
        if not self._chance(0.05):
            return ""
        which, value = self.random.choice(("skip", "include")), self.random.choice((True, False))
        return f" @{which}(if: {in_document(self._swappable('Boolean!', value))})"

    def _connection(self, key: str, name: str, entity: EntityType, path: tuple[str, ...] | None, depth: int) -> str:
        arguments = {**self._window(path), **self._conditions(entity)}
        written = ", ".join(f"{k}: {in_document(v)}" for k, v in arguments.items())
        parts = [self._part(entity, path, depth) for _ in range(self.random.randint(1, 3))]
        if any(isinstance(v, Written) and k in ("after", "before") for k, v in arguments.items()):
            parts.append(f"{CURSOR_EDGES}: edges {{ cursor }}")
        head = f"{key}: {name}{f'({written})' if written else ''}"
        if self._chance(0.08):
            return f"{head} {{ {' '.join(parts)} }} {head}{self._directive()} {{ {self._part(entity, path, depth)} }}"
        return f"{head}{self._directive()} {{ {' '.join(parts)} }}"

    def _conditions(self, entity: EntityType, *, search: bool = True) -> dict[str, Any]:
        """The arguments that say which rows a list has and in which order; by relevance it is not whole."""
        arguments = self._filters(entity)
        if self._chance(0.5):
            order = [self._order(entity, entity, "", 2) for _ in range(self.random.randint(0, 3))]
            arguments["orderBy"] = self._swappable(f"[{entity.api_name}OrderBy!]", [o for o in order if o])
        if search and searched_fields(self.catalog, entity) and self._chance(0.3):
            arguments["search"] = self._either("String", self._text(entity))
        return arguments

    def _filters(self, entity: EntityType) -> dict[str, Any]:
        """Which rows a list or an aggregate is about."""
        arguments: dict[str, Any] = {}
        if self._chance(0.5):
            where = self._where(entity, entity, "", 3)
            whole = not self._holds_variables(where)
            arguments["where"] = self._swappable(f"{entity.api_name}Where", where) if whole else where
        if self._chance(0.25):
            arguments["archived"] = self._swappable(
                "Archived", Name(self.random.choice(("INCLUDE", "ONLY", "EXCLUDE")))
            )
        return arguments

    def _aggregate(self, key: str, name: str, entity: EntityType) -> str:
        maker = AggregateMaker(
            self.random, self.schema, self.catalog, self.tables, self.limits.max_groups, self._either, self._fresh
        )
        return maker.field(key, name, entity, self._filters(entity))

    def _window(self, path: tuple[str, ...] | None, *, offset: bool = True) -> dict[str, Any]:
        arguments: dict[str, Any] = {}
        way = self.random.randint(0 if offset else 1, 4)
        for name in (("first", "offset"), ("first",), ("last",), (), ())[way]:
            arguments[name] = self._swappable("Int", self.random.randint(0, self.limits.max_page), "page size")
        if path is not None and way > 0:
            for name in ("after", "before"):
                if self._chance(0.35):
                    variable = self._fresh("c")
                    self._definitions.append(f"${variable}: String")
                    self._places.append(Place(variable, path))
                    arguments[name] = Written(f"${variable}")
        return arguments

    def _part(self, entity: EntityType, path: tuple[str, ...] | None, depth: int) -> str:
        key = self._fresh("p")
        match self.random.randint(0, 5):
            case 0 | 1:
                below = None if path is None else (*path, key)
                return f"{key}: nodes {{ {self._selection(entity, below, depth)} }}"
            case 2:
                below = None if path is None else (*path, key, "node")
                return f"{key}: edges {{ cursor __typename node {{ {self._selection(entity, below, depth)} }} }}"
            case 3:
                return f"{key}: pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor __typename }}"
            case 4:
                return f"{key}: totalCount"
        return f"{key}: totalCountCapped {self._fresh('p')}: __typename"

    def _inputs(self, type_name: str) -> list[str]:
        type_ = self.schema.type_map.get(type_name)
        return list(type_.fields) if isinstance(type_, GraphQLInputObjectType) else []

    def _readable(self, root: EntityType, path: str) -> bool:
        return self.access.ceiling(root.name, path) is Level.READ

    def _where(self, entity: EntityType, root: EntityType, prefix: str, depth: int) -> dict[str, Any]:
        tree: dict[str, Any] = {}
        names = self._inputs(f"{entity.api_name}Where")
        for _ in range(self.random.randint(0 if self._chance(0.1) else 1, 2)):
            name = self.random.choice(names)
            value = None if name in tree else self._condition(entity, root, prefix, name, depth)
            if value is not None:
                tree[name] = value
        return tree

    def _condition(self, entity: EntityType, root: EntityType, prefix: str, name: str, depth: int) -> Any:
        member = entity.by_api_name.get(name)
        if isinstance(member, Field):
            return self._comparison(entity, member) if self._readable(root, prefix + member.name) else None
        if depth == 0 or name == CUSTOM:
            return self._custom_condition(entity, root, prefix) if name == CUSTOM else None
        if name == "not":
            return self._where(entity, root, prefix, depth - 1)
        if not isinstance(member, Relation):
            return [self._where(entity, root, prefix, depth - 1) for _ in range(self.random.randint(0, 2))]
        target = self.catalog[member.target]
        inner, below = (root, f"{prefix}{member.name}.") if target.is_child else (target, "")
        if member.shape is Shape.ONE:
            return self._where(target, inner, below, depth - 1)
        quantifiers = self.random.sample(("some", "every", "none"), self.random.randint(1, 2))
        found: dict[str, Any] = {q: self._where(target, inner, below, depth - 1) for q in quantifiers}
        if self._chance(0.3):
            found["count"] = self._count(target, inner, below, depth)
        return found

    def _count(self, target: EntityType, root: EntityType, prefix: str, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for op in self.random.sample(COUNT_OPERATORS, self.random.randint(0, 2)):
            many = op in (Op.IN, Op.NOT_IN)
            number = self.random.randint(-1, 3)
            found[op.value] = self._swappable("[Int!]" if many else "Int", [number, 1] if many else number)
        if self._chance(0.6):
            found["where"] = self._where(target, root, prefix, depth - 1)
        return found

    def _custom_condition(self, entity: EntityType, root: EntityType, prefix: str) -> dict[str, Any]:
        known = self._inputs(f"{custom_type(entity)}Where")
        names = self.random.sample(known, min(len(known), 2))
        readable = [m for m in map(entity.custom.__getitem__, names) if self._readable(root, prefix + m.name)]
        return {m.api_name: self._comparison(entity, m) for m in readable}

    def _comparison(self, entity: EntityType, member: Field) -> dict[str, Any]:
        where: Any = self.schema.type_map[f"{custom_type(entity) if member.custom else entity.api_name}Where"]
        filter_: Any = get_named_type(where.fields[member.api_name].type)
        conditions: dict[str, Any] = {}
        for op in self.random.sample(OPERATORS[member.kind], self.random.randint(1, 2)):
            value = self._operand(entity, member, op)
            if value is not None:
                conditions[op.value] = self._operand_or_variables(str(filter_.fields[op.value].type), value)
        return conditions

    def _operand_or_variables(self, type_: str, value: Any) -> Any:
        if isinstance(value, list) and self._chance(0.2):
            return [self._swappable(type_.strip("[]"), item) for item in value]
        return self._swappable(type_, value)

    def _operand(self, entity: EntityType, member: Field, op: Op) -> Any:
        if op in YES_OR_NO:
            return self.random.choice((True, False))
        values = [v for row in self.tables[entity.table] if (v := _stored(row, member)) is not None]
        if member.kind is Kind.TEXT_LIST:
            values = [item for found in values for item in found]
        if op in MANY:
            chosen = [self.random.choice(values) for _ in range(self.random.randint(0, 3))] if values else []
            return [_typed(member, v) for v in chosen] + self._relative(member, 0.2)
        return self._single(member, op, values)

    def _single(self, member: Field, op: Op, values: Sequence[Any]) -> Any:
        text = member.kind in (Kind.TEXT, Kind.TEXT_LIST)
        relative = self._relative(member, 0.4)
        if relative:
            return relative[0]
        if not values or (text and self._chance(0.2)):
            return self.random.choice(TEXTS) if text else None
        value = _typed(member, self.random.choice(values))
        if member.kind is Kind.TEXT and op in _PARTS:
            return self._part_of(value, op)
        return value

    def _part_of(self, value: str, op: Op) -> str:
        start, length = self.random.randint(0, 2), self.random.randint(0, 3)
        if op in (Op.STARTS_WITH, Op.STARTS_WITH_INSENSITIVE):
            start = 0
        elif op in (Op.ENDS_WITH, Op.ENDS_WITH_INSENSITIVE):
            start = max(len(value) - length, 0)
        part = value[start : start + length]
        return part.swapcase() if self._chance(0.4) else part

    def _relative(self, member: Field, share: float) -> list[Any]:
        timed = member.kind in (Kind.DATE, Kind.DATE_TIME)
        return [some_relative(self.random, dated=member.kind is Kind.DATE)] if timed and self._chance(share) else []

    def _order(self, entity: EntityType, root: EntityType, prefix: str, depth: int) -> dict[str, Any]:
        name = self.random.choice(self._inputs(f"{entity.api_name}OrderBy"))
        if name == CUSTOM:
            key = self.random.choice(self._inputs(f"{custom_type(entity)}OrderBy"))
            readable = self._readable(root, f"{prefix}{CUSTOM}.{key}")
            return {name: {key: Name(self.random.choice(DIRECTIONS))}} if readable else {}
        member = entity.by_api_name[name]
        if isinstance(member, Field):
            return {name: Name(self.random.choice(DIRECTIONS))} if self._readable(root, prefix + member.name) else {}
        if depth == 0:
            return {}
        target = self.catalog[member.target]
        inner = self._order(target, target, "", depth - 1)
        return {name: inner} if inner else {}

    def _holds_variables(self, value: Any) -> bool:
        if isinstance(value, dict):
            return any(self._holds_variables(v) for v in value.values())
        if isinstance(value, list):
            return any(self._holds_variables(v) for v in value)
        return isinstance(value, Written)


def _stored(row: Mapping[str, Any], member: Field) -> Any:
    return custom_value(member, row["custom"]) if member.custom else row[member.name]


def _typed(member: Field, value: Any) -> Any:
    """A stored value as a client writes it."""
    return Name(value) if member.kind is Kind.ENUM else as_json(value)
