"""What changes between rights before and after an edit: which fields, which way, and on which records, as SQL."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import LiteralString

from crm_graph.access import EVERY_ROW, Access, Level, RowScope, TypeGrant
from crm_graph.catalog import CUSTOM, Catalog, EntityType
from crm_graph.criteria.compiling import row_scope
from crm_graph.fragments import TRUE, Fragment, Param, Viewer, all_of, any_of, name, negation, number, param, sql
from crm_graph.permissions.effective import STRUCTURE
from crm_graph.services.counted_conditions import Counted
from crm_graph.transaction import Input

MAX_ROWS = 10_000


class ChangeKind(StrEnum):
    """Which way rights change."""

    GAIN = "GAIN"
    LOSE = "LOSE"
    GAIN_WRITE = "GAIN_WRITE"
    LOSE_WRITE = "LOSE_WRITE"


@dataclass(frozen=True, slots=True)
class Change:
    """A field of which a kind of change is told, at the level that is shown from then on. It is about the rows that
    match one of each set in `some`, and none in `none`.
    """

    kind: ChangeKind
    level: Level | None
    some: tuple[frozenset[RowScope], ...]
    none: frozenset[RowScope]


@dataclass(frozen=True, slots=True)
class TypeChange:
    """What becomes of fields of a type: in the pairs of rights that `parts` tell by number, on rows that meet one of
    `rows`, each with whether it differs from user to user; where it is `bounded`, on some of these.
    """

    entity: EntityType
    kind: ChangeKind
    level: Level | None
    paths: tuple[str, ...]
    parts: tuple[tuple[int, Change], ...]
    rows: tuple[tuple[Fragment, bool], ...]
    bounded: bool


def by_type(catalog: Catalog, pairs: Sequence[tuple[Access, Access]], counted: Counted) -> Iterator[TypeChange]:
    """What becomes of each type in `pairs` of rights, those before and after. Rows are told by rules that are `counted`
    alone, and of what others leave out a bound.
    """
    for entity in catalog.roots:
        found: dict[tuple[ChangeKind, Level | None, tuple[str, ...]], list[tuple[int, Change]]] = {}
        for group, (was, becomes) in enumerate(pairs):
            for change, paths in shifts(was.grants(entity.name), becomes.grants(entity.name)).items():
                found.setdefault((change.kind, change.level, paths), []).append((group, change))
        for (kind, level, paths), parts in found.items():
            told = [(group, _bound(entity, change, counted)) for group, change in parts]
            rows = tuple(_rows(catalog, entity, *part) for part in told)
            yield TypeChange(entity, kind, level, paths, tuple(parts), rows, bounded=told != parts)


def _bound(entity: EntityType, change: Change, counted: Counted) -> Change:
    """The change on all rows that it can be about, whichever meet the rules that are not counted by."""
    some = tuple(scopes for scopes in change.some if all(counted(entity, scope) for scope in scopes))
    return replace(change, some=some, none=frozenset(scope for scope in change.none if counted(entity, scope)))


def shifts(was: Sequence[TypeGrant], becomes: Sequence[TypeGrant]) -> dict[Change, tuple[str, ...]]:
    """The changes between grants on a type, each with its fields; what comes with every row is not told."""
    named = {path for grant in (*was, *becomes) for path in (*grant.levels, *grant.writes)}
    paths = (path for path in named if path.rpartition(".")[2] not in STRUCTURE or path.startswith(f"{CUSTOM}."))
    found: dict[Change, list[str]] = {}
    for path in sorted(paths):
        for change in _of_field(was, becomes, path):
            found.setdefault(change, []).append(path)
    return {change: tuple(fields) for change, fields in found.items()}


def _of_field(was: Sequence[TypeGrant], becomes: Sequence[TypeGrant], path: str) -> Iterator[Change]:
    for level in Level:
        shown, more = _at_least(becomes, path, level), _at_least(becomes, path, level + 1)
        if level > Level.HIDDEN:
            yield from _possible(ChangeKind.GAIN, level, (shown,), more | _at_least(was, path, level))
        if level < Level.READ:
            exactly = (_at_least(was, path, level + 1), *((shown,) if level > Level.HIDDEN else ()))
            yield from _possible(ChangeKind.LOSE, level, exactly, more)
    wrote, writes = _writing(was, path), _writing(becomes, path)
    yield from _possible(ChangeKind.GAIN_WRITE, None, (writes,), wrote)
    yield from _possible(ChangeKind.LOSE_WRITE, None, (wrote,), writes)


def _possible(
    kind: ChangeKind, level: Level | None, some: tuple[frozenset[RowScope], ...], none: frozenset[RowScope]
) -> Iterator[Change]:
    """The change, where a row can be found that it is about."""
    some = tuple(scopes - none for scopes in some)
    if all(some) and EVERY_ROW not in none:
        yield Change(kind, level, tuple(scopes for scopes in some if EVERY_ROW not in scopes), none)


def _at_least(grants: Iterable[TypeGrant], path: str, level: int) -> frozenset[RowScope]:
    return frozenset(grant.scope for grant in grants if grant.level(path) >= level) if level <= Level.READ else _NONE


def _writing(grants: Iterable[TypeGrant], path: str) -> frozenset[RowScope]:
    return frozenset(grant.scope for grant in grants if path in grant.writes)


_NONE: frozenset[RowScope] = frozenset()


def counting(entity: EntityType, rows: Iterable[Fragment]) -> Fragment:
    """So many records in use meet one of `rows`, up to a limit. Its inputs: `groups` of viewers, and their `ids`."""
    return sql(
        _COUNTING,
        table=name(entity.table),
        rows=all_of([sql("t.archived_at IS NULL") if entity.tracked else TRUE, any_of(rows)]),
        limit=number(MAX_ROWS + 1),
        groups=_GROUPS,
        ids=_IDS,
    )


_COUNTING: LiteralString = """
WITH viewers AS MATERIALIZED (
    SELECT w.grp, w.id,
           ARRAY(SELECT m.team_id FROM team_members m WHERE m.user_id = w.id) AS team_ids,
           ARRAY(SELECT DISTINCT below.id FROM team_members m JOIN teams own ON own.id = m.team_id
                 JOIN teams below ON starts_with(below.path, own.path) WHERE m.user_id = w.id) AS team_tree_ids
    FROM unnest({groups}, {ids}) AS w (grp, id)
)
SELECT count(*) FROM (SELECT 1 FROM {table} AS t WHERE {rows} LIMIT {limit}) AS n
"""
_GROUPS, _IDS = param(Input("groups"), "integer[]"), param(Input("ids"), "uuid[]")


def _rows(catalog: Catalog, entity: EntityType, group: int, change: Change) -> tuple[Fragment, bool]:
    """Whether the row `t` is one that the change is about, for some user of a group; and whether users differ in it."""

    def matches(scopes: frozenset[RowScope]) -> Fragment:
        return any_of(row_scope(catalog, entity, scope, "t") for scope in sorted(scopes, key=repr))

    condition = all_of([*(matches(scopes) for scopes in change.some), negation(matches(change.none))])
    parts = [_of_row(part) for part in condition.parts]
    if parts == list(condition.parts):
        return condition, False
    of_user = sql(
        "EXISTS (SELECT 1 FROM viewers AS v WHERE v.grp = {group} AND {condition})",
        group=number(group),
        condition=Fragment(tuple(parts)),
    )
    return of_user, True


def _of_row(part: str | Param) -> str | Param:
    """A value of who asks as a column of the row `v`."""
    if not isinstance(part, Param) or not isinstance(part.source, Viewer):
        return part
    (column,) = name(part.source.name).parts
    return f"v.{column}"
