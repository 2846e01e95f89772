"""The naive view of a role that is simulated within the rights of who asks."""

from dataclasses import dataclass
from functools import cached_property
from itertools import product

from crm_graph.access import Access, Level
from crm_graph.catalog import Field, Kind
from crm_graph.proof.view import Record, View


@dataclass
class Within(View):
    """What a role set sees within the rights of another: what exists for both, and each cell at the lower level."""

    own: Access | None = None

    @cached_property
    def _other(self) -> View:
        return View(self.catalog, self.tables, self.principal, self.own)

    def exists(self, record: Record) -> bool:
        return super().exists(record) and self._other.exists(record)

    def level(self, record: Record, name: str) -> Level:
        return min(super().level(record, name), self._other.level(record, name))

    def ceiling(self, record: Record, name: str) -> Level:
        return min(super().ceiling(record, name), self._other.ceiling(record, name))

    def looks_up(self, record: Record, member: Field) -> bool:
        pairs = product(*(view.access.grants(record.root.name) for view in (self, self._other) if view.access))
        levels = (min(grant.level(member.name) for grant in pair) for pair in pairs)
        return member.kind is Kind.TEXT and any(level is Level.LOOKUP for level in levels)
