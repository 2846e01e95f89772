"""Pages put together are the list, for generated data, orders, conditions and rights; also while rows come and go."""

from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from crm_graph.access import Access
from crm_graph.catalog import EntityType, Relation, Shape
from crm_graph.errors import CrmError
from crm_graph.permissions.policy import DEFAULT_ROLES
from crm_graph.permissions.principals import Principal
from crm_graph.permissions.rules import EVERYONE
from crm_graph.proof.datasets import Dataset
from crm_graph.proof.engine import principal_of, reading
from crm_graph.proof.literals import Written, in_document
from crm_graph.proof.operations.conditions import ConditionMaker
from crm_graph.proof.operations.drafts import Draft
from crm_graph.proof.rows import Connection, Tables, insert, load
from crm_graph.resolvers.plan import Limits
from reference.compiled import Compiled, access_of, catalog, default_access, schema_of
from reference.policies import PolicyMaker
from reference.settings import tried

LIMITS = Limits(default_page=4, max_page=100, max_offset=100, count_cap=200)
"""The whole of a generated list fits on one page."""
SIZE = 12
ROLES = sorted(set(DEFAULT_ROLES) - {EVERYONE})
PAGE_INFO = "pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"


@dataclass(frozen=True)
class Page:
    """One page of ids, the cursor of each, and what is told of its ends."""

    ids: list[str]
    cursors: list[str]
    more_behind: bool
    more_before: bool
    total: int


@dataclass
class List:
    """A list as somebody asks for it: of a type, or of one row's relation, under some conditions in some order."""

    compiled: Compiled
    who: Principal
    entity: EntityType
    opened: str
    closed: str
    name: str
    arguments: Mapping[str, Any]
    draft: Draft

    async def page(self, **window: Any) -> Page | None:
        """A page by `first`, `last`, `after`, `before` and `offset`; None where the row of the relation is not seen."""
        written = {**self.arguments, **{name: Written(f"${name}") for name in window}}
        types = {"after": "String", "before": "String"}
        head = ", ".join([*self.draft.definitions, *(f"${name}: {types.get(name, 'Int')}" for name in window)])
        arguments = ", ".join(f"{name}: {in_document(value)}" for name, value in written.items())
        listed = self.name + (f"({arguments})" if written else "")
        text = (
            f"query Q{f'({head})' if head else ''} {{ {self.opened} rows: {listed}"
            f" {{ nodes {{ id }} edges {{ cursor node {{ id }} }} {PAGE_INFO} totalCount }} {self.closed} }}"
        )
        data = await self.compiled.data(self.who, text, {**self.draft.variables, **window})
        for step in ("row",) if self.opened else ():
            data = data[step]
        if data is None:
            return None
        rows, ends = data["rows"], data["rows"]["pageInfo"]
        ids, cursors = [node["id"] for node in rows["nodes"]], [edge["cursor"] for edge in rows["edges"]]
        assert [edge["node"]["id"] for edge in rows["edges"]] == ids
        assert (ends["startCursor"], ends["endCursor"]) == ((cursors[0], cursors[-1]) if cursors else (None, None))
        return Page(ids, cursors, ends["hasNextPage"], ends["hasPreviousPage"], rows["totalCount"])

    async def whole(self) -> list[str]:
        """All ids, in order, from one page."""
        page = await self.page(first=LIMITS.max_page)
        assume(page is not None)
        assert page is not None
        assert not page.more_behind
        assert page.total == len(page.ids)
        return page.ids

    async def pages(self, random: Random, *, forward: bool, between: Callable[[], Any]) -> list[str]:
        """All ids, page by page from the start or from the end; `between` is awaited after each page."""
        found: list[str] = []
        cursor, more = None, True
        while more:
            size = random.randint(1, 4)
            page = await self.page(
                **({"first": size, "after": cursor} if forward else {"last": size, "before": cursor})
            )
            assert page is not None
            assert len(page.ids) <= size
            found = [*found, *page.ids] if forward else [*page.ids, *found]
            more = page.more_behind if forward else page.more_before
            assert page.ids or not more
            cursor = page.cursors[-1 if forward else 0] if page.cursors else None
            await between()
        return found


async def nothing() -> None:
    """Nothing happens between two pages."""


