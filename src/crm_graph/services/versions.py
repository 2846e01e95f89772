"""Optimistic concurrency per field: only a field that is written and has changed since it was read is a conflict."""

from collections.abc import Sequence
from uuid import UUID

import orjson

from crm_graph.errors import Conflict, Invalid
from crm_graph.services.drafts import Desk, Draft
from crm_graph.services.rights import api_path


async def refuse_stale(desk: Desk, drafts: Sequence[Draft]) -> None:
    """Compare what each draft changes with what changed since its expected version; the log knows."""
    older: list[Draft] = []
    for draft in drafts:
        if draft.present is None or draft.expected_version is None:
            continue
        if draft.expected_version > draft.present["version"]:
            draft.refuse(Invalid("version_ahead", path=("expectedVersion",), version=draft.present["version"]))
        elif draft.expected_version < draft.present["version"] and draft.changed:
            older.append(draft)
    changed_since = await _changed_since(desk, older)
    for draft in older:
        clash = [path for path in draft.changed if path in changed_since[draft.id]]
        if clash:
            fields = [api_path(desk.tx.catalog, desk.entity, path)[0] for path in clash]
            draft.refuse(Conflict(path=(fields[0],), fields=fields, version=_version(draft)))


def _version(draft: Draft) -> int | None:
    return None if draft.present is None else draft.present["version"]


async def _changed_since(desk: Desk, drafts: Sequence[Draft]) -> dict[UUID, set[str]]:
    changed: dict[UUID, set[str]] = {draft.id: set() for draft in drafts}
    if drafts:
        found = await desk.tx.driver().fetch(
            "SELECT e.entity_id, e.changed::text AS changed FROM events e"
            " JOIN unnest($1::uuid[], $2::bigint[]) AS d (id, version)"
            " ON e.entity_id = d.id AND e.entity_version > d.version",
            [draft.id for draft in drafts],
            [draft.expected_version for draft in drafts],
        )
        for record in found:
            changed[record["entity_id"]].update(orjson.loads(record["changed"]))
    return changed
