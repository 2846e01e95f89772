"""Random mutations of records, valid for a role's schema: rather of what differs, with values that some row has."""

import csv
from collections.abc import Mapping, Sequence
from functools import cached_property
from io import StringIO
from random import Random
from typing import Any

from graphql import GraphQLInputObjectType, GraphQLSchema

from crm_graph.access import Access, Level
from crm_graph.catalog import Catalog, EntityType, Field, Kind, Relation, Shape, writable
from crm_graph.models.ids import EntityCode
from crm_graph.permissions.effective import STRUCTURE
from crm_graph.proof.datasets import SOURCE, SOURCES
from crm_graph.proof.json_values import as_json
from crm_graph.proof.masks import MASKS
from crm_graph.proof.rows import NOON, Row, Tables, id_source
from crm_graph.proof.twins import Spot, Twin
from crm_graph.proof.view import Record
from crm_graph.services.nouns import NOUNS

VERBS = (
    *("create", "update", "update", "archive", "restore", "transition", "assign", "upsert", "upsert"),
    *("complete", "cancel", "reopen"),
)
ERRORS = "errors { code message path details }"
MASKED = 0.25
"""How often a text that is written is what somebody sees of a masked one."""
NEAR = 0.4
"""How often a change is about a withheld cell that differs."""
SEEN = 0.6
PARENTS_SEEN = 0.85
"""How often a record is one that is seen, and one that another is to belong to."""
WRITABLE = 0.85
"""How often only what may be written is."""
_CHOICES: Mapping[Kind, Sequence[Any]] = {
    Kind.TEXT: ("a", "上海", None),
    Kind.INT: (1, 5, None),
    Kind.BOOLEAN: (True, False),
    Kind.DATE: ("2026-11-22", "1990-05-01", None),
    Kind.DATE_TIME: ("2026-11-22T04:00:00Z", None),
    Kind.DECIMAL: ("0.5", "1", None),
    Kind.MONEY: ("10", "99.99", "-1.5", None),
}
Document = tuple[str, dict[str, Any]]


