"""Migrations give what the models say, once, whoever runs them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from crm_graph import migrations
from crm_graph.db import connect, database_name, with_database, write_engine
from crm_graph.maintenance import check, migrate
from crm_graph.models.ids import EntityCode, code_of, first_id_at
from crm_graph.models.users import UserKind
from crm_graph.proof.masks import phone
from crm_graph.settings import Settings


@pytest.fixture
async def empty_url(database_url: str) -> AsyncIterator[str]:
    """A database of this test's own, empty."""
    name = f"{database_name(database_url)}_migrations"
    admin = await connect(with_database(database_url, "postgres"))
    await admin.execute(f"CREATE DATABASE {name}")
    yield with_database(database_url, name)
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """A connection whose work is rolled back."""
    opened = await connect(database_url)
    undo = opened.transaction()
    await undo.start()
    yield opened
    await undo.rollback()
    await opened.close()


async def test_replicas_that_start_together_migrate_once(empty_url: str, settings: Settings) -> None:
    done = await asyncio.gather(*(migrations.migrate(empty_url, settings) for _ in range(3)))
    assert sorted(str(run.before) for run in done) == [migrations.head(), migrations.head(), "None"]
    assert {run.after for run in done} == {migrations.head()}
    assert await check(empty_url, settings) == []


async def test_a_database_that_was_never_migrated_is_told_apart(empty_url: str, settings: Settings) -> None:
    assert await check(empty_url, settings) == ["the database was never migrated"]


async def test_migrating_makes_what_every_hub_needs_and_keeps_it(empty_url: str, settings: Settings) -> None:
    counted = (
        "SELECT (SELECT count(*) FROM roles), (SELECT count(*) FROM pipelines), (SELECT count(*) FROM signing_keys)"
    )
    await migrate(empty_url, settings)
    connection = await connect(empty_url)
    first = tuple(await connection.fetchrow(counted) or ())
    await migrate(empty_url, settings)
    assert tuple(await connection.fetchrow(counted) or ()) == first
    await connection.close()
    assert first[1:] == (4, 1)


async def test_drift_names_what_differs(empty_url: str, settings: Settings) -> None:
    await migrations.migrate(empty_url, settings)
    connection = await connect(empty_url)
    await connection.execute(
        "ALTER TABLE customers ADD COLUMN shoe_size int; ALTER TABLE users DROP CONSTRAINT ck_users_userkind;"
        "DROP INDEX ix_contracts_number"
    )
    await connection.close()
    values = ", ".join(f"'{kind}'::character varying" for kind in UserKind)
    rule = f"((kind)::text = ANY ((ARRAY[{values}])::text[]))"
    assert await migrations.drift(empty_url, settings) == [
        "only in the database: column customers shoe_size integer",
        f"only in the models: constraint users ck_users_userkind CHECK ({rule})",
        "only in the models: index CREATE INDEX ix_contracts_number ON contracts USING btree (number)",
    ]


async def test_the_way_back_leaves_nothing(empty_url: str, settings: Settings) -> None:
    await migrations.migrate(empty_url, settings)
    engine: AsyncEngine = write_engine(empty_url, settings)
    async with engine.connect() as connection:
        await connection.run_sync(_to, command.downgrade, "base")
        await connection.commit()
        left = await connection.scalars(
            text(
                "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname !~ '^alembic'"
                " UNION ALL SELECT proname FROM pg_proc WHERE proname LIKE 'crm\\_%'"
            )
        )
        assert left.all() == []
    await engine.dispose()


def _to(connection: Connection, move: Callable[[Config, str], None], revision: str) -> None:
    config = migrations._config()
    config.attributes["connection"] = connection
    move(config, revision)


TASKS = [f"tasks:{verb}" for verb in ("archive", "assign", "complete", "create", "restore", "update", "upsert")]


