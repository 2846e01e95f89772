"""The law for changes: on twins that commit apart, the same mutations and imports are answered alike."""

import csv
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from io import StringIO
from pathlib import Path
from random import Random
from typing import Any

import orjson
from graphql import ExecutionResult, GraphQLInputObjectType
from rich.console import Console
from sqlalchemy.ext.asyncio import AsyncEngine

from crm_graph.access import Access
from crm_graph.catalog import EntityType, Field, Kind, Shape, writable
from crm_graph.errors import CrmError
from crm_graph.messages import render
from crm_graph.models import Base
from crm_graph.models.ids import EntityCode, IdSource
from crm_graph.permissions.effective import STRUCTURE
from crm_graph.permissions.policy import DEFAULT_ROLES
from crm_graph.permissions.rules import RoleRule
from crm_graph.proof.datasets import SOURCES, Dataset
from crm_graph.proof.engine import SMALL, principal_of, reading
from crm_graph.proof.json_values import as_json
from crm_graph.proof.rows import NOON, Connection, Row, Tables, id_source, insert, load
from crm_graph.proof.twins import Twin
from crm_graph.proof.view import View
from crm_graph.resolvers.documents import read_document
from crm_graph.resolvers.operations import Operations
from crm_graph.resolvers.write import MutationContext, run_mutation
from crm_graph.services.import_reports import print_report
from crm_graph.services.imports import import_file, upserting
from crm_graph.transaction import begin
from reference.compiled import access_of, catalog, schema_of

ENOUGH = 10
"""So many changes are enough for twins to differ."""
SOURCE = "erp"
"""The system that whoever writes speaks for."""
ENTITIES = ("customer", "interaction", "lead", "opportunity", "ticket", "contract")
VERBS = ("create", "update", "update", "archive", "restore", "transition", "assign", "upsert")
SEQUENCES = ("customer_numbers", "ticket_numbers", "contract_numbers")
"""What record numbers are drawn from: they tell how many were made."""
WRITTEN = (Kind.TEXT, Kind.INT, Kind.BOOLEAN, Kind.ENUM)
EMPTY = "TRUNCATE " + ", ".join(t for t in Base.metadata.tables if t != "policy_version")
_ERRORS = "errors { code message path details }"
Document = tuple[str, dict[str, Any]]


@cache
def agent_access() -> Access:
    """Somebody who sells and may send all that they sell to in bulk: most rows do not exist for them."""
    actions = frozenset(f"{catalog()[name].plural}:upsert" for name in ENTITIES)
    agent = RoleRule("agent", "Agent", "代理商", "", {}, actions, inherits=("sales",))
    return access_of({**DEFAULT_ROLES, agent.key: agent}, [agent.key])


@dataclass(frozen=True)
class Bench:
    """Where twins are tried: reads on one connection, what commits in a database of its own, files in a folder."""

    connection: Connection
    twin_connection: Connection
    twin_engine: AsyncEngine
    folder: Path


async def grown(
    bench: Bench,
    random: Random,
    access: Access,
    attempts: int,
    *,
    columns: Collection[tuple[str, str]] | None = None,
    tables: Collection[str] | None = None,
) -> Twin:
    """A database and a twin that whoever writes refs of SOURCE does not tell from it."""
    async with reading(bench.connection):
        made = Dataset(random, catalog(), 4).build()
        _tell_source(random, made)
        await insert(bench.connection, made)
        rows = await load(bench.connection)
    who = replace(principal_of(rows, random.choice(rows["users"])["id"], access), source=SOURCE)
    view = View(catalog(), rows, who, access)
    return Twin(random, catalog(), view, columns, tables=tables, sources=[SOURCE]).grow(attempts, ENOUGH)


def _tell_source(random: Random, tables: dict[str, list[Row]]) -> None:
    """Let SOURCE know some records more."""
    ids = IdSource(lambda: NOON, Random(random.randrange(2**32)).getrandbits)
    for name in ENTITIES:
        for n, row in enumerate(tables[catalog()[name].table]):
            if random.random() < 0.4:
                key = {"source": SOURCE, "entity_type": name, "entity_id": row["id"], "external_id": f"M{n}"}
                tables["external_refs"].append({"id": ids.new(EntityCode.EXTERNAL_REF), **key, "synced_at": NOON})


