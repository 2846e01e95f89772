"""Erasing a customer: nothing personal of them is left anywhere in the database, and nobody else's is touched."""

from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import inspect

from crm_graph.access import Access
from crm_graph.errors import NotFound, Required
from crm_graph.permissions.effective import full_access
from crm_graph.permissions.principals import Principal
from crm_graph.services import customers, interactions, jobs, reads
from crm_graph.services.commands import Create, Update
from crm_graph.services.erasure import ERASED, erase, personal_columns
from crm_graph.services.reads import AuditedRead
from crm_graph.transaction import NotGranted

from .conftest import World
from .replaying import Doings, comparable, present, replayed

SECRET = "sekret"
OWNED = ("interaction", "lead", "opportunity", "ticket", "contract", "task")
CHILDREN = {
    "contact_points": "contact_points",
    "addresses": "addresses",
    "external_refs": "external_refs",
    "stage_history": "stage_changes",
}


def eraser(world: World, name: str = "manager") -> Principal:
    old = world.people[name]
    return replace(old, access=Access(old.access.roles, old.access.types, old.access.actions | {"erase"}, 1))


async def person(world: World, name: str) -> UUID:
    who = replace(world.people["erp"], access=full_access(world.catalog))
    points = [{"kind": "EMAIL", "raw": f"{name}@example.com", "label": name}]
    address = [{"kind": "HOME", "street": name, "recipient": name}]
    async with world.begin_as(who) as tx:
        values = {"kind": "PERSON", "name": name, "email": f"{name}@example.com", "description": name}
        children = {"contactPoints": points, "addresses": address}
        (made,) = await customers.create(tx, [Create(values, {}, children)])
    assert made.id is not None
    async with world.begin_as(who, reason=f"{name} asked for it") as tx:
        await customers.update(tx, [Update(made.id, {"description": f"{name} again", "shortName": name})])
        await interactions.create(
            tx, [Create({"channel": "CALL", "occurredAt": "2026-11-20T04:00:00Z", "body": name}, {"customer": made.id})]
        )
    return made.id


async def execute(world: World, statement: str, *arguments: Any) -> None:
    async with world.engine.begin() as connection:
        await connection.exec_driver_sql(statement, arguments)


async def everything_personal(world: World, id_: UUID, value: str) -> None:
    """Let every personal column of the customer and of the records with them hold a text, where it can."""
    for name in ("customer", *OWNED):
        entity = world.catalog[name]
        columns = inspect(entity.model).local_table.columns
        texts = [c for c in personal_columns(entity.model) if columns[c].type.python_type is str and c != "gender"]
        changes = ", ".join(f"{c} = '{value}'" for c in texts)
        by = "id" if name == "customer" else "customer_id"
        await execute(world, f"UPDATE {entity.table} SET {changes} WHERE {by} = $1", id_)


async def holding(world: World, text: str) -> set[str]:
    """The columns in which a text stands, of all tables there are."""
    found = set()
    columns = await world.rows(
        "SELECT table_name AS t, column_name AS c, data_type AS type FROM information_schema.columns"
        " JOIN information_schema.tables USING (table_schema, table_name)"
        " WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
    )
    for row in columns:
        as_text = f"encode(\"{row['c']}\", 'escape')" if row["type"] == "bytea" else f'"{row["c"]}"::text'
        if await world.rows(f'SELECT 1 FROM "{row["t"]}" WHERE {as_text} ILIKE $1 LIMIT 1', f"%{text}%"):
            found.add(f"{row['t']}.{row['c']}")
    return found


async def stored_elsewhere(world: World, id_: UUID) -> None:
    """An answer about the subject and one about many, an export that asks for them, a job, and a look at them."""
    who = world.people["manager"]
    until = world.clock.now + timedelta(hours=1)
    for subject in (id_, None):
        await execute(
            world,
            "INSERT INTO idempotency_keys (actor_id, key, field, request_hash, answer, subject_id, created_at,"
            " expires_at) VALUES ($1, $2, 'f', $3, $4, $5, $6, $6)",
            who.user_id,
            str(uuid4()),
            b"hash",
            f'{{"name": "{SECRET}"}}'.encode(),
            subject,
            until,
        )
    await execute(
        world,
        "INSERT INTO exports (id, user_id, document, variables, format, file_name, byte_order_mark, created_at,"
        " expires_at) VALUES ($1, $2, 'query', $3, 'CSV', 'f', false, $4, $4)",
        uuid4(),
        who.user_id,
        f'{{"name": "{SECRET}"}}',
        until,
    )
    async with world.begin_as(who) as tx:
        read = AuditedRead("unmasked", "customer", ("phone",), 1, (id_,), reason=f"{SECRET} called", looked_for=SECRET)
        await reads.record(tx, [read])
        await jobs.enqueue(tx, jobs.Job("no.handler", {"name": SECRET}, subject_id=id_))