async def test_default_roles_of_before_get_the_actions_that_were_added_unless_somebody_edited_them(
    empty_url: str, settings: Settings
) -> None:
    """Sales had an action taken away, the CRM managers were never edited, and one role is the company's own."""
    engine = write_engine(empty_url, settings)
    async with engine.connect() as opened:
        await opened.run_sync(_to, command.upgrade, "0021")
        await opened.commit()
    await engine.dispose()
    connection = await connect(empty_url)
    add = (
        "INSERT INTO roles (id, key, name_en, name_zh, builtin, actions, version, created_at, updated_at)"
        " VALUES (gen_random_uuid(), $1, $1, $1, $2, $3, $4, now(), now())"
    )
    for key, builtin, actions, version in (
        ("admin", True, ["access:explain", "documents:register", "roles:manage"], 1),
        ("auditor", True, ["access:explain"], 1),
        ("crm_manager", True, ["merge"], 1),
        ("sales", True, ["customers:create"], 2),
        ("buyers", False, ["merge"], 1),
    ):
        await connection.execute(add, key, builtin, orjson.dumps(actions).decode(), version)

    await migrate(empty_url, settings)

    rows = await connection.fetch("SELECT key, version, actions::text AS actions FROM roles")
    told = {row["key"]: (row["version"], orjson.loads(row["actions"])) for row in rows}
    policy = "SELECT version FROM policy_version"
    raised = await connection.fetchval(policy)
    await migrate(empty_url, settings)
    again = await connection.fetchval(policy)
    await connection.close()
    assert {key: told[key] for key in ("admin", "auditor", "crm_manager", "sales", "buyers")} == {
        "admin": (
            1,
            ["access:explain", "access:simulate", "documents:register", "jobs:manage", "jobs:read", "roles:manage"],
        ),
        "auditor": (1, ["access:explain", "audit:read", "roles:read"]),
        "crm_manager": (1, ["documents:register", "duplicates:check", "merge", *TASKS]),
        "sales": (2, ["customers:create"]),
        "buyers": (1, ["merge"]),
    }
    assert raised == again > 1


async def test_default_roles_go_on_reading_fields_whose_marks_changed(empty_url: str, settings: Settings) -> None:
    await migrate(empty_url, settings)
    connection = await connect(empty_url)
    told = """
        SELECT r.key, g.entity_type, g.row_rule, g.predicate::text AS predicate, g.levels::text AS levels,
               g.field_levels::jsonb::text AS fields, g.writes::text AS writes
        FROM grants g JOIN roles r ON r.id = g.role_id WHERE r.builtin
    """
    wanted = {tuple(row.values()) for row in await connection.fetch(told)}
    await _as_before(empty_url, settings)
    await connection.execute(
        "UPDATE grants SET field_levels = field_levels - 'short_name' - 'website' FROM roles r"
        " WHERE r.id = role_id AND r.key = 'analyst' AND predicate IS NOT NULL"
    )
    await connection.execute(
        "UPDATE grants g SET field_levels = g.field_levels - 'credit_hold',"
        " writes = CASE r.key WHEN 'erp' THEN g.writes - 'field:credit_hold' ELSE g.writes END"
        " FROM roles r WHERE r.id = g.role_id"
    )

    await migrate(empty_url, settings)

    assert {tuple(row.values()) for row in await connection.fetch(told)} == wanted
    await connection.close()


async def test_roles_that_end_by_themselves_get_their_timers(empty_url: str, settings: Settings) -> None:
    await migrate(empty_url, settings)
    connection = await connect(empty_url)
    await connection.execute(
        "INSERT INTO users (id, kind, username, name, created_at, updated_at)"
        " VALUES (crm_id(7), 'PERSON', 'wang', 'Wang', now(), now());"
        "INSERT INTO user_roles (user_id, role_id, expires_at)"
        " SELECT u.id, r.id, CASE r.key WHEN 'sales' THEN now() + interval '1 day' WHEN 'service' THEN now() END"
        " FROM users u, roles r WHERE u.username = 'wang' AND r.key IN ('sales', 'service', 'finance')"
    )
    await _as_before(empty_url, settings)
    await migrate(empty_url, settings)
    rows = await connection.fetch(
        "SELECT kind, timers.key, due_at = expires_at AND wake_at = expires_at AS at_its_end FROM timers"
        " JOIN user_roles h ON h.user_id = entity_id JOIN roles r ON r.id = h.role_id AND r.key = timers.key"
    )
    assert [tuple(row) for row in rows] == [("role_expiry", "sales", True)]
    await connection.close()


async def _as_before(empty_url: str, settings: Settings) -> None:
    """Back to the release before the marks changed; its rows are still those of now."""
    engine = write_engine(empty_url, settings)
    async with engine.connect() as opened:
        await opened.run_sync(_to, command.downgrade, "0030")
        await opened.commit()
    await engine.dispose()


@pytest.mark.parametrize(
    ("revision", "behind"), [(None, True), ("0001", True), (migrations.head(), False), ("9999", False)]
)
def test_only_a_newer_or_equal_database_is_served(revision: str | None, behind: bool) -> None:  # noqa: FBT001 - a column of the table above
    assert migrations.is_behind(revision) is behind


async def test_ids_made_in_sql_are_those_made_in_python(connection: "asyncpg.Connection[Any]") -> None:
    moment = datetime(2026, 11, 22, 1, 2, 3, 456_000, UTC)
    made: UUID = await connection.fetchval("SELECT crm_id($1, $2)", EntityCode.TICKET, moment)
    assert (made.version, made.variant, code_of(made)) == (7, "specified in RFC 4122", EntityCode.TICKET)
    assert made.int >> 80 == int(moment.timestamp() * 1000)
    assert await connection.fetchval("SELECT crm_first_id($1)", moment) == first_id_at(moment)
    assert await connection.fetchval("SELECT count(DISTINCT crm_id(1)) FROM generate_series(1, 1000)") == 1000