class Changes:
    """Makes mutations that a role has, on rows that it may or may not see, rather on those that differ."""

    def __init__(self, random: Random, twin: Twin, verbs: Sequence[str] = VERBS) -> None:
        self._random = random
        self._twin = twin
        self._access: Access = twin.view.principal.access
        self._schema = schema_of(self._access)
        self._fields = self._schema.mutation_type.fields if self._schema.mutation_type else {}
        possible = [(catalog()[name], verb) for name in ENTITIES for verb in verbs]
        self._possible = [(e, verb) for e, verb in possible if self._mutation(e, verb) in self._fields]

    def make(self) -> Document | None:
        """A document and its variables; None where the role has no such verb."""
        if not self._possible:
            return None
        self._about = self._twin.about()
        near = [(e, verb) for e, verb in self._possible if self._is_near(e)]
        entity, verb = self._random.choice(near if near and self._random.random() < 0.7 else self._possible)
        name = self._mutation(entity, verb)
        if verb == "upsert":
            return self._upsert(entity, name)
        variables: dict[str, Any] = {}
        if verb != "create":
            variables["id"] = self._id(entity)
        if verb in ("create", "update"):
            variables["input"] = self._input(entity, f"{verb.title()}{entity.api_name}Input", creating=verb == "create")
        if verb == "update":
            variables["expectedVersion"] = self._random.choice((None, None, None, 0, 1, 5, 100))
        if verb in ("transition", "assign"):
            users = [str(u["id"]) for u in self._tables["users"]]
            variables["to"] = self._random.choice(
                [s["key"] for s in self._tables["stages"]] if verb != "assign" else users
            )
        arguments = self._fields[name].args
        head = ", ".join(f"${v}: {arguments[v].type}" for v in variables)
        given = ", ".join(f"{v}: ${v}" for v in variables)
        payload = f"{{ {entity.name} {{ {self._selection(entity)} }} {_ERRORS} }}"
        return f"mutation({head}) {{ {name}({given}) {payload} }}", variables

    def _is_near(self, entity: EntityType) -> bool:
        related = (catalog()[relation.target].table for relation in entity.relations.values())
        return any(table in self._about for table in (entity.table, *related))

    @property
    def _tables(self) -> Tables:
        return self._random.choice((self._twin.view.tables, self._twin.tables))

    def _mutation(self, entity: EntityType, verb: str) -> str:
        return (
            f"upsert{entity.api_plural[0].upper()}{entity.api_plural[1:]}"
            if verb == "upsert"
            else verb + entity.api_name
        )

    def _id(self, entity: EntityType) -> str:
        rows = list(self._tables[entity.table])
        if self._random.random() < 0.4:
            rows = [record.row for record in self._twin.view.records(entity)] or rows
        if rows and self._random.random() < 0.9:
            return str(self._random.choice(rows)["id"])
        return f"019aaaaa-0000-7000-{0x80 | entity.code:02x}00-000000000000"

    def _selection(self, entity: EntityType) -> str:
        """Fields of the record and of what it is related to, those that differ among them."""
        type_: Any = self._schema.type_map[entity.api_name]
        wanted = set(self._about.get(entity.table, ()))
        known = [f for f in entity.fields.values() if f.api_name in type_.fields]
        picked = [f for f in known if f.name in wanted] + self._random.sample(known, min(3, len(known)))
        parts = [_cell(f) for f in dict.fromkeys(picked)]
        for relation in entity.relations.values():
            target = catalog()[relation.target]
            near = target.table in self._about
            if relation.api_name in type_.fields and (near or self._random.random() < 0.2):
                inner = "id" if not near else self._named(target, self._about[target.table])
                listed = f"nodes {{ {inner} }}" if relation.shape is Shape.CONNECTION else inner
                parts.append(f"{relation.api_name} {{ {listed} }}")
        return f"id version updatedAt maskedFields {' '.join(parts)}"

    def _named(self, entity: EntityType, columns: Any) -> str:
        type_: Any = self._schema.type_map[entity.api_name]
        named = [f for f in entity.fields.values() if f.name in {*columns, *STRUCTURE} and f.api_name in type_.fields]
        return " ".join(_cell(f) for f in named)

    def _input(self, entity: EntityType, type_name: str, *, creating: bool) -> dict[str, Any]:
        type_ = self._schema.type_map[type_name]
        assert isinstance(type_, GraphQLInputObjectType)
        fields = [f for f in entity.fields.values() if f.api_name in type_.fields and f.kind in WRITTEN]
        wanted = [f for f in fields if f.name in self._about.get(entity.table, ())]
        picked = self._random.sample(fields, min(len(fields), self._random.randint(0, 2)))
        picked += self._random.sample(wanted, min(len(wanted), 1))
        picked += [f for f in fields if creating and f.info.required]
        found = {f.api_name: self._value(entity, f) for f in picked}
        for relation in catalog().parents(entity):
            given = f"{relation.api_name}Id"
            if given in type_.fields and self._random.random() < (0.6 if creating else 0.3):
                found[given] = self._id(catalog()[relation.target])
        return found

    def _value(self, entity: EntityType, member: Field) -> Any:
        """A value that some row has, or any."""
        values = [row[member.name] for row in self._tables[entity.table]]
        if values and self._random.random() < 0.6:
            return self._random.choice(values)
        choices: Mapping[Kind, Sequence[Any]] = {
            Kind.TEXT: ("a", "上海", None), Kind.INT: (1, 5, None), Kind.BOOLEAN: (True, False),
        }  # fmt: skip
        return self._random.choice([e.value for e in member.enum] if member.enum else choices[member.kind])

    def _upsert(self, entity: EntityType, name: str) -> Document:
        items = [self._item(entity) for _ in range(self._random.randint(1, 4))]
        head = f"mutation($source: String!, $items: [Upsert{entity.api_name}Item!]!, $dry: Boolean!)"
        outcomes = f"outcomes {{ index result id {_ERRORS} }} created updated unchanged rejected {_ERRORS}"
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
        for relation in catalog().parents(entity):
            if self._random.random() < 0.5 and self._access.may_write(entity.name, relation.name):
                item[relation.api_name] = self._parent(catalog()[relation.target])
        return item

    def _item_type(self, entity: EntityType) -> str:
        name = f"Upsert{entity.api_name}Item"
        return name if name in self._schema.type_map else f"Create{entity.api_name}Input"

    def _external_id(self, entity: EntityType) -> str:
        """What some system calls a record of the type, or a name that none has."""
        refs = [r["external_id"] for r in self._tables["external_refs"] if r["entity_type"] == entity.name]
        return str(self._random.choice([*refs, f"N{self._random.randrange(9)}"]))

    def file(self, entity: EntityType, rows: int) -> str:
        """A CSV file of records, with a column for each field that an import may set and for each parent."""
        self._about = self._twin.about()
        fields = writable(entity, creating=True)
        parents, key = list(catalog().parents(entity)), self._random.choice(("id", "externalId"))
        out = StringIO()
        writer = csv.writer(out)
        writer.writerow(["externalId", *(f.api_name for f in fields), *(f"{r.api_name}.{key}" for r in parents)])
        for _ in range(rows):
            values = [self._cell(entity, f) for f in fields]
            targets = [catalog()[relation.target] for relation in parents]
            named = [self._id(target) if key == "id" else self._external_id(target) for target in targets]
            writer.writerow([self._external_id(entity), *values, *named])
        return out.getvalue()

    def _cell(self, entity: EntityType, member: Field) -> str:
        """What a file says of a field: always what a record needs, now and then the rest."""
        if not member.info.required and self._random.random() < 0.6:
            return ""
        values = [str(as_json(v)) for row in self._tables[entity.table] if (v := row[member.name]) is not None]
        return self._random.choice(values) if values else ""

    def _parent(self, target: EntityType) -> dict[str, Any]:
        if self._random.random() < 0.4:
            return {"id": self._id(target)}
        named = {"externalId": self._external_id(target)}
        return {**named, "source": self._random.choice(SOURCES)} if self._random.random() < 0.7 else named


