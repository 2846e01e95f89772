"""Random queries, valid for a role's schema: roots, selections, and lists in them."""

from dataclasses import dataclass
from typing import Any

from crm_graph.catalog import CUSTOM, EntityType, Field, Kind, Relation, Shape, custom_type
from crm_graph.proof.literals import Name, Written, arguments_in_document, in_document
from crm_graph.proof.operations.aggregates import AggregateMaker
from crm_graph.proof.operations.conditions import ConditionMaker
from crm_graph.proof.operations.drafts import Draft
from crm_graph.proof.operations.generated import CURSOR_EDGES, Generated, Place
from crm_graph.proof.operations.searches import lookup_arguments, search_arguments


@dataclass
class OperationMaker:
    """Makes one query."""

    draft: Draft
    max_depth: int = 3
    without: frozenset[str] = frozenset()

    def make(self) -> Generated:
        """A query of one to three root fields."""
        roots = [f for f in self.draft.fields("Query") if f != "__typename" and f not in self.without]
        chosen = [self._root(self.draft.pick_root(roots)) for _ in range(self.draft.random.randint(1, 3))]
        if self.draft.chance(0.1):
            chosen.append("__typename")
        head = f"query Q({', '.join(self.draft.definitions)}) " if self.draft.definitions else ""
        text = "\n".join([f"{head}{{ {' '.join(chosen)} }}", *self.draft.fragments])
        return Generated(text, self.draft.variables, self.draft.places, self.draft.types)

    def make_list(self) -> Generated:
        """A query of one list under the key `rows`, which `$first` and `$after` lead through page by page."""
        fields = self.draft.fields("Query")
        lists = {e.api_plural: e for e in self.draft.catalog.roots if e.api_plural in fields}
        entity = lists[self.draft.pick_root(list(lists))]
        arguments = {
            "first": Written("$first"),
            "after": Written("$after"),
            **ConditionMaker(self.draft, lookups=False).conditions(entity, search=False),
        }
        written = arguments_in_document(arguments)
        nodes = f"nodes {{ {self._selection(entity, None, self.max_depth)} }}"
        head = f"query Q({', '.join(['$first: Int', '$after: String', *self.draft.definitions])})"
        page = "pageInfo { hasNextPage endCursor }"
        text = f"{head} {{ rows: {entity.api_plural}{written} {{ {nodes} {page} }} }}"
        return Generated("\n".join([text, *self.draft.fragments]), self.draft.variables, ())

    def _root(self, name: str) -> str:
        key = self.draft.fresh("r")
        if name == "node":
            id_ = self.draft.either("ID!", self._an_id(self.draft.pick_type()))
            return f"{key}: node(id: {in_document(id_)}) {{ {self._node()} }}"
        if name in ("search", "lookup"):
            return self._found(key) if name == "search" else self._looked_up(key)
        if name == "nodes":
            return f"{key}: nodes(ids: {in_document(self._ids())}) {{ {self._node()} }}"
        return self._of_type(key, name)

    def _of_type(self, key: str, name: str) -> str:
        for entity in self.draft.catalog.roots:
            if name == f"{entity.api_plural}Aggregate":
                return self._aggregate(key, name, entity)
            if name == entity.api_plural:
                return self._connection(key, name, entity, (key,), self.max_depth, exact=True)
            if name == entity.api_name[0].lower() + entity.api_name[1:]:
                return f"{key}: {name}({self._lookup(entity)}) {{ {self._selection(entity, (key,), self.max_depth)} }}"
        raise AssertionError(name)

    def _found(self, key: str) -> str:
        hits = f"hits {{ match type __typename node {{ {self._node()} }} }}"
        return f"{key}: search{arguments_in_document(search_arguments(self.draft))} {{ {hits} }}"

    def _looked_up(self, key: str) -> str:
        return f"{key}: lookup{arguments_in_document(lookup_arguments(self.draft))} {{ {self._node()} }}"

    def _lookup(self, entity: EntityType) -> str:
        refs = [r for r in self.draft.tables["external_refs"] if r["entity_type"] == entity.name]
        if refs and self.draft.chance(0.8 if "external_refs" in self.draft.about else 0.4):
            ref = self.draft.random.choice(refs)
            wanted = {"source": ref["source"], "externalId": ref["external_id"]}
            return f"externalRef: {in_document(self.draft.either('ExternalRefInput', wanted))}"
        return f"id: {in_document(self.draft.either('ID', self._an_id(entity)))}"

    def _an_id(self, entity: EntityType) -> str:
        rows = self.draft.tables[entity.table]
        if rows and self.draft.chance(0.9):
            return str(self.draft.random.choice(list(rows))["id"])
        return f"019aaaaa-0000-7000-{0x80 | entity.code:02x}00-000000000000"

    def _ids(self) -> Any:
        """Ids of any types, some twice, some of nothing: a literal, a variable, or a list with variables in it."""
        ids = [
            self._an_id(self.draft.pick_type()) for _ in range(self.draft.random.randint(0, self.draft.limits.max_page))
        ]
        ids.extend(ids[:1] if self.draft.chance(0.3) and len(ids) < self.draft.limits.max_page else [])
        if self.draft.chance(0.4):
            return self.draft.variable("[ID!]!", ids)
        return [self.draft.either("ID!", id_) for id_ in ids]

    def _node(self) -> str:
        """Fragments on some types; those on a type that the role does not have are optional."""
        about = self.draft.about
        types = [e for e in self.draft.nodes() if self.draft.chance(0.9 if e.table in about else 0.4)]
        parts = ["id __typename"] if self.draft.chance(0.8) else []
        for type_ in types:
            if type_.api_name in self.draft.schema.type_map:
                parts.append(f"... on {type_.api_name} {{ {self._selection(type_, None, 1)} }}")
            else:
                parts.append(f"... on {type_.api_name} @optional {{ id }}")
        return " ".join([*parts, "id"])

    def _selection(self, entity: EntityType, path: tuple[str, ...] | None, depth: int) -> str:
        """Some fields of an object; `path` is None where cursors of lists inside cannot be found again."""
        members = self.draft.fields(entity.api_name)
        if self.draft.chance(0.08):
            return f"{self._optional(entity)} {self._selection(entity, path, depth)}"
        if self.draft.chance(0.03):
            return self._optional(entity)
        picked = [self.draft.pick(members, entity) for _ in range(self.draft.random.randint(1, 5))]
        parts: list[str] = []
        for name in picked:
            parts.extend(self._member(entity, name, path, depth))
        text = " ".join(parts) or "id"
        if self.draft.chance(0.15):
            return f"... on {entity.api_name}{self._directive()} {{ {text} }} {self.draft.fresh('a')}: id"
        if self.draft.chance(0.1):
            fragment = self.draft.fresh("f")
            self.draft.fragments.append(f"fragment {fragment} on {entity.api_name} {{ {text} }}")
            return f"...{fragment}{self._directive()} id"
        return text

    def _optional(self, entity: EntityType) -> str:
        """A field that the role's schema does not have, if there is one, with a variable or a fragment of its own."""
        known = set(self.draft.fields(entity.api_name))
        hidden = [m for m in entity.fields.values() if m.api_name not in known]
        member = self.draft.random.choice([None, *hidden])
        name = member.api_name if member else "neverWas"
        if self.draft.chance(0.5):
            condition = in_document(self.draft.variable("Boolean!", True))
            return f"{self.draft.fresh('o')}: {name} @include(if: {condition}) @optional"
        fragment = self.draft.fresh("f")
        self.draft.fragments.append(f"fragment {fragment} on {entity.api_name} {{ id }}")
        return f"{self.draft.fresh('o')}: {name} @optional {{ ...{fragment} }}"

    def _member(self, entity: EntityType, name: str, path: tuple[str, ...] | None, depth: int) -> list[str]:
        key = self.draft.fresh("a")
        member = entity.by_api_name.get(name)
        lists = isinstance(member, Relation) and member.shape is Shape.CONNECTION
        lists = lists or name in ("timeline", "history", CUSTOM) or name.endswith("Aggregate")
        if path is not None and not lists and self.draft.chance(0.1):
            key = name
        if member is None:
            relation = entity.by_api_name.get(name.removesuffix("Aggregate"))
            if isinstance(relation, Relation):
                return [self._aggregate(key, name, self.draft.catalog[relation.target])]
            return self._beside_the_catalog(entity, key, name, path, depth)
        if isinstance(member, Field):
            body = " { amount currency __typename }" if member.kind is Kind.MONEY else ""
            return [f"{key}: {name}{self._directive()}{body}"]
        if depth == 0:
            return []
        target, below = self.draft.catalog[member.target], None if path is None else (*path, key)
        if member.shape is Shape.CONNECTION:
            return [self._connection(key, name, target, below, depth - 1)]
        selections = [self._selection(target, below, depth - 1) for _ in range(2 if self.draft.chance(0.1) else 1)]
        return [f"{key}: {name}{self._directive()} {{ {selection} }}" for selection in selections]

    def _beside_the_catalog(
        self, entity: EntityType, key: str, name: str, path: tuple[str, ...] | None, depth: int
    ) -> list[str]:
        if name == CUSTOM:
            fields = self.draft.random.choices(self.draft.fields(custom_type(entity)), k=2)
            return [f"{key}: {name} {{ {' '.join(fields)} }}"]
        if name not in ("timeline", "history", "entity"):
            return [f"{key}: {name}"]
        if depth == 0:
            return []
        below = None if path is None else (*path, key)
        if name == "history":
            return [self._history(key, below)]
        return [self._timeline(key, below) if name == "timeline" else f"{key}: entity {{ {self._node()} }}"]

    def _timeline(self, key: str, path: tuple[str, ...] | None) -> str:
        arguments = self._window(path, offset=False)
        enum: Any = self.draft.schema.type_map["TimelineKind"]
        if self.draft.chance(0.4):
            kinds = self.draft.random.sample(list(enum.values), self.draft.random.randint(0, len(enum.values)))
            arguments["kinds"] = self.draft.swappable("[TimelineKind!]", [Name(kind) for kind in kinds])
        written = arguments_in_document(arguments)
        parts = [self._timeline_part() for _ in range(self.draft.random.randint(1, 3))]
        if path is not None:
            parts.append(f"{CURSOR_EDGES}: edges {{ cursor }}")
        return f"{key}: timeline{written} {{ {' '.join(parts)} }}"

    def _history(self, key: str, path: tuple[str, ...] | None) -> str:
        arguments: dict[str, Any] = {}
        if self.draft.chance(0.5):
            size = self.draft.random.randint(0, self.draft.limits.max_page)
            arguments["first"] = self.draft.swappable("Int", size, "page size")
        entry = ["id type version", "changes { field item before after }", "reason source occurredAt __typename"]
        entry = self.draft.random.sample(entry, self.draft.random.randint(1, len(entry)))
        if "actor" in self.draft.fields("HistoryEntry") and self.draft.chance(0.4):
            entry.append(f"actor {{ {self._selection(self.draft.catalog['user'], None, 0)} }} onBehalfOf {{ id }}")
        facts = "pageInfo { hasNextPage hasPreviousPage startCursor endCursor __typename }"
        chosen = [f"{self.draft.fresh('p')}: nodes {{ {' '.join(entry)} }}"]
        chosen += self.draft.random.sample([facts, "__typename"], self.draft.random.randint(0, 2))
        if path is not None and self.draft.chance(0.3):
            variable = self.draft.fresh("c")
            self.draft.definitions.append(f"${variable}: String")
            self.draft.places.append(Place(variable, path))
            arguments["after"] = Written(f"${variable}")
            chosen.append(f"{CURSOR_EDGES}: pageInfo {{ endCursor }}")
        return f"{key}: history{arguments_in_document(arguments)} {{ {' '.join(chosen)} }}"

    def _timeline_part(self) -> str:
        key = self.draft.fresh("p")
        match self.draft.random.randint(0, 3):
            case 0:
                return f"{key}: nodes {{ {self._entry()} }}"
            case 1:
                return f"{key}: edges {{ __typename cursor node {{ {self._entry()} }} }}"
            case 2:
                return f"{key}: pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor __typename }}"
        return f"{key}: __typename"

    def _entry(self) -> str:
        """Fragments on some types of entries; those on a type that the role does not have are optional."""
        parts = ["id happenedAt __typename"] if self.draft.chance(0.7) else ["__typename"]
        for name in ("interaction", "task", "ticket", "stage_change"):
            entity = self.draft.catalog[name]
            known = entity.api_name in self.draft.schema.type_map and "happenedAt" in self.draft.fields(entity.api_name)
            if self.draft.chance(0.6) and known:
                parts.append(f"... on {entity.api_name} {{ {self._selection(entity, None, 1)} }}")
        return " ".join(parts)

    def _directive(self) -> str:
        """Now and then `@skip` or `@include`."""
        if not self.draft.chance(0.05):
            return ""
        which, value = self.draft.random.choice(("skip", "include")), self.draft.random.choice((True, False))
        return f" @{which}(if: {in_document(self.draft.swappable('Boolean!', value))})"

    def _connection(
        self,
        key: str,
        name: str,
        entity: EntityType,
        path: tuple[str, ...] | None,
        depth: int,
        *,
        exact: bool = False,
    ) -> str:
        # What belongs to a record has pages and nothing else.
        more = {} if entity.is_child else ConditionMaker(self.draft).conditions(entity, exact=exact)
        arguments = {**self._window(path, offset=not entity.is_child), **more}
        written = arguments_in_document(arguments)
        parts = [self._part(entity, path, depth) for _ in range(self.draft.random.randint(1, 3))]
        if any(isinstance(v, Written) and k in ("after", "before") for k, v in arguments.items()):
            parts.append(f"{CURSOR_EDGES}: edges {{ cursor }}")
        head = f"{key}: {name}{written}"
        if self.draft.chance(0.08):
            return f"{head} {{ {' '.join(parts)} }} {head}{self._directive()} {{ {self._part(entity, path, depth)} }}"
        return f"{head}{self._directive()} {{ {' '.join(parts)} }}"

    def _aggregate(self, key: str, name: str, entity: EntityType) -> str:
        return AggregateMaker(self.draft).field(key, name, entity, ConditionMaker(self.draft).filters(entity))

    def _window(self, path: tuple[str, ...] | None, *, offset: bool = True) -> dict[str, Any]:
        arguments: dict[str, Any] = {}
        way = self.draft.random.randint(0 if offset else 1, 4)
        for name in (("first", "offset"), ("first",), ("last",), (), ())[way]:
            arguments[name] = self.draft.swappable(
                "Int", self.draft.random.randint(0, self.draft.limits.max_page), "page size"
            )
        if path is not None and way > 0:
            for name in ("after", "before"):
                if self.draft.chance(0.35):
                    variable = self.draft.fresh("c")
                    self.draft.definitions.append(f"${variable}: String")
                    self.draft.places.append(Place(variable, path))
                    arguments[name] = Written(f"${variable}")
        return arguments

    def _part(self, entity: EntityType, path: tuple[str, ...] | None, depth: int) -> str:
        key = self.draft.fresh("p")
        match self.draft.random.randint(0, 5):
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
        return f"{key}: totalCountCapped {self.draft.fresh('p')}: __typename"
