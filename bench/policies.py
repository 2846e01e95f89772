"""What it takes to know the rights of a large company: many roles with a grant on each of many types."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import cycle, islice
from statistics import median

import asyncpg

from bench.database import Database
from bench.report import Section
from crm_graph.catalog import Catalog, EntityType, Field, Kind, build_catalog
from crm_graph.db import connect
from crm_graph.models.fields import DataClass, FieldInfo
from crm_graph.permissions.effective import effective_access
from crm_graph.permissions.rules import Policy
from crm_graph.permissions.store import load_policy
from crm_graph.permissions.validation import warn_of_unreadable

ROLES, TYPES, FIELDS = 200, 100, 50
TIMES = 5
_CLASSES = [data_class for data_class in DataClass if data_class is not DataClass.INTERNAL]

_FILL = """
WITH made AS (
    INSERT INTO roles (id, key, name_en, name_zh, created_at, updated_at)
    SELECT gen_random_uuid(), 'large_' || n, 'Large', '大', now(), now() FROM generate_series(1, $1) AS n
    RETURNING id, substr(key, 7)::int AS n
)
INSERT INTO grants (id, role_id, entity_type, row_rule, levels, field_levels, writes)
SELECT gen_random_uuid(), made.id, 'type_' || t, 'OWN',
       jsonb_build_object('BASIC', 'READ', 'AMOUNT', 'READ', 'CONTACT', (ARRAY['READ', 'MASKED', 'LOOKUP'])[t % 3 + 1]),
       jsonb_build_object('field_' || (t * n) % 50 + 1, 'READ', 'field_7', 'LOOKUP'), '["BASIC"]'
FROM made, generate_series(1, $2) AS t
"""


def measure_policies(database: Database) -> Section:
    """Fill in the roles, read them as a process does when rights have changed, and take them out again."""
    return asyncio.run(_measured(database))


async def _measured(database: Database) -> Section:
    connection = await connect(database.url)
    catalog = _catalog()
    try:
        await connection.execute("DELETE FROM roles WHERE key LIKE 'large%'")
        await connection.execute(_FILL, ROLES, TYPES)
        await connection.execute("ANALYZE roles, grants")
        load = [await _loading(connection, catalog) for _ in range(TIMES)]
        policy = await load_policy(connection)
        one = [_taken(lambda n=n: effective_access(policy, catalog, [f"large_{n}"])) for n in range(1, TIMES + 1)]
        every = [_taken(lambda: _all(policy, catalog))]
        rows = tuple(
            (what, *(f"{median(part) * 1000:,.0f} ms" for part in zip(*times, strict=True)))
            for what, times in (
                ("all rights read and checked, as at each change", load),
                ("rights of one role worked out, at its first request", one),
                ("rights of every role worked out", every),
            )
        )
    finally:
        await connection.execute("DELETE FROM roles WHERE key LIKE 'large%'")
        await connection.close()
    title = f"Rights of {ROLES} roles on {TYPES} types of {FIELDS} fields ({ROLES * TYPES:,} grants)"
    return Section(title, ("what", "takes", "of it our CPU"), rows)


async def _loading(connection: "asyncpg.Connection[asyncpg.Record]", catalog: Catalog) -> tuple[float, float]:
    started, cpu = time.perf_counter(), time.process_time()
    warn_of_unreadable(await load_policy(connection), catalog)
    return time.perf_counter() - started, time.process_time() - cpu


def _all(policy: Policy, catalog: Catalog) -> None:
    for key in policy.roles:
        # With scopes of a client, so that nothing is known of it yet.
        effective_access(policy, catalog, [key], frozenset(f"{t.plural}:read" for t in catalog.roots))


def _taken(work: Callable[[], object]) -> tuple[float, float]:
    started, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - started, time.process_time() - cpu


def _catalog() -> Catalog:
    """Types that no database has, beside those that there are."""
    made = build_catalog()
    fields = {
        f"field_{n}": Field(f"field_{n}", f"field{n}", Kind.TEXT, True, False, FieldInfo(data_class))
        for n, data_class in enumerate(islice(cycle(_CLASSES), FIELDS), 1)
    }
    like = made["customer"]
    types = {f"type_{n}": _type(like, f"type_{n}", fields) for n in range(1, TYPES + 1)}
    return Catalog({**made.types, **types}, made.version)


def _type(like: EntityType, name: str, fields: dict[str, Field]) -> EntityType:
    api = name.title().replace("_", "")
    return replace(
        like, name=name, plural=f"{name}s", api_name=api, api_plural=f"{name}s", fields=fields, relations={}, custom={}
    )
