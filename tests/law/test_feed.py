"""The law for the feed: what it tells is a function of what its reader may see, of records and of their events."""

import re
from collections.abc import Callable
from random import Random
from typing import Any

import orjson
import pytest

from crm_graph.fragments import TRUE, Fragment, sql
from crm_graph.proof.engine import SMALL
from crm_graph.proof.exits import over
from crm_graph.proof.queries import alike
from crm_graph.proof.rows import Connection
from crm_graph.proof.twins import Twin
from crm_graph.proof.view import View
from crm_graph.resolvers.feed import sql as feed_sql
from crm_graph.resolvers.plan import Limits
from reference.compiled import Compiled, access_of, catalog
from reference.feed import Entry, feed_of, placed
from reference.policies import Lean, PolicyMaker
from reference.settings import seeds

LEANINGS = (None, Lean.ROWS, Lean.CELLS)
DOCUMENT = "{ changes(first: 1000) { nodes { kind id type entityType entityId version changed } cursor hasMore } }"
POLICIES, TWINS = 25, 6
_CURSOR = re.compile(rb'"cursor" ?: ?"[^"]+"')


async def twin_of(engine: Compiled, seed: int) -> Twin:
    """Two databases that are alike to somebody, by a policy of its own."""
    random = Random(seed)
    roles = PolicyMaker(random, catalog(), random.choice(LEANINGS)).roles(("one", "two"))
    return await alike(engine, random, access_of(roles, ["one", "two"]), size=4)


async def told(engine: Compiled, view: View) -> bytes:
    """The feed of the hub, its cursor left out."""
    async with over(engine, view.tables):
        return _CURSOR.sub(b'"cursor":""', await engine.run(view.principal, DOCUMENT))


def naive(view: View) -> list[Entry]:
    return feed_of(view)


def view_of(twin: Twin, tables: Any) -> View:
    return View(catalog(), placed(tables), twin.view.principal, twin.view.access)


async def test_the_feed_is_what_it_is_naively(connection: Connection) -> None:
    kinds = set[str]()
    for seed in seeds("feeds", POLICIES):
        engine = Compiled(connection, Limits())
        view = view_of(twin := await twin_of(engine, seed), twin.view.tables)
        expected = naive(view)
        assert orjson.loads(await told(engine, view))["changes"]["nodes"] == expected, seed
        kinds |= {entry["kind"] for entry in expected}
    assert "CHANGED" in kinds


async def test_feeds_of_twins_are_alike(connection: Connection) -> None:
    compared = 0
    for seed in seeds("feeds of twins", TWINS):
        engine = Compiled(connection, Limits())
        twin = (await twin_of(engine, seed)).grow(15)
        one, other = view_of(twin, twin.view.tables), view_of(twin, twin.tables)
        if twin.changes and naive(one) == naive(other):
            assert await told(engine, one) == await told(engine, other), seed
            compared += 1
    assert compared >= TWINS // 3


PLANTED: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "an event that tells nothing": lambda patch: patch.setattr(feed_sql, "touches", lambda _: TRUE),
    "the name of a type": lambda patch: patch.setattr(feed_sql, "told_type", lambda *_: sql("e.type")),
    "who never saw it is told that it left": lambda patch: patch.setattr(feed_sql._FeedWriter, "_left", _always),
    "what is read of a field": lambda patch: patch.setattr(feed_sql, "changed", lambda _: sql("e.changed::json")),
    "whoever reads is told to read again": lambda patch: patch.setattr(
        feed_sql, "resyncs", lambda context: {entity.name: TRUE for entity in context.catalog.roots}
    ),
}


def _always(*_: Any) -> Fragment:
    return TRUE


@pytest.mark.parametrize("leak", PLANTED)
async def test_planted_leaks_are_found(leak: str, connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    PLANTED[leak](monkeypatch)
    for seed in seeds("planted in feeds", POLICIES):
        engine = Compiled(connection, Limits())
        view = view_of(twin := await twin_of(engine, seed), twin.view.tables)
        if orjson.loads(await told(engine, view))["changes"]["nodes"] != naive(view):
            return
    pytest.fail("nothing was found")


async def test_a_window_tells_only_that_it_is_full(connection: Connection) -> None:
    for seed in seeds("windows", 5):
        engine = Compiled(connection, Limits(feed_window=4))
        twin = await twin_of(engine, seed)
        view, found, after = view_of(twin, twin.view.tables), list[Any](), None
        async with over(engine, view.tables):
            while True:
                text = DOCUMENT.replace("first: 1000", "first: 3" + (f', after: "{after}"' if after else ""))
                page = (await engine.data(view.principal, text))["changes"]
                found, after = found + page["nodes"], page["cursor"]
                if not page["hasMore"]:
                    break
        assert found == naive(view)
    assert SMALL.feed_window == Limits().feed_window
