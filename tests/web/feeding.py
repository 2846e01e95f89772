"""Readers of the feed, who go on page by page."""

from dataclasses import dataclass
from typing import Any

from .conftest import Crm

CHANGES = """query ($after: String, $from: FeedStart, $where: ChangesWhere, $first: Int) {
  changes(after: $after, from: $from, where: $where, first: $first) {
    nodes { kind id type entityType entityId version own backfill changed }
    cursor hasMore
  }
}"""


@dataclass
class Reader:
    """Somebody who reads the feed on, page by page."""

    crm: Crm
    who: str
    cursor: str | None = None
    document: str = CHANGES

    async def page(self, *, first: int | None = None, start: str | None = None, **where: Any) -> Any:
        """The next page."""
        asked = {"after": self.cursor, "from": start, "where": where or None, "first": first}
        page = (await self.crm.ask(self.who, self.document, asked)).data["changes"]
        self.cursor = page["cursor"]
        return page

    async def rest(self, *, first: int = 1000, **where: Any) -> list[Any]:
        """All that there is, to the end of the feed."""
        found: list[Any] = []
        while True:
            page = await self.page(first=first, **where)
            found += page["nodes"]
            if not page["hasMore"]:
                return found

    async def at_end(self) -> "Reader":
        """The reader, who has read all that there was."""
        await self.page(start="NOW")
        return self
