"""Leaks that are planted: places where a right is not asked for, or where something tells more than it may."""

import inspect
from collections.abc import Callable
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from importlib import import_module
from types import FrameType
from typing import Any

import pytest
from graphql import validate

from crm_graph.access import Access, Level
from crm_graph.catalog import EntityType
from crm_graph.criteria.compiling import Compiler
from crm_graph.criteria.rows import Row
from crm_graph.errors import Conflict
from crm_graph.fragments import TRUE, Fragment, join, sql, text
from crm_graph.proof.datasets import SOURCES
from crm_graph.resolvers.history.told import Told, told
from crm_graph.resolvers.read import Reader
from crm_graph.schema.metadata import _Describing
from crm_graph.services import parents, rights, upsert

Patch = pytest.MonkeyPatch
Plant = Callable[[Patch], None]


def granting(
    right: str,
    module: str,
    function: str = "",
    *,
    but: str = "",
    about: Callable[..., bool] = lambda *_: True,
) -> Plant:
    """A right that is always given where a module asks for it, or one of its functions; `about` says for what."""

    def plant(patch: Patch) -> None:
        asked = getattr(Compiler, right)

        def told(compiler: Compiler, *arguments: Any) -> Fragment:
            names = _askers(inspect.currentframe(), f"crm_graph.{module}")
            planted = names and (not function or function in names) and but not in names and about(*arguments)
            return TRUE if planted else asked(compiler, *arguments)

        patch.setattr(Compiler, right, told)

    return plant


def _askers(frame: FrameType | None, module: str) -> list[str]:
    """The functions of a module that lead to who asks, if it is the module that asks."""
    names, frame = list[str](), frame and frame.f_back
    while frame is not None and frame.f_globals["__name__"] == module:
        names.append(frame.f_code.co_name)
        frame = frame.f_back
    return names


_OPEN: ContextVar[frozenset[str]] = ContextVar("_OPEN", default=frozenset())


def unasked(function: str, *rights_: str) -> Plant:
    """Rights (`cell`, `visible`) that are always given while a function, `module:name`, compiles something."""
    path, _, name = function.partition(":")
    module = import_module(f"crm_graph.{path}")

    def plant(patch: Patch) -> None:
        _let_open(patch)
        *holders, last = name.split(".")
        holder: Any = module
        for each in holders:
            holder = getattr(holder, each)
        run = getattr(holder, last)

        async def later(*arguments: Any, **named: Any) -> Any:
            with _opened(rights_):
                return await run(*arguments, **named)

        def now(*arguments: Any, **named: Any) -> Any:
            with _opened(rights_):
                return run(*arguments, **named)

        patch.setattr(holder, last, later if inspect.iscoroutinefunction(run) else now)

    return plant


def _let_open(patch: Patch) -> None:
    for right in ("cell", "visible"):
        patch.setattr(Compiler, right, _asking(getattr(Compiler, right), right))


def _asking(asked: Any, right: str) -> Any:
    def told(compiler: Compiler, *arguments: Any) -> Fragment:
        return TRUE if right in _OPEN.get() else asked(compiler, *arguments)

    return told


@contextmanager
def _opened(rights_: tuple[str, ...]) -> Any:
    token = _OPEN.set(frozenset(rights_))
    try:
        yield
    finally:
        _OPEN.reset(token)


def counting_all(patch: Patch) -> None:
    """`totalCount` of all rows of a type."""

    def told(writer: Any) -> Fragment:
        rows = sql("SELECT 1 FROM {t} WHERE {w}", t=writer.counted.table, w=writer.counted.condition)
        return sql("(SELECT count(*) FROM ({rows}) AS m)", rows=rows)

    patch.setattr("crm_graph.resolvers.connections._ConnectionWriter._count", told)


def naming_what_is_there(patch: Patch) -> None:
    """`maskedFields` that leave out what has no value."""

    def told(row: Row, _compiler: Compiler, _access: Access) -> Fragment:
        names = [
            sql("CASE WHEN {c} IS NOT NULL THEN {n} END", c=row.value(member), n=text(member.api_name))
            for member in row.entity.fields.values()
        ]
        return sql("array_to_json(array_remove(ARRAY[{names}]::text[], NULL))", names=join(", ", names))

    patch.setattr("crm_graph.resolvers.sql.masked_fields", told)


def pricing_by_rows(patch: Patch) -> None:
    """A cost that grows with rows which do not exist for the asker."""
    run = Reader.run

    async def told(reader: Any, *arguments: Any, **named: Any) -> tuple[bytes, int, int | None]:
        data, cost, left = await run(reader, *arguments, **named)
        connection = await reader._lanes.take()
        rows = await connection.fetchval("SELECT count(*) FROM interactions")
        reader._lanes.give(connection)
        return data, cost + rows, left

    patch.setattr(Reader, "run", told)


def saying_not_allowed(patch: Patch) -> None:
    """A record that does not exist for the asker is refused otherwise than one that never was."""
    patch.setattr(rights, "in_any_scope", lambda *_: TRUE)
    # What is found stays, though no grant matches it.
    patch.setattr(rights, "any", lambda _: True, raising=False)


def taking_any_parent(patch: Patch) -> None:
    """Records that do not exist for the asker are taken as parents."""
    patch.setattr(parents, "in_any_scope", lambda *_: TRUE)


def finding_refs_of_others(patch: Patch) -> None:
    """A system is told which external ids others have used."""
    find = upsert._find

    async def told(desk: Any, _source: str, items: Any) -> None:
        for source in SOURCES:
            await find(desk, source, items)

    patch.setattr(upsert, "_find", told)


def telling_who_has_a_ref(patch: Patch) -> None:
    """A ref that is taken comes with something of the record that has it."""
    attach = upsert._attach

    async def told(desk: Any, drafts: Any, items: Any) -> None:
        await attach(desk, drafts, items)
        for draft in drafts:
            if draft.errors and isinstance(draft.errors[0], Conflict):
                of_row = f"SELECT row_to_json(t)::text FROM {desk.entity.table} AS t WHERE id = $1"
                row = await desk.tx.driver().fetchval(of_row, draft.id)
                draft.errors[:] = [Conflict("external_ref_taken", path=("externalId",), row=row)]

    patch.setattr(upsert, "_attach", told)


def telling_of_every_event(patch: Patch) -> None:
    """Histories have events in them of which nothing is told."""

    def telling(*arguments: Any) -> Told:
        return replace(told(*arguments), anything=TRUE)

    patch.setattr("crm_graph.resolvers.history.sql.told", telling)


def telling_of_masks(patch: Patch) -> None:
    """Histories tell what it was before of cells that are masked."""
    asked = Compiler.cell

    def told(compiler: Compiler, row: Row, member: Any, least: Level) -> Fragment:
        masked = _askers(inspect.currentframe(), "crm_graph.resolvers.history.told")
        return asked(compiler, row, member, Level.MASKED if masked else least)

    patch.setattr(Compiler, "cell", told)


def suggesting(patch: Patch) -> None:
    """A field that is wrong is answered with names that are like it."""

    def told(*arguments: Any, **named: Any) -> Any:
        return validate(*arguments, **{**named, "hide_suggestions": False})

    patch.setattr("crm_graph.resolvers.documents.validate", told)


def describing_all(patch: Patch) -> None:
    """`entityMetadata` of fields that the role does not see."""
    members = _Describing._members

    def told(describing: Any, entity: EntityType) -> Any:
        return dict.fromkeys((*members(describing, entity), *entity.custom.values()))

    patch.setattr(_Describing, "_members", told)
    patch.setattr(_Describing, "_ceiling", lambda *_: Level.READ)
