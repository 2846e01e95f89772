"""The ways in which rows become visible, taken apart so that an index can answer each.

`owner_id = … OR EXISTS (…)` is answered by no index: a list in order would walk the whole table for somebody who sees
little of it (docs/performance.md, "Rows of one's own").
"""

from collections.abc import Iterator
from dataclasses import dataclass

from crm_graph.access import RowScope
from crm_graph.criteria.compiling import Compiler
from crm_graph.criteria.rows import Row
from crm_graph.fragments import EMPTY, FALSE, TRUE, Fragment, Viewer, all_of, any_of, name, param, sql
from crm_graph.models.roles import RowRule


@dataclass(frozen=True, slots=True)
class Way:
    """`condition` holds for the rows that are reached this way. With `each`, a FROM item, `one` is the same condition
    for one row of that item, and all rows of the item together reach what `condition` says.
    """

    condition: Fragment
    each: Fragment = EMPTY
    one: Fragment = EMPTY

    def but_not(self, others: list["Way"]) -> "Way":
        """The same without the rows that are reached by one of `others`."""
        if not others:
            return self
        apart = sql("({others}) IS NOT TRUE", others=any_of(way.condition for way in others))
        one = all_of([self.one, apart]) if self.each else EMPTY
        return Way(all_of([self.condition, apart]), self.each, one)


def ways(compiler: Compiler, row: Row) -> tuple[Way, ...]:
    """How the asker comes to see rows of a root type; each row is reached in one way only."""
    whole = compiler.visible(row)
    if whole in (TRUE, FALSE) or compiler.access is None:
        return (Way(whole),)
    found: list[Way] = []
    for grant in compiler.access.grants(row.root.name):
        if grant.shows(row.prefix):
            found += [way for way in _ways(compiler, row, grant.scope) if way not in found]
    return tuple(way.but_not(found[:index]) for index, way in enumerate(found))


def _ways(compiler: Compiler, row: Row, scope: RowScope) -> Iterator[Way]:
    match scope.rule:
        case RowRule.OWN if row.entity.owned:
            for condition in compiler.own(row):
                yield Way(condition)
        case RowRule.TEAM if row.entity.owned:
            yield _by_team(compiler, row, scope, "team_ids")
        case RowRule.TEAM_AND_BELOW if row.entity.owned:
            yield _by_team(compiler, row, scope, "team_tree_ids")
        case _:
            yield Way(compiler.scope(row, scope))


def _by_team(compiler: Compiler, row: Row, scope: RowScope, which: str) -> Way:
    """Team by team: an index has the rows of one team in order, but not those of several."""
    team = name(compiler.alias())
    return Way(
        compiler.scope(row, scope),
        each=sql("unnest({teams}) AS {v}(id)", teams=param(Viewer(which), "uuid[]"), v=team),
        one=sql("{c} = {v}.id", c=row.column("team_id"), v=team),
    )