def _cell(member: Field) -> str:
    return f"{member.api_name} {{ amount currency }}" if member.kind is Kind.MONEY else member.api_name


async def answers(bench: Bench, twin: Twin, documents: Sequence[Document]) -> list[list[bytes]]:
    """What each database answers to the same mutations, one after another."""
    found = []
    for rows in (twin.view.tables, twin.tables):
        await _fill(bench, rows)
        found.append([await _run(bench.twin_engine, twin, text, variables) for text, variables in documents])
    return found


async def _fill(bench: Bench, rows: Tables) -> None:
    """Let the database hold these rows and nothing else, and count its records from one."""
    await bench.twin_connection.execute(EMPTY)
    for sequence in SEQUENCES:
        await bench.twin_connection.execute("SELECT setval($1::regclass, 1)", sequence)
    await insert(bench.twin_connection, rows)


async def told_by_mutations(
    bench: Bench, random: Random, twin: Twin, changes: int, verbs: Sequence[str] = VERBS
) -> list[Document]:
    """The mutations, of so many with some of the verbs, that tell two databases apart which look alike."""
    maker = Changes(random, twin, verbs)
    documents = [made for _ in range(changes) if (made := maker.make())]
    one, other = await answers(bench, twin, documents)
    return [d for d, a, b in zip(documents, one, other, strict=True) if a != b]