def some_list(random: Random, tables: Tables, compiled: Compiled, who: Principal, *, plain: bool = False) -> List:
    """A list that the asker's schema has; a `plain` one is of a type, unfiltered, of what is not archived."""
    draft = Draft(random, schema_of(who.access), catalog(), who.access, tables, LIMITS)
    fields, maker = draft.fields("Query"), ConditionMaker(draft)
    entity = random.choice([e for e in catalog().roots if e.api_plural in fields])
    opened = closed = ""
    name = entity.api_plural
    relations = [] if plain or random.random() < 0.5 else _lists_of(entity, draft)
    if relations and tables[entity.table]:
        relation = random.choice(relations)
        opened = (
            f'row: {entity.api_name[0].lower() + entity.api_name[1:]}(id: "{_a_parent(random, tables, entity)}") {{'
        )
        closed, name, entity = "}", relation.api_name, catalog()[relation.target]
    arguments = maker.conditions(entity)
    if plain:
        arguments, draft.definitions, draft.variables = {}, [], {}
    if "orderBy" not in arguments or plain:
        wanted = [maker.order(entity, 0 if plain else 2) for _ in range(random.randint(0, 3))]
        arguments["orderBy"] = [order for order in wanted if order]
    return List(compiled, who, entity, opened, closed, name, arguments, draft)


def _lists_of(entity: EntityType, draft: Draft) -> list[Relation]:
    """Lists below a record that can be put in order; attachments have one of their own."""
    known = set(draft.fields(entity.api_name))
    below = [r for r in entity.relations.values() if r.shape is Shape.CONNECTION and r.api_name in known]
    return [r for r in below if draft.inputs(f"{catalog()[r.target].api_name}OrderBy")]


def _a_parent(random: Random, tables: Tables, entity: EntityType) -> UUID:
    found: UUID = random.choice(list(tables[entity.table]))["id"]
    return found


async def asked(random: Random, access: Access, connection: Connection, *, plain: bool = False) -> List:
    """Generated rows, and a list of them."""
    await insert(connection, Dataset(random, catalog(), SIZE).build())
    tables = await load(connection)
    who = principal_of(tables, random.choice(tables["users"])["id"], access)
    return some_list(random, tables, Compiled(connection, LIMITS), who, plain=plain)


async def holds(random: Random, access: Access, connection: Connection) -> None:
    """Every way of turning pages gives the whole list, and a page between two cursors is what stands between them."""
    async with reading(connection):
        rows = await asked(random, access, connection)
        whole = await rows.whole()
        assert len(set(whole)) == len(whole)
        assert await rows.pages(random, forward=True, between=nothing) == whole
        assert await rows.pages(random, forward=False, between=nothing) == whole

        size = random.randint(1, 4)
        jumps = [await rows.page(first=size, offset=start) for start in range(0, len(whole) + 1, size)]
        assert [id_ for page in jumps if page for id_ in page.ids] == whole

        everything = await rows.page(first=LIMITS.max_page)
        assert everything is not None
        if not whole:
            return
        low, high = sorted(random.choices(range(len(whole)), k=2))
        ends = {"after": everything.cursors[low], "before": everything.cursors[high]}
        between = whole[low + 1 : high]
        first, last = await rows.page(first=size, **ends), await rows.page(last=size, **ends)
        assert first is not None
        assert last is not None
        # The row of the other cursor stands further on (Relay cursor connections, 4.4.1), so there is always more.
        assert (first.ids, first.more_behind) == (between[:size], True)
        assert (last.ids, last.more_before) == (between[-size:], True)


@pytest.mark.parametrize("role", ROLES)
@tried(3)
@given(seed=st.integers(0, 2**32))
async def test_pages_of_a_default_role_are_the_whole_list(role: str, seed: int, connection: Connection) -> None:
    random, access = Random(seed), default_access([role])
    await holds(random, access, connection)


@tried(25)
@given(seed=st.integers(0, 2**32))
async def test_pages_under_generated_rights_are_the_whole_list(seed: int, connection: Connection) -> None:
    random = Random(seed)
    roles = PolicyMaker(random, catalog()).roles(("one", "two"))
    await holds(random, access_of(roles, ["one", "two"]), connection)


@dataclass
class Traffic:
    """Rows of a table that leave its lists and rows that come in, never the same row twice."""

    connection: Connection
    random: Random
    table: str
    here: list[UUID]
    elsewhere: list[UUID]
    moved: int = 0

    async def flow(self) -> None:
        """One or two rows go, one or two come."""
        for ids, archived in ((self.here, "now()"), (self.elsewhere, "NULL")):
            for _ in range(min(self.random.randint(0, 2), len(ids))):
                id_ = ids.pop(self.random.randrange(len(ids)))
                await self.connection.execute(f"UPDATE {self.table} SET archived_at = {archived} WHERE id = $1", id_)
                self.moved += 1


