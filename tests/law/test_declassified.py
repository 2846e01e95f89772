"""The closed list of what tells more than rights: each line has its law here, and nothing else may tell more.

What a declassification gives away is spelled out naively; where two databases are alike to an asker and give away the
same, they answer the same, byte by byte.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any
from uuid import UUID

import orjson
import pytest
from graphql import ExecutionResult
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine

from crm_graph.access import Access, Level
from crm_graph.models.fields import Search
from crm_graph.models.ids import EntityCode
from crm_graph.permissions.declassifications import DECLASSIFICATIONS
from crm_graph.permissions.rules import ALL, OWN, GrantRule, RoleRule, actions_of, grant
from crm_graph.proof.datasets import Dataset
from crm_graph.proof.engine import SMALL, Kept, principal_of, reading
from crm_graph.proof.lookups import exact, folded, squeezed, whole_number
from crm_graph.proof.rows import NOON, Connection, Row, Tables, id_source, insert, load
from crm_graph.proof.twins import Twin
from crm_graph.proof.view import Record, View, stored
from crm_graph.resolvers.documents import read_document
from crm_graph.resolvers.operations import Operations
from crm_graph.resolvers.write import MutationContext, run_mutation
from crm_graph.services.reads import ReadLog
from crm_graph.transaction import begin
from reference.compiled import access_of, catalog, schema_of
from reference.policies import CLASSES
from reference.settings import tried

from .changes import EMPTY

CHECKS = 12
WITHHELD = (("customers", "email"), ("customers", "phone"), ("customers", "birth_date"), ("contact_points", "raw"))
OWNED = grant(OWN, read=CLASSES)
MASKED = grant(ALL, fields={"phone": Level.MASKED, "birth_date": Level.MASKED, "contact_points.raw": Level.LOOKUP})
GRANTS: Mapping[str, tuple[GrantRule, ...]] = {"lead": (OWNED,), "user": (grant(ALL, read=CLASSES),)}
LAWS = {
    "version": "test_law::test_generated_policy_cannot_tell_twins_apart",
    "lookup": "queries::looked_up",
    "unmask": "test_unmasking_tells_the_fields_that_are_named_and_nothing_else",
    "checkDuplicate": "test_a_check_for_duplicates_tells_who_owns_what_is_there_and_nothing_else",
    "externalRef": "tests/services/test_upsert.py::test_who_does_not_see_every_record_names_no_source_of_others",
    "availableTransitions": "tests/services/test_workflows.py",
    "maskedValue": "test_mutations::test_mutations_on_twins_are_answered_alike",
    "money": "test_law::test_generated_policy_cannot_tell_twins_apart",
    "explain": "tests/services/test_explanations.py::test_tells_nothing_of_what_a_record_holds",
    "simulate": "test_law::test_simulated_role_cannot_tell_twins_apart",
    "previewGrants": "tests/web/test_grant_previews.py::test_preview_tells_what_a_role_would_give_to_whom",
    "documents": "tests/web/test_trusted_documents.py::test_who_may_register_is_told_by_the_full_schema",
    "numbers": "test_mutations::test_mutations_on_twins_are_answered_alike",
}
"""Where each line of the list is held to its words."""


def test_the_list_is_closed() -> None:
    assert [d.name for d in DECLASSIFICATIONS] == list(LAWS)
    actions = {d.granted_by.removeprefix("the action ") for d in DECLASSIFICATIONS if "the action " in d.granted_by}
    assert {a for a in actions if ":" in a or a == "unmask"} <= actions_of(catalog())
    audited = {"lookup", "unmask", "checkDuplicate", "explain", "simulate", "previewGrants"}
    assert {d.name for d in DECLASSIFICATIONS if d.audited} == audited


@dataclass(frozen=True)
class Told:
    """A mutation that tells more, its variables, and what it gives away of a database, naively."""

    text: str
    variables: Mapping[str, Any]
    bits: Callable[[View], object]


@dataclass(frozen=True)
class Databases:
    """One connection for reads, and a database of its own for what commits."""

    connection: Connection
    twin_connection: Connection
    engine: AsyncEngine


async def differing(
    random: Random, databases: Databases, customers: tuple[GrantRule, ...], make: Callable[..., Told]
) -> list[Told]:
    """The mutations that tell twins apart though they give away the same of both."""
    access: Access = access_of({"one": _role(customers)}, ["one"])
    connection, twin_connection = databases.connection, databases.twin_connection
    async with reading(connection):
        await insert(connection, Dataset(random, catalog(), 5).build())
        tables = await load(connection)
    who = principal_of(tables, random.choice(tables["users"])["id"], access)
    twin = Twin(random, catalog(), View(catalog(), tables, who, access), WITHHELD).grow(40)
    _repeat_unseen(random, twin)
    asked = [make(random, random.choice((tables, twin.tables))) for _ in range(CHECKS)]
    answers = []
    for rows in (tables, twin.tables):
        await twin_connection.execute(EMPTY)
        await insert(twin_connection, rows)
        answers.append([await _run(databases.engine, twin, told) for told in asked])
    views = [View(catalog(), rows, who, access) for rows in (tables, twin.tables)]
    same = [told.bits(views[0]) == told.bits(views[1]) for told in asked]
    return [t for t, equal, one, other in zip(asked, same, *answers, strict=True) if equal and one != other]


def _role(customers: tuple[GrantRule, ...]) -> RoleRule:
    grants = {**GRANTS, "customer": customers}
    return RoleRule("one", "one", "one", "", grants, frozenset({"unmask", "duplicates:check"}))


def _repeat_unseen(random: Random, twin: Twin) -> None:
    """Let the twin have more records like those that the asker does not see."""
    entity, ids = catalog()["customer"], id_source(random.randrange(2**32))
    view = View(catalog(), twin.tables, twin.view.principal, twin.view.access)
    rows = twin.tables["customers"]
    unseen = [row for row in rows if not view.exists(Record(entity, row, entity, row))]
    new = [{**row, "id": ids.new(EntityCode.CUSTOMER), "short_name": "b"} for row in unseen if random.random() < 0.5]
    twin.tables["customers"] = [*rows, *new]


async def _run(engine: AsyncEngine, twin: Twin, told: Told) -> bytes:
    who, ids = twin.view.principal, id_source(7)
    log: ReadLog = Kept()
    document = read_document(told.text, schema_of(who.access), max_tokens=1_000)
    context = MutationContext(
        operations=Operations(catalog(), schema_of, SMALL, max_tokens=1_000),
        begin=lambda: begin(engine, who, catalog(), lambda: NOON, ids, source="api", request_id="r"),
        locale="en",
        document=document,
        operation=document.operation(None),
        variables=told.variables,
        audit=log,
    )
    result: ExecutionResult = await run_mutation(context)
    errors = [(e.message, e.path, repr(e.original_error)) for e in result.errors or ()]
    return orjson.dumps([result.data, errors], default=str)


CHECK = """mutation ($i: CheckDuplicateInput!) { checkDuplicate(input: $i) {
  exists matches { ownerName poolState customer { id name phone maskedFields } lead { id name } }
  errors { code path message details }
} }"""
FIELDS = {
    "phone": ("phone", ("phone",)),
    "email": ("email", ("email",)),
    "companyName": ("name", ("company_name",)),
    "registrationNumber": ("registration_number", ()),
}


def a_check(random: Random, tables: Tables) -> Told:
    """A check by values that some rows have."""
    wanted = {}
    for name in random.sample(list(FIELDS), random.choice((1, 1, 2))):
        own, of_lead = FIELDS[name]
        values = [row[own] for row in tables["customers"]] + [row[f] for row in tables["leads"] for f in of_lead]
        wanted[name] = random.choice([v for v in values if v and v.strip()] or ["138"])
    return Told(CHECK, {"i": wanted}, lambda view: _given_away(view, wanted))


def _given_away(view: View, wanted: Mapping[str, str]) -> object:
    """Of each type, the owners and pool states of matching records that are not seen."""
    names = {user["id"]: user["name"] for user in view.tables["users"]}
    found: set[tuple[str, str | None, str]] = set()
    for entity in ("customer", "lead"):
        type_ = catalog()[entity]
        for row in view.tables[type_.table]:
            record = Record(type_, row, type_, row)
            matches = any(_matches(view, record, name, value) for name, value in wanted.items())
            if matches and row["archived_at"] is None and not view.exists(record):
                found.add((entity, names.get(row["owner_id"]), row["pool_state"]))
    return found


def _matches(view: View, record: Record, name: str, value: str) -> bool:
    row, lead = record.row, record.entity.name == "lead"
    points = [p["e164"] for p in view.tables["contact_points"] if not lead and p["customer_id"] == row["id"]]
    match name:
        case "phone":
            wanted = exact(Search.PHONE, value)
            return bool(wanted) and wanted in {whole_number(v) for v in (row["phone"], *points) if v}
        case "email":
            wanted = exact(Search.EMAIL, value)
            return bool(wanted) and wanted in {v.lower() for v in (row["email"], *points) if v}
        case "companyName":
            held = row["company_name"] if lead else row["name"] if row["kind"] == "ORGANIZATION" else None
            return _squeezed(held) == _squeezed(value) != ""
    held = () if lead else (row["registration_number"], row["tax_id"])
    return any(_squeezed(v) == _squeezed(value) != "" for v in held)


def _squeezed(value: str | None) -> str:
    return squeezed(folded(value or ""))


UNMASK = """mutation ($ids: [ID!]!, $fields: [String!]!) { unmask(ids: $ids, fields: $fields, reason: "why") {
  values { id childId field value } errors { code path message details }
} }"""


def an_unmasking(random: Random, tables: Tables) -> Told:
    """Fields of customers, some of which the asker does not see at all."""
    names = {"phone": "phone", "birthDate": "birth_date", "email": "email", "contactPoints.raw": "contact_points.raw"}
    fields = random.sample(list(names), random.randint(1, 2))
    ids = [row["id"] for row in random.sample(list(tables["customers"]), min(2, len(tables["customers"])))]

    def bits(view: View) -> object:
        return [_in_full(view, id_, [names[field] for field in fields]) for id_ in ids]

    return Told(UNMASK, {"ids": [str(id_) for id_ in ids], "fields": fields}, bits)


def _in_full(view: View, id_: UUID, paths: Collection[str]) -> object:
    """What a record has in the fields that it shows at least masked."""
    entity = catalog()["customer"]
    rows: list[Row] = [row for row in view.tables["customers"] if row["id"] == id_]
    seen = [record for row in rows if view.exists(record := Record(entity, row, entity, row))]
    return [
        stored(record, entity.fields[path])
        if path in entity.fields
        else sorted(str(p["raw"]) for p in view.tables["contact_points"] if p["customer_id"] == id_)
        for record in seen
        for path in paths
        if view.level(record, path) > Level.HIDDEN
    ]


@tried(6)
@given(seed=st.integers(0, 2**32))
async def test_a_check_for_duplicates_tells_who_owns_what_is_there_and_nothing_else(
    seed: int, connection: Connection, twin_connection: Connection, twin_engine: AsyncEngine
) -> None:
    databases = Databases(connection, twin_connection, twin_engine)
    assert await differing(Random(seed), databases, (OWNED,), a_check) == []


@tried(4)
@given(seed=st.integers(0, 2**32))
async def test_unmasking_tells_the_fields_that_are_named_and_nothing_else(
    seed: int, connection: Connection, twin_connection: Connection, twin_engine: AsyncEngine
) -> None:
    databases = Databases(connection, twin_connection, twin_engine)
    assert await differing(Random(seed), databases, (OWNED, MASKED), an_unmasking) == []


@pytest.mark.parametrize("told", [d for d in DECLASSIFICATIONS if d.audited], ids=lambda d: d.name)
def test_what_is_audited_is_granted_by_name(told: Any) -> None:
    assert "action" in told.granted_by or "LOOKUP" in told.granted_by