async def _run(engine: AsyncEngine, twin: Twin, text: str, variables: dict[str, Any]) -> bytes:
    who = twin.view.principal
    document = read_document(text, schema_of(who.access), max_tokens=2_000)
    ids = id_source(7)
    context = MutationContext(
        operations=Operations(catalog(), schema_of, SMALL, max_tokens=2_000),
        begin=lambda: begin(engine, who, catalog(), lambda: NOON, ids, source=SOURCE, request_id="r"),
        locale="en",
        document=document,
        operation=document.operation(None),
        variables=variables,
    )
    result: ExecutionResult = await run_mutation(context)
    errors = [(e.message, e.path, repr(e.original_error)) for e in result.errors or ()]
    return orjson.dumps([result.data, errors], default=str)


async def told_by_imports(bench: Bench, random: Random, twin: Twin, rows: int) -> list[str]:
    """The types of records whose imported file tells two databases apart which look alike: by its report, by the rows
    that are given back, or by how it is refused.
    """
    maker, told = Changes(random, twin), []
    for entity in (catalog()[name] for name in ENTITIES):
        if twin.view.principal.access.may(f"{entity.plural}:upsert"):
            path = bench.folder / f"{entity.name}.csv"
            path.write_text(maker.file(entity, rows), encoding="utf-8")
            one, other = [
                await _imported(bench, twin, entity, path, tables) for tables in (twin.view.tables, twin.tables)
            ]
            if one != other:
                told.append(entity.name)
    return told


async def _imported(bench: Bench, twin: Twin, entity: EntityType, path: Path, tables: Tables) -> list[Any]:
    who, ids = twin.view.principal, id_source(7)
    await _fill(bench, tables)
    problems, rejects = path.with_suffix(".problems.csv"), path.with_suffix(".rejects.csv")
    write = upserting(
        lambda: begin(bench.twin_engine, who, catalog(), lambda: NOON, ids, source=SOURCE), entity, SOURCE
    )
    try:
        report = await import_file(path, entity, write, access=who.access, report_to=problems, rejects_to=rejects)
    except CrmError as error:
        return [error.code, render(error, "en"), error.path]
    printed = Console(file=StringIO(), width=200)
    print_report(report, printed)
    assert isinstance(printed.file, StringIO)
    return [printed.file.getvalue(), problems.read_bytes(), rejects.read_bytes()]
