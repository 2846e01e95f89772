"""How fast one reader goes through the feed, from its beginning to its end."""

import time

from bench.hub import Client, Hub
from bench.report import Section

NARROW = (
    "query($after: String) { changes(after: $after, first: 1000) {"
    " nodes { kind id type entityType entityId version occurredAt } cursor hasMore } }"
)
WITH_FIELDS = NARROW.replace("occurredAt", "occurredAt changed")
WITH_RECORDS = NARROW.replace(
    "occurredAt", "occurredAt record { id ... on Customer { name phone } ... on Interaction { subject } }"
)
SHAPES = {"which record": NARROW, "and which fields": WITH_FIELDS, "and the record": WITH_RECORDS}
ROLES = ("crm_manager", "service", "sales")
MOST = 200_000
"""So many entries are read of each."""


def measure_feed(hub: Hub) -> Section:
    """Entries a second, by who reads and what is selected."""
    rows = []
    for role in ROLES:
        for shape, document in SHAPES.items():
            entries, seconds, pages = _read(Client(hub, hub.token(role)), document)
            rows.append(
                (
                    role,
                    shape,
                    f"{entries:,}",
                    f"{pages:,}",
                    f"{entries / seconds:,.0f}",
                    f"{seconds / pages * 1000:.0f}",
                )
            )
    return Section(
        "The feed, pages of 1,000", ("role", "selected", "entries", "pages", "entries/s", "ms a page"), tuple(rows)
    )


def _read(client: Client, document: str) -> tuple[int, float, int]:
    cursor, entries, pages, began = None, 0, 0, time.perf_counter()
    while entries < MOST:
        page = client.ask(document, after=cursor)["changes"]
        cursor, entries, pages = page["cursor"], entries + len(page["nodes"]), pages + 1
        if not page["hasMore"]:
            break
    return entries, time.perf_counter() - began, pages
