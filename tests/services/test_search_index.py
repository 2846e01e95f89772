"""The search index follows every write in its own transaction, and a reindex mends what is missing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest

from crm_graph.hub import prepare
from crm_graph.models.ids import EntityCode
from crm_graph.services import customers, leads, search_index
from crm_graph.services.assignment import Assign
from crm_graph.services.commands import Archive, Create, Mode, Restore, Update
from crm_graph.services.search_keys import KEYS_VERSION, value_key
from crm_graph.services.upsert import upsert

from .conftest import World


async def found(world: World, query: str) -> list[UUID]:
    """The records whose keys match, whatever their fields are."""
    rows = await world.rows(
        "SELECT entity_id FROM search_documents WHERE EXISTS (SELECT 1 FROM unnest(tsvector_to_array(keys)) AS k"
        " WHERE substr(k, 5) = $1) ORDER BY entity_id",
        query,
    )
    return [row["entity_id"] for row in rows]


async def created(world: World, **values: Any) -> UUID:
    async with world.begin("li") as tx:
        (outcome,) = await customers.create(tx, [Create({"kind": "PERSON", "name": "张伟", **values})])
    assert outcome.id is not None
    return outcome.id


async def test_a_new_customer_is_found_by_name_and_each_of_its_numbers(world: World) -> None:
    async with world.begin("li") as tx:
        points = [
            {"kind": "MOBILE", "raw": "138 0000 0001"},
            {"kind": "LANDLINE", "raw": "010-62345678"},
            {"kind": "SERVICE_NUMBER", "raw": "400 820 0000"},
        ]
        command = Create({"kind": "PERSON", "name": "单伟"}, children={"contactPoints": points})
        (outcome,) = await customers.create(tx, [command])
    for key in ("g单伟", "pshanwei$", "pdanwei$", "isw$", "f13800000001", "b10000000831", "f1062345678"):
        assert await found(world, key) == [outcome.id], key
    assert await found(world, "f4008200000") == []


async def test_a_change_of_a_searched_field_changes_the_keys(world: World) -> None:
    id_ = await created(world, phone="13800000001")
    async with world.begin("li") as tx:
        await customers.update(tx, [Update(id_, {"name": "李强", "phone": "13900000002"})])
    assert await found(world, "g张伟") == []
    assert await found(world, "f13800000001") == []
    assert await found(world, "g李强") == [id_]
    assert await found(world, "f13900000002") == [id_]


async def row_keys(world: World, id_: UUID) -> list[str]:
    """The keys of its people, its team and what row rules ask for."""
    rows = await world.rows(
        "SELECT k FROM search_documents, unnest(tsvector_to_array(keys)) AS k"
        " WHERE entity_id = $1 AND k ~ '^[0-9]' ORDER BY k",
        id_,
    )
    return [row["k"] for row in rows]


def key(kind: str, id_: UUID) -> str:
    return kind + str(id_)[-12:]


async def test_a_record_has_keys_of_its_owner_and_its_team_that_follow_an_assignment(world: World) -> None:
    async with world.begin("li") as tx:
        names = [Create({"name": name}) for name in ("王芳", "李强")]
        one, other = [outcome.id for outcome in await leads.create(tx, names)]
    assert one is not None
    assert other is not None
    li, zhao, east, north = world.people["li"], world.people["zhao"], world.teams["east"], world.teams["north"]
    assert await row_keys(world, one) == [key("1", li.user_id), key("2", east)]
    async with world.begin("manager") as tx:
        await leads.assign(tx, [Assign(one, to_user=zhao.user_id), Assign(other, to_team=north)])
    assert await row_keys(world, one) == [key("1", zhao.user_id), key("2", north)]
    assert await row_keys(world, other) == [key("2", north)]
    assert await found(world, "g王芳") == [one]


async def test_a_record_has_keys_of_its_collaborators_as_of_its_owner(world: World) -> None:
    id_ = await created(world)
    li, wang = world.people["li"].user_id, world.people["wang"].user_id
    sources = search_index.sources_of(world.catalog, world.catalog["customer"])
    assert sources is not None
    async with connected(world) as driver:
        await driver.execute("INSERT INTO collaborations VALUES ($1, $2, $3)", id_, wang, world.clock.now)
        await search_index.index(driver, sources, [id_])
    people = sorted([key("1", li), key("1", wang)])
    assert await row_keys(world, id_) == [*people, key("2", world.teams["east"]), value_key("kind", "PERSON")]


async def test_a_record_has_keys_of_what_row_rules_ask_for(world: World) -> None:
    async with world.begin("erp") as tx:
        items = [{"externalId": "规则一", "kind": "ORGANIZATION", "name": "规则有限公司"}]
        (outcome,) = await upsert(tx, "customer", "erp", items)
    assert outcome.id is not None
    expected = sorted([value_key("kind", "ORGANIZATION"), value_key("external_refs.source", "erp")])
    assert [k for k in await row_keys(world, outcome.id) if k.startswith("3")] == expected


async def test_an_archived_customer_keeps_its_keys(world: World) -> None:
    id_ = await created(world)
    async with world.begin("li") as tx:
        await customers.archive(tx, [Archive(id_)])
    assert await found(world, "g张伟") == [id_]
    async with world.begin("li") as tx:
        await customers.restore(tx, [Restore(id_)])
    assert await found(world, "g张伟") == [id_]


async def test_a_refused_record_leaves_no_keys(world: World) -> None:
    async with world.begin("li") as tx:
        commands = [Create({"kind": "PERSON", "name": "王芳"}), Create({"kind": "PERSON"})]
        await customers.create(tx, commands, Mode.PARTIAL)
    assert len(await world.rows("SELECT 1 FROM search_documents")) == 1


async def test_an_upsert_and_its_dry_run(world: World) -> None:
    items = [{"externalId": "A-1", "kind": "ORGANIZATION", "name": "临江云栖酒店"}]
    async with world.begin("erp") as tx:
        await upsert(tx, "customer", "erp", items, dry_run=True)
    assert await world.count("search_documents") == 0
    async with world.begin("erp") as tx:
        (outcome,) = await upsert(tx, "customer", "erp", items)
    assert await found(world, "pjiudian") == [outcome.id]


@asynccontextmanager
async def connected(world: World) -> AsyncIterator[Any]:
    """A connection of the driver, in no transaction."""
    async with world.engine.connect() as connection:
        yield (await connection.get_raw_connection()).driver_connection


async def documents(world: World) -> list[Any]:
    return await world.rows("SELECT entity_id, keys::text FROM search_documents ORDER BY entity_id")


async def fill(world: World) -> int:
    async with connected(world) as driver:
        return await search_index.fill(driver, world.catalog, world.catalog["customer"])


async def forget(world: World) -> None:
    """As it was before there was search."""
    async with connected(world) as driver:
        await driver.execute("DELETE FROM search_documents")
        await driver.execute("DELETE FROM search_fills")


@pytest.mark.parametrize("batch", [1, 2, 2_000])
async def test_a_fill_indexes_what_was_there_before_once(
    world: World, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_index, "BATCH", batch)
    for name in ("张伟", "李强", "王芳"):
        await created(world, name=name)
    before = await documents(world)
    await forget(world)

    assert await fill(world) == 3
    assert await documents(world) == before
    assert await fill(world) == 0


async def test_a_fill_that_was_stopped_goes_on_where_it_was(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_index, "BATCH", 1)
    for name in ("张伟", "李强", "王芳"):
        await created(world, name=name)
    before = await documents(world)
    await forget(world)

    def stop(done: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    async with connected(world) as driver:
        with pytest.raises(KeyboardInterrupt):
            await search_index.fill(driver, world.catalog, world.catalog["customer"], stop)
    assert await documents(world) == before[:2]
    assert await fill(world) == 1
    assert await documents(world) == before


async def test_processes_that_fill_at_the_same_time_share_the_work(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_index, "BATCH", 1)
    for n in range(8):
        await created(world, name=f"张伟{n}")
    before = await documents(world)
    await forget(world)

    assert sum(await asyncio.gather(fill(world), fill(world), fill(world))) == 8
    assert await documents(world) == before


async def test_a_version_whose_keys_are_made_of_something_else_fills_anew(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await created(world)
    await fill(world)
    monkeypatch.setattr(search_index, "KEYS_VERSION", KEYS_VERSION + 1)

    assert await fill(world) == 1
    assert await fill(world) == 0


async def test_a_migrated_database_finds_what_was_there_before_search(world: World) -> None:
    id_ = await created(world)
    await forget(world)
    told: list[tuple[str, int]] = []

    await prepare(world.engine, filling=lambda plural, records: told.append((plural, records)))

    assert await found(world, "g张伟") == [id_]
    assert ("customers", 1) in told


@pytest.mark.parametrize("batch", [1, 2, 2_000])
async def test_reindex_fills_what_is_missing_and_sweeps_what_is_gone(
    world: World, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_index, "BATCH", batch)
    ids = [await created(world, name=name) for name in ("张伟", "李强", "王芳")]
    before = await world.rows("SELECT entity_id, keys::text FROM search_documents ORDER BY entity_id")
    gone = uuid4()
    async with world.engine.begin() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        await driver.execute("DELETE FROM search_documents WHERE entity_id = $1", ids[0])
        await driver.execute("UPDATE search_documents SET keys = '''x''' WHERE entity_id = $1", ids[1])
        await driver.execute("INSERT INTO search_documents VALUES ($1, $2, '''x''')", int(EntityCode.CUSTOMER), gone)
        assert await search_index.reindex(driver, world.catalog, world.catalog["customer"]) == 3
    assert await world.rows("SELECT entity_id, keys::text FROM search_documents ORDER BY entity_id") == before
