"""The rows that an object's JSON is built from: scoped, ordered and limited before anything is joined to them."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count

from crm_graph.access import Access, RowScope
from crm_graph.catalog import Catalog
from crm_graph.criteria.compiling import Compiler
from crm_graph.criteria.rows import Row
from crm_graph.fragments import FALSE, TRUE, Fragment, columns_of, join, name, sql
from crm_graph.resolvers.plan import Limits


@dataclass(frozen=True)
class Context:
    """What every part of one statement shares."""

    catalog: Catalog
    access: Access
    limits: Limits
    aliases: Iterator[int] = field(default_factory=lambda: count(1))

    def compiler(self) -> Compiler:
        """A compiler of conditions that stand beside the table itself."""
        return Compiler(self.catalog, self.access, self.aliases)

    def flags(self, row: Row, *, few: bool = True) -> "RowFlags":
        """A compiler of conditions that stand outside the base rows of `row`, which are few in a page."""
        return RowFlags(self.catalog, self.access, self.aliases, few, row)

    def alias(self) -> str:
        return f"t{next(self.aliases)}"


def columns_used(row: Row, above: Iterable[Fragment], made: Collection[str]) -> Fragment:
    """The columns of a row's table that are named above its base rows, but for those `made` beside them. All columns of
    a wide table would cost in every node of a plan, used or not.
    """
    columns = [column for column in columns_of(row.alias, join("", above)) if column not in made]
    return join(", ", [row.column(column) for column in columns or ["id"]])


@dataclass
class RowFlags(Compiler):
    """Computes each row rule that the cells of `row` depend on once, as a column `s1…` of its base rows."""

    row: Row | None = None
    columns: dict[RowScope, tuple[str, Fragment]] = field(default_factory=dict)

    def rule(self, row: Row, scope: RowScope) -> Fragment:
        if self.row is None or row.root_alias != self.row.alias:
            return super().rule(row, scope)
        if scope not in self.columns:
            condition = super().rule(row, scope)
            if condition in (TRUE, FALSE):
                return condition
            self.columns[scope] = (f"s{len(self.columns) + 1}", condition)
        return sql("{a}.{s}", a=name(row.root_alias), s=name(self.columns[scope][0]))

    @property
    def names(self) -> set[str]:
        """The names of the columns to add."""
        return {s for s, _ in self.columns.values()}

    def flag_columns(self) -> Fragment:
        """The columns to add to the base rows."""
        return join("", [sql(", {c} AS {s}", c=condition, s=name(s)) for s, condition in self.columns.values()])
