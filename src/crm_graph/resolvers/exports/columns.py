"""The columns of an export as a table: one for each scalar that is selected, to-one records and money spread out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from crm_graph.catalog import Field, Kind
from crm_graph.resolvers.plan import Cell, Connection, CustomValues, ObjectPlan, One, Part, Typename

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """A column by the response keys that lead to it. What is a list in the answer has no kind: it stays JSON."""

    path: Path
    kind: Kind | None

    @property
    def header(self) -> str:
        return ".".join(self.path)

    def value(self, row: Mapping[str, Any]) -> Any:
        """The cell of a row; None where a record on the way to it is null."""
        found: Any = row
        for step in self.path:
            if found is None:
                return None
            found = found[step]
        return found


def columns_of(plan: ObjectPlan, path: Path = ()) -> Iterable[Column]:
    """The columns of a row's object in the order of the selection. `__typename` is none: clients add it unasked."""
    for member in plan.members:
        here = (*path, member.key)
        match member:
            case Typename():
                continue
            case Cell() if member.field.kind is Kind.MONEY:
                yield from (Column((*here, key), _MONEY[part]) for key, part in member.parts if part in _MONEY)
            case Cell():
                yield Column(here, member.field.kind)
            case CustomValues():
                yield from (Column((*here, c.key), _listed(c.field)) for c in member.cells if isinstance(c, Cell))
            case One():
                yield from columns_of(member.row, here)
            case Connection():
                yield from (
                    Column((*here, part.key), _COUNTS.get(part.part))
                    for part in member.parts
                    if part.part is not Part.TYPENAME
                )
            case _:
                yield Column(here, None)


def _listed(field: Field) -> Kind | None:
    return None if field.kind is Kind.TEXT_LIST else field.kind


_MONEY = {"amount": Kind.MONEY, "currency": Kind.TEXT}
_COUNTS = {Part.TOTAL_COUNT: Kind.INT, Part.TOTAL_COUNT_CAPPED: Kind.BOOLEAN}