@pytest.mark.parametrize(
    ("kind", "value", "masked"),
    [
        ("phone", "+8613800138000", "138****8000"),
        ("phone", "13800138001", "138****8001"),
        ("phone", "0086 138 0013 8000", "138****8000"),
        ("phone", "021-6288 1234", "021****1234"),
        ("phone", "4008001234", "40****1234"),
        ("phone", "+865926770112", "59****0112"),
        ("phone", "+85291234567", "852****4567"),
        ("phone", "912345678", "9****5678"),
        ("phone", "62881234", "****1234"),
        ("phone", "6288123", "****123"),
        ("phone", "628812", "****"),
        ("phone", "95588", "****"),
        ("phone", None, None),
        ("email", "zhang@example.com", "z***@example.com"),
        ("email", "a@b@example.com", "a***@example.com"),
        ("email", "@example.com", "***@example.com"),
        ("email", "not one", "****"),
        ("email", None, None),
        ("name", "张伟", "张**"),
        ("name", " 欧阳 娜娜", "欧**"),
        ("name", "John Smith", "J. S."),
        ("name", "mary  ann", "M. A."),
        ("name", None, None),
        ("contact", "x@example.com", "x***@example.com"),
        ("contact", "13800138001", "138****8001"),
        ("contact", None, None),
        ("tail", "6222021234567890", "****7890"),
        ("tail", "1234567", "****"),
        ("tail", None, None),
    ],
)
async def test_masks(connection: "asyncpg.Connection[Any]", kind: str, value: str | None, masked: str | None) -> None:
    assert await connection.fetchval(f"SELECT crm_mask_{kind}($1)", value) == masked


@pytest.mark.parametrize("prefix", ["", "+86", "0086"])
async def test_masked_phone_hides_four_digits_whatever_its_length(
    connection: "asyncpg.Connection[Any]", prefix: str
) -> None:
    digits = "59267701123456789"
    for length in range(1, len(digits) + 1):
        number = digits[:length]
        masked = await connection.fetchval("SELECT crm_mask_phone($1)", f"{prefix}{number}")
        first, last = masked.split("****")
        assert (number.startswith(first), number.endswith(last)) == (True, True)
        assert length - len(first) - len(last) >= min(4, length), number
        assert masked == phone(f"{prefix}{number}")


async def test_masks_are_inlined_into_the_statement(connection: "asyncpg.Connection[Any]") -> None:
    for kind in ("phone", "email", "name", "contact", "tail"):
        plan = await connection.fetch(f"EXPLAIN VERBOSE SELECT crm_mask_{kind}(phone) FROM customers")
        assert "crm_mask" not in "".join(row[0] for row in plan)


async def insert_event(connection: "asyncpg.Connection[Any]", at: datetime) -> str:
    """An event of that moment; gives the partition that took it."""
    partition: str = await connection.fetchval(
        """
        INSERT INTO events (id, type, entity_type, entity_id, entity_version, occurred_at, source)
        VALUES (crm_id(15, $1), 'customer.created', 'customer', crm_id(1, $1), 1, $1, 'test')
        RETURNING tableoid::regclass::text
        """,
        at,
    )
    return partition


async def test_an_event_of_any_time_has_a_partition(connection: "asyncpg.Connection[Any]") -> None:
    now = datetime.now(UTC)
    assert await insert_event(connection, datetime(1999, 12, 31, tzinfo=UTC)) == "events_before"
    assert await insert_event(connection, now) == f"events_{now:%Y_%m}"
    assert await insert_event(connection, datetime(2101, 1, 1, tzinfo=UTC)) == "events_default"


async def test_a_new_month_takes_over_what_the_default_partition_held(connection: "asyncpg.Connection[Any]") -> None:
    await insert_event(connection, datetime(2099, 3, 31, 23, 59, 59, 999_000, UTC))
    await insert_event(connection, datetime(2099, 4, 1, tzinfo=UTC))
    assert await connection.fetchval("SELECT crm_make_event_partitions('2099-03-01', '2099-05-01')") == 2
    assert await connection.fetchval("SELECT crm_make_event_partitions('2099-03-01', '2099-05-01')") == 0
    held = await connection.fetch(
        "SELECT tableoid::regclass::text FROM events WHERE occurred_at >= '2099-01-01' ORDER BY 1"
    )
    assert [row[0] for row in held] == ["events_2099_03", "events_2099_04"]