class Changes:
    """Makes mutations that a role has, on rows that it may or may not see."""

    def __init__(self, random: Random, twin: Twin, schema: GraphQLSchema, verbs: Sequence[str] = VERBS) -> None:
        self._random = random
        self._twin = twin
        self._catalog: Catalog = twin.view.catalog
        self._access: Access = twin.view.principal.access
        self._schema = schema
        self._about: Mapping[str, Sequence[str]] = {}
        self._written: frozenset[str] | None = None
        self._fields = schema.mutation_type.fields if schema.mutation_type else {}
        possible = [(self._catalog[name], verb) for name in NOUNS for verb in dict.fromkeys(verbs)]
        self._possible = [(e, verb) for e, verb in possible if mutation_of(e, verb) in self._fields]
        self._verbs = [verb for verb in verbs if any(verb == there for _, there in self._possible)]

    def make(self) -> Document | None:
        """A document and its variables; None where the role has no such verb."""
        if not self._possible:
            return None
        self._about = self._twin.about()
        verb = self._random.choice(self._verbs)
        entities = [e for e, possible in self._possible if possible == verb]
        near = [e for e in entities if self._is_near(e)]
        entity = self._random.choice(near if near and self._random.random() < 0.7 else entities)
        spot = self._a_spot(entities) if verb in ("update", "transition") else None
        if spot is not None:
            entity = next(e for e in entities if e.table == spot.table)
        name = mutation_of(entity, verb)
        variables: dict[str, Any] = {}
        if verb not in ("create", "upsert"):
            variables["id"] = self.an_id(entity) if spot is None else str(spot.row)
        self._written = self._writes(entity, variables.get("id")) if self._random.random() < WRITABLE else None
        if verb == "upsert":
            return self._upsert(entity, name)
        if verb in ("create", "update"):
            variables["input"] = self._input(entity, f"{verb.title()}{entity.api_name}Input", creating=verb == "create")
        if verb == "update" and spot is not None:
            variables["input"] = self._written_back(entity, spot) or variables["input"]
        if verb == "update":
            variables["expectedVersion"] = self._random.choice((*(None,) * 8, 0, 1, 5, 100))
        if verb == "complete":
            variables["note"] = self._random.choice(("a", "上海", " "))
        if verb in ("transition", "assign"):
            variables |= self._destination(entity, verb, variables["id"])
        return self.document(name, entity, variables), variables

    def _destination(self, entity: EntityType, verb: str, id_: str) -> dict[str, Any]:
        """Where a record is to go, to a stage now and then with fields."""
        if verb == "assign":
            return {"to": self._random.choice([str(u["id"]) for u in self._tables["users"]])}
        to = {"to": self._random.choice(self._stages(entity, id_))}
        if self._random.random() >= 0.3:
            return to
        return {**to, "fields": self._input(entity, f"Update{entity.api_name}Input", creating=False)}

    def _a_spot(self, entities: Sequence[EntityType]) -> Spot | None:
        """A withheld cell of such records that differs, now and then."""
        if self._random.random() >= NEAR:
            return None
        known = {entity.table: entity for entity in entities}
        spots = [spot for spot in self._twin.cells if spot.table in known]
        written = [spot for spot in spots if spot.column in self._writes(known[spot.table], str(spot.row))]
        return self._random.choice(written or spots) if spots else None

    def _writes(self, entity: EntityType, id_: str | None) -> frozenset[str]:
        """The fields that may be written of a record, or of a new one."""
        view, grants = self._twin.view, self._access.grants(entity.name)
        if id_ is not None:
            records = [Record(entity, row, entity, row) for row in view.tables[entity.table] if str(row["id"]) == id_]
            grants = tuple(g for g in grants if any(view.matches(g.scope, record) for record in records))
        return frozenset(path for grant in grants for path in grant.writes)

    def _may(self, path: str) -> bool:
        return self._written is None or path in self._written

    def _written_back(self, entity: EntityType, spot: Spot) -> dict[str, Any]:
        """What the asker sees of a withheld cell, where the role may write it: its mask, or null."""
        type_ = self._schema.type_map.get(f"Update{entity.api_name}Input")
        member = entity.fields.get(spot.column)
        if member is None or not isinstance(type_, GraphQLInputObjectType) or member.api_name not in type_.fields:
            return {}
        row = next(row for row in self._twin.view.tables[entity.table] if row["id"] == spot.row)
        shown = self._twin.view.shown(Record(entity, row, entity, row), member)
        return {} if shown is None and member.info.required else {member.api_name: as_json(shown)}

    def _stages(self, entity: EntityType, id_: str) -> list[str]:
        """The stages that a record can go to from where it is, or else all there are."""
        tables = self._twin.view.tables
        stage = next((row["stage_id"] for row in tables[entity.table] if str(row["id"]) == id_), None)
        moves = [m for m in tables["transitions"] if m["from_stage_id"] == stage]
        wanted = self._about.get(entity.table, ())
        asking = [m for m in moves if any(r.get("field") in wanted for r in m["requirements"])]
        near = {m["to_stage_id"] for m in asking or moves}
        known = [s["key"] for s in tables["stages"] if s["id"] in near]
        return known if known and self._random.random() < 0.8 else [s["key"] for s in tables["stages"]]

    def document(self, name: str, entity: EntityType, variables: Mapping[str, Any]) -> str:
        """A mutation with these variables, and some of what it gives back."""
        arguments = self._fields[name].args
        head = ", ".join(f"${v}: {arguments[v].type}" for v in variables if v in arguments)
        given = ", ".join(f"{v}: ${v}" for v in variables if v in arguments)
        shown = f"{entity.name} {{ {self._selection(entity)} }}" if entity.api_name in self._schema.type_map else ""
        payload = f"{{ {shown} {ERRORS} }}"
        return f"mutation({head}) {{ {name}({given}) {payload} }}"

    def _is_near(self, entity: EntityType) -> bool:
        related = (self._catalog[relation.target].table for relation in entity.relations.values())
        return any(table in self._about for table in (entity.table, *related))

    @property
    def _tables(self) -> Tables:
        return self._random.choice((self._twin.view.tables, self._twin.tables))

    def an_id(self, entity: EntityType, seen: float = SEEN) -> str:
        """The id of a row of either database, rather of one that differs or is seen, or of none."""
        differing = self._twin.differing(entity.table)
        rows = [record.row["id"] for record in self._twin.view.records(entity)]
        if rows and self._random.random() < seen:
            near = [id_ for id_ in rows if id_ in differing]
            return str(self._random.choice(near if near and self._random.random() < NEAR else rows))
        if differing and self._random.random() < 0.5:
            return str(self._random.choice(differing))
        rows = [row["id"] for row in self._tables[entity.table]]
        if rows and self._random.random() < 0.9:
            return str(self._random.choice(rows))
        return f"019aaaaa-0000-7000-{0x80 | entity.code:02x}00-000000000000"

    def _selection(self, entity: EntityType) -> str:
        """Fields of the record and of what it is related to, those that differ among them."""
        type_: Any = self._schema.type_map[entity.api_name]
        wanted = set(self._about.get(entity.table, ()))
        known = [f for f in entity.fields.values() if f.api_name in type_.fields]
        picked = [f for f in known if f.name in wanted] + self._random.sample(known, min(3, len(known)))
        parts = [_cell(f) for f in dict.fromkeys(picked)]
        for relation in entity.relations.values():
            target = self._catalog[relation.target]
            near = target.table in self._about
            if relation.api_name in type_.fields and (near or self._random.random() < 0.2):
                inner = "id" if not near else self._named(target, self._about[target.table])
                listed = f"nodes {{ {inner} }}" if relation.shape is Shape.CONNECTION else inner
                parts.append(f"{relation.api_name} {{ {listed} }}")
        return f"id version updatedAt maskedFields {' '.join(parts)}"

    def _named(self, entity: EntityType, columns: Any) -> str:
        type_: Any = self._schema.type_map[entity.api_name]
        named = [f for f in entity.fields.values() if f.name in {*columns, *STRUCTURE} and f.api_name in type_.fields]
        return " ".join(_cell(f) for f in named) or "__typename"

    def _input(self, entity: EntityType, type_name: str, *, creating: bool) -> dict[str, Any]:
        type_ = self._schema.type_map.get(type_name)
        if not isinstance(type_, GraphQLInputObjectType):
            return {}
        known = [f for f in entity.fields.values() if f.api_name in type_.fields and f.kind in (*_CHOICES, Kind.ENUM)]
        fields = [f for f in known if self._may(f.name)]
        wanted = [f for f in fields if f.name in self._about.get(entity.table, ())]
        picked = self._random.sample(fields, min(len(fields), self._random.randint(0, 2)))
        picked += self._random.sample(wanted, min(len(wanted), 1))
        picked += [f for f in known if creating and f.info.required]
        found = {f.api_name: self._value(entity, f) for f in picked}
        for relation in self._catalog.parents(entity):
            given = f"{relation.api_name}Id"
            near = self._catalog[relation.target].table in self._about
            share = 0.8 if near or (creating and not relation.nullable) else 0.3
            if given in type_.fields and self._may(relation.name) and self._random.random() < share:
                found[given] = self.an_id(self._catalog[relation.target], seen=PARENTS_SEEN)
        for relation in self._catalog.children(entity):
            near = self._catalog[relation.target].table in self._about
            if relation.api_name in type_.fields and self._random.random() < (0.5 if near else 0.1):
                found[relation.api_name] = self._children(relation)
        return found

    def _children(self, relation: Relation) -> list[dict[str, Any]]:
        """What belongs to a record: some of what some record has, as it is sent."""
        target = self._catalog[relation.target]
        type_ = self._schema.type_map.get(f"{target.api_name}Input")
        names = type_.fields if isinstance(type_, GraphQLInputObjectType) else {}
        known = [f for f in writable(target, creating=True) if f.api_name in names]
        fields = [f for f in known if f.info.required or self._may(f"{relation.name}.{f.name}")]
        return [
            {f.api_name: self._value(target, f) for f in fields if f.info.required or self._random.random() < 0.5}
            for _ in range(self._random.randint(0, 2))
        ]

    @cached_property
    def _masked(self) -> bool:
        """Whether the role sees any text masked, and may write it back so."""
        levels = (level for grants in self._access.types.values() for g in grants for level in g.levels.values())
        return any(Level.HIDDEN < level < Level.READ for level in levels)

    def _value(self, entity: EntityType, member: Field) -> Any:
        """A value that some row has, its mask, or any."""
        if member.name == "currency":
            return self._random.choice(("CNY", "USD"))
        values = [
            row[member.name] for row in self._tables[entity.table] if row[member.name] or not member.info.required
        ]
        if values and self._random.random() < 0.6:
            value = self._random.choice(values)
            if member.info.mask and value is not None and self._masked and self._random.random() < MASKED:
                return MASKS[member.info.mask](value)
            return as_json(value)
        choices = [e.value for e in member.enum] if member.enum else _CHOICES[member.kind]
        return self._random.choice([c for c in choices if c is not None or not member.info.required])

    def _upsert(self, entity: EntityType, name: str) -> Document:
        items = [self._item(entity) for _ in range(self._random.randint(1, 4))]
        if self._random.random() < 0.8:
            items = list({item["externalId"]: item for item in items}.values())
        head = f"mutation($source: String!, $items: [Upsert{entity.api_name}Item!]!, $dry: Boolean!)"
        outcomes = f"outcomes {{ index result id {ERRORS} }} created updated unchanged rejected {ERRORS}"
        variables = {"source": SOURCE, "items": items, "dry": self._random.random() < 0.2}
        return f"{head} {{ {name}(source: $source, items: $items, dryRun: $dry) {{ {outcomes} }} }}", variables

    def _item(self, entity: EntityType) -> dict[str, Any]:
        """A record as the source has it."""
        item: dict[str, Any] = {
            "externalId": self._external_id(entity),
            **self._input(entity, self._item_type(entity), creating=True),
        }
        if self._random.random() < 0.15:
            item["deleted"] = True
        for relation in self._catalog.parents(entity):
            may = self._access.grants(relation.target) and self._access.may_write(entity.name, relation.name)
            if may and self._random.random() < 0.5:
                item[relation.api_name] = self._parent(self._catalog[relation.target])
        return item

    def _item_type(self, entity: EntityType) -> str:
        name = f"Upsert{entity.api_name}Item"
        return name if name in self._schema.type_map else f"Create{entity.api_name}Input"

    def _external_id(self, entity: EntityType) -> str:
        """What some system calls a record of the type, rather a name that differs or SOURCE's of a record that does, or
        one that none has.
        """
        refs = [r for r in self._tables["external_refs"] if r["entity_type"] == entity.name]
        own = [r for r in refs if r["source"] == SOURCE]
        differing, names = (set(self._twin.differing(table)) for table in (entity.table, "external_refs"))
        near = [r for r in own if r["entity_id"] in differing]
        odd = [r for r in refs if r["id"] in names]
        chosen = next((some for some in (odd, near, own) if some and self._random.random() < 0.3), refs)
        return str(self._random.choice([*(r["external_id"] for r in chosen), f"N{self._random.randrange(9)}"]))

    def _parent(self, target: EntityType) -> dict[str, Any]:
        if self._random.random() < 0.4:
            return {"id": self.an_id(target)}
        named = {"externalId": self._external_id(target)}
        return {**named, "source": self._random.choice(SOURCES)} if self._random.random() < 0.7 else named

    def file(self, entity: EntityType, rows: int) -> str:
        """A CSV file of records, with a column for each field that an import may set and for each parent."""
        self._about, self._written = self._twin.about(), None
        fields = writable(entity, creating=True)
        parents, key = list(self._catalog.parents(entity)), self._random.choice(("id", "externalId"))
        out = StringIO()
        writer = csv.writer(out)
        writer.writerow(["externalId", *(f.api_name for f in fields), *(f"{r.api_name}.{key}" for r in parents)])
        for _ in range(rows):
            values = [self._text(entity, f) for f in fields]
            targets = [self._catalog[relation.target] for relation in parents]
            named = [self.an_id(target) if key == "id" else self._external_id(target) for target in targets]
            writer.writerow([self._external_id(entity), *values, *named])
        return out.getvalue()

    def _text(self, entity: EntityType, member: Field) -> str:
        """What a file says of a field: always what a record needs, now and then the rest."""
        if not member.info.required and self._random.random() < 0.6:
            return ""
        values = [str(as_json(v)) for row in self._tables[entity.table] if (v := row[member.name]) is not None]
        return self._random.choice(values) if values else ""


def mutation_of(entity: EntityType, verb: str) -> str:
    """The mutation that does so with records of a type."""
    if verb != "upsert":
        return verb + entity.api_name
    return f"upsert{entity.api_plural[0].upper()}{entity.api_plural[1:]}"


def tell_source(random: Random, tables: Mapping[str, list[Row]], catalog: Catalog) -> None:
    """Let SOURCE know some records more."""
    ids = id_source(random.randrange(2**32))
    for name in NOUNS:
        for n, row in enumerate(tables[catalog[name].table]):
            if random.random() < 0.4:
                key = {"source": SOURCE, "entity_type": name, "entity_id": row["id"], "external_id": f"M{n}"}
                tables["external_refs"].append({"id": ids.new(EntityCode.EXTERNAL_REF), **key, "synced_at": NOON})


def _cell(member: Field) -> str:
    return f"{member.api_name} {{ amount currency }}" if member.kind is Kind.MONEY else member.api_name