@pytest.mark.parametrize("end", ["start", "end"])
@tried(30)
@given(seed=st.integers(0, 2**32))
async def test_rows_that_stay_are_on_one_page_whatever_comes_and_goes(
    end: str, seed: int, connection: Connection
) -> None:
    random = Random(seed)
    async with reading(connection):
        rows = await asked(random, default_access([random.choice(ROLES)]), connection, plain=True)
        ids = [row["id"] for row in (await load(connection))[rows.entity.table]]
        random.shuffle(ids)
        coming, going = ids[: len(ids) // 3], ids[len(ids) // 3 : len(ids) * 2 // 3]
        await connection.execute(f"UPDATE {rows.entity.table} SET archived_at = NULL")
        await connection.execute(f"UPDATE {rows.entity.table} SET archived_at = now() WHERE id = ANY($1)", coming)
        traffic = Traffic(connection, random, rows.entity.table, going, coming)
        before = await rows.whole()
        seen = await rows.pages(random, forward=end == "start", between=traffic.flow)
        after = await rows.whole()
        assume(traffic.moved > 0)

        stayed = [id_ for id_ in before if id_ in set(after) and UUID(id_) not in coming]
        assert [id_ for id_ in after if id_ in set(before)] == [id_ for id_ in before if id_ in set(after)]
        assert len(set(seen)) == len(seen)
        assert [id_ for id_ in seen if id_ in set(stayed)] == stayed


def coded(*parts: Any) -> str:
    """A cursor made up of these parts."""
    return b64encode(orjson.dumps(list(parts))).decode()


@tried(16)
@given(seed=st.integers(0, 2**32))
async def test_a_cursor_that_was_tampered_with_is_refused_or_is_one(seed: int, connection: Connection) -> None:
    """Cut, lengthened, of other keys: BAD_VARIABLES at the argument, never a failure of ours, never another order."""
    random = Random(seed)
    async with reading(connection):
        rows = await asked(random, default_access([random.choice(ROLES)]), connection)
        await rows.whole()
        page = await rows.page(first=1)
        assume(page is not None and page.cursors)
        assert page is not None
        cursor = page.cursors[0]
        sign, *keys = orjson.loads(b64decode(cursor))
        odd = ("\x00", "a\x00b", "", "x", "-1", "1e400", "NaN", "infinity", "9" * 400, "2026-13-01", "true", "😀", None)
        changed = [
            [value if n == at else key for n, key in enumerate(keys)] for at in range(len(keys)) for value in odd
        ]
        parts: tuple[Any, ...] = (1, True, [], {}, ["x"], 1.5)
        refused = [
            *(cursor[:length] for length in (1, len(cursor) // 2, len(cursor) - 1)),
            *(cursor + "A", cursor * 100, "\x00", cursor + "\x00", "%", "[" * 3_000, b64encode(b"[" * 2_900).decode()),
            *(coded(), coded(sign), coded(sign, *keys, "x"), coded(sign, *keys[:-1])),
            *(coded(sign, *keys[:-1], part) for part in parts),
        ]
        for wrong in refused:
            error = await refusal(rows, wrong)
            assert error is not None, wrong
            assert (error.code, error.template_key) == ("BAD_VARIABLES", "cursor"), wrong
            assert error.path == ("after",), wrong
        for changed_keys in changed:
            error = await refusal(rows, coded(sign, *changed_keys))
            assert error is None or (error.code, error.template_key) == ("BAD_VARIABLES", "cursor"), changed_keys
        other = await refusal(rows, coded("deadbeef", *keys))
        assert other is not None
        assert (other.code, other.template_key) == ("BAD_VARIABLES", "cursor_of_other_order")


async def refusal(rows: List, cursor: str) -> CrmError | None:
    try:
        await rows.page(first=1, after=cursor)
    except CrmError as error:
        return error
    return None


async def test_a_cursor_of_another_type_is_refused(connection: Connection) -> None:
    random, access = Random(7), default_access(["crm_manager"])
    async with reading(connection):
        await insert(connection, Dataset(random, catalog(), SIZE).build())
        tables = await load(connection)
        who = principal_of(tables, tables["users"][0]["id"], access)
        compiled = Compiled(connection, LIMITS)
        cursor = (await compiled.data(who, "{ customers(first: 1, archived: INCLUDE) { edges { cursor } } }"))[
            "customers"
        ]
        with pytest.raises(CrmError) as refused:
            await compiled.run(
                who, "query($c: String) { users(after: $c) { nodes { id } } }", {"c": cursor["edges"][0]["cursor"]}
            )
    assert (refused.value.code, refused.value.template_key) == ("BAD_VARIABLES", "cursor_of_other_order")