async def test_nothing_personal_is_left_in_any_column_of_any_table(world: World) -> None:
    doings = Doings(world, Random(5), replace(world.people["erp"], access=full_access(world.catalog)))
    id_ = await person(world, SECRET)
    doings.ids["customer"] = [id_]
    await doings.run(0)
    await everything_personal(world, id_, SECRET)
    await stored_elsewhere(world, id_)
    before = await holding(world, SECRET)
    assert {"customers.name", "interactions.body", "idempotency_keys.answer", "exports.variables"} <= before
    assert {"search_documents.keys", "contact_points.raw", "addresses.street"} <= before
    assert any(column.startswith("events") for column in before)

    world.clock.advance(seconds=1)
    async with world.begin_as(eraser(world)) as tx:
        erased = await erase(tx, id_, "request 12")

    assert await holding(world, SECRET) == set()
    assert await world.row("SELECT name, email, archived_at FROM customers WHERE id = $1", id_) == {
        "name": ERASED,
        "email": None,
        "archived_at": world.clock.now,
    }
    assert erased.records == 1 + sum(
        [(await world.row(f"SELECT count(*) AS n FROM {world.catalog[e].table} WHERE customer_id = $1", id_))["n"]
         for e in OWNED]
    )  # fmt: skip


async def test_log_says_so_and_still_gives_the_present_state(world: World) -> None:
    id_ = await person(world, SECRET)
    world.clock.advance(seconds=1)
    async with world.begin_as(eraser(world)) as tx:
        await erase(tx, id_, "request 12")

    events = await world.events(id_)
    assert [(e["type"], e["erased_at"] is not None, e["reason"]) for e in events] == [
        ("customer.created", True, None),
        ("customer.updated", True, None),
        ("customer.erased", False, "request 12"),
    ]
    assert (events[-1]["before"], events[-1]["after"]["name"]) == ({}, ERASED)
    entity = world.catalog["customer"]
    children = {n: t for n, t in CHILDREN.items() if n in entity.relations}
    now = await present(world, entity, id_, list(children))
    assert comparable(entity.table, replayed(entity, events), children) == comparable(
        entity.table, {k: v for k, v in now.items() if k not in ("id", "custom")}, children
    )


async def test_others_stay_as_they_are(world: World) -> None:
    other, subject = await person(world, "another"), await person(world, SECRET)

    async def rows() -> list[dict[str, Any]]:
        return [
            *await world.rows("SELECT * FROM customers WHERE id = $1", other),
            *await world.rows("SELECT * FROM contact_points WHERE customer_id = $1", other),
            *await world.rows("SELECT * FROM events WHERE customer_id = $1 ORDER BY id", other),
            *await world.rows("SELECT * FROM search_documents WHERE entity_id = $1", other),
        ]

    before = await rows()
    async with world.begin_as(eraser(world)) as tx:
        await erase(tx, subject, "request 12")
    assert await rows() == before


async def test_who_lacks_the_action_or_does_not_see_the_customer_erases_nothing(world: World) -> None:
    id_ = await person(world, SECRET)
    with pytest.raises(NotGranted):
        async with world.begin("manager") as tx:
            await erase(tx, id_, "request 12")
    with pytest.raises(NotFound):
        async with world.begin_as(eraser(world, "li")) as tx:
            await erase(tx, id_, "request 12")
    with pytest.raises(Required):
        async with world.begin_as(eraser(world)) as tx:
            await erase(tx, id_, "  ")
    assert (await world.row("SELECT name FROM customers WHERE id = $1", id_))["name"] == SECRET


def test_every_personal_column_can_be_emptied(world: World) -> None:
    """One that must have a value is a text."""
    for entity in world.catalog.types.values():
        columns = inspect(entity.model).local_table.columns
        needed = [c for c, nullable in personal_columns(entity.model).items() if not nullable]
        assert all(columns[c].type.python_type is str for c in needed), entity.name
