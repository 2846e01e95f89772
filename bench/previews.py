"""How long it takes to see what an edit of a role would do, where there are many records to count."""

import time
from typing import Any

from bench.hub import Client, Hub
from bench.report import Section

PREVIEW = """
query($draft: RoleDraft!) { previewGrants(draft: $draft) {
  users summary changes { type fields kind level users rows rowsCapped } actions { action } documents { id }
} }
"""
_TYPES = ("Customer", "Interaction", "Opportunity", "Lead", "Ticket", "Contract")
_CLASSES = ("BASIC", "CONTACT", "AMOUNT")


def _ruled(row_rule: str, **more: Any) -> list[dict[str, Any]]:
    levels = [{"dataClass": data_class, "level": "READ"} for data_class in _CLASSES]
    return [{"type": type_, "rowRule": row_rule, "levels": levels, **more} for type_ in _TYPES]


DRAFTS = {
    "sales see all": ("sales", _ruled("ALL")),
    "sales see their own alone": ("sales", _ruled("OWN")),
    "sales see their teams'": ("sales", _ruled("TEAM")),
    "sales see nothing": ("sales", []),
    "sales see customers of a city": (
        "sales",
        [grant for grant in _ruled("WHERE", where={"city": {"eq": "杭州"}}) if grant["type"] == "Customer"],
    ),
    "service see all": ("service", _ruled("ALL")),
    "finance see nothing": ("finance", []),
}


def measure_previews(hub: Hub) -> Section:
    """Ask once for each draft, with the pages of the database as they are."""
    client = Client(hub, hub.token("admin"))
    rows = []
    for draft, (role, grants) in DRAFTS.items():
        began = time.perf_counter()
        told = client.ask(PREVIEW, draft={"role": role, "grants": grants})["previewGrants"]
        took = time.perf_counter() - began
        uncounted = sum(change["rows"] is None for change in told["changes"])
        rows.append((draft, f"{took:.1f} s", str(told["users"]), str(len(told["changes"])), str(uncounted)))
    return Section("What previews take", ("draft", "takes", "users", "changes", "not counted in time"), tuple(rows))
