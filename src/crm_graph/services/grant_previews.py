"""What an edit of a role would do before it holds: who gains or loses which fields on how many records, which actions
and which trusted documents. It reads, within limits of its own, and changes nothing.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from crm_graph.access import Access
from crm_graph.catalog import Catalog
from crm_graph.errors import BadVariables, CrmError
from crm_graph.messages import Locale, phrase
from crm_graph.permissions.effective import effective_access
from crm_graph.permissions.principals import Principal
from crm_graph.permissions.rules import EVERYONE, Policy, RoleRule
from crm_graph.permissions.store import Connection, load_policy
from crm_graph.scalars import parse_id, parse_list
from crm_graph.services.commands import Problems
from crm_graph.services.counted_conditions import counted_for
from crm_graph.services.grant_changes import MAX_ROWS, ChangeKind, TypeChange, by_type, counting
from crm_graph.services.reads import AuditedRead, Note
from crm_graph.services.rights import api_paths
from crm_graph.services.role_inputs import Raw, RoleReader
from crm_graph.services.role_rules import Edit, Standing, require_sound_edit
from crm_graph.transaction import fetch

MAX_VIEWERS = 200
"""Of so many users, those with the lowest ids, own and team records are counted."""
MAX_DOCUMENTS = 100
MAX_ROLE_SETS = 200
"""Role sets are told apart up to here, those that most users have first."""
CHECKED_ROLE_SETS = 3
"""Role sets whose documents are checked, those that most users have: a schema takes a tenth of a second."""
COUNT_WITHIN_S = 6.0
DOCUMENTS_WITHIN_S = 3.0
"""No further document is checked after that."""
STATEMENT_WITHIN_MS = 2_000
TOLD_FIELDS = 5
"""So many fields stand in a sentence."""


@dataclass(frozen=True, slots=True)
class Held:
    """A set of roles, how many active users have it, and some of them; `becomes` is what they would have."""

    roles: frozenset[str]
    becomes: frozenset[str]
    users: int
    ids: tuple[UUID, ...]


Valid = Callable[[Access, str], Awaitable[Sequence[str] | None]]
"""The names of a document's operations, where it is valid for a role set; None where it is not."""

_HELD = """
SELECT roles, count(*) AS users, (array_agg(id ORDER BY id))[1:$4] AS ids
FROM (
    SELECT u.id, ARRAY(
        SELECT r.key FROM user_roles h JOIN roles r ON r.id = h.role_id
        WHERE h.user_id = u.id AND (h.expires_at IS NULL OR h.expires_at > $1) ORDER BY r.key
    ) AS roles
    FROM users u
    WHERE u.status = 'ACTIVE' AND u.archived_at IS NULL AND NOT u.id = ANY($3::uuid[])
) AS u
WHERE $2::text[] IS NULL OR roles && $2
GROUP BY roles
ORDER BY users DESC, roles
LIMIT $5
"""
_NAMED = """
SELECT u.id, ARRAY(
    SELECT r.key FROM user_roles h JOIN roles r ON r.id = h.role_id
    WHERE h.user_id = u.id AND (h.expires_at IS NULL OR h.expires_at > $1) ORDER BY r.key
) AS roles
FROM users u WHERE u.id = ANY($2::uuid[]) AND u.status = 'ACTIVE' AND u.archived_at IS NULL
"""
_DOCUMENTS = "SELECT id, text FROM trusted_documents ORDER BY registered_at DESC, id LIMIT $1"


@dataclass(frozen=True, slots=True)
class Previewing:
    """Previews for somebody who edits roles, each noted with its draft: it counts records that the asker may not see.
    `valid` says for whom a document is, `manifest` are those of the file.
    """

    connection: Connection
    policy: Policy
    catalog: Catalog
    asker: Principal
    now: datetime
    locale: Locale
    valid: Valid
    manifest: Mapping[str, str]
    note: Note

    async def preview(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        """The effect of `draft`. Raises BadVariables for what is wrong with it, with the path to it."""
        draft = asked["draft"]
        before = await self._policy()
        after = await asyncio.to_thread(self._drafted, before, draft)
        self.note(AuditedRead("previewed", "role", (), 0, told={"draft": draft}))
        held = await self._held(before, after, draft)
        pairs = await asyncio.to_thread(self._compared, before, after, held)
        changes = await self._changes(pairs)
        return {
            "users": sum(one.users for one, _, _ in pairs),
            "summary": [_sentence(self.catalog, change, self.locale) for change in changes],
            "changes": changes,
            "actions": _actions(pairs),
            "documents": await self._documents(pairs),
        }

    def _compared(self, before: Policy, after: Policy, held: Sequence[Held]) -> list[tuple[Held, Access, Access]]:
        """The role sets whose rights change, with those before and after. Takes milliseconds for each."""
        pairs = (
            (one, effective_access(before, self.catalog, one.roles), effective_access(after, self.catalog, one.becomes))
            for one in held
        )
        return [(one, was, becomes) for one, was, becomes in pairs if was.fingerprint != becomes.fingerprint]

    async def _policy(self) -> Policy:
        """One of its own: what it keeps is written in a thread, and that of the hub's is the event loop's."""
        version = await self.connection.fetchval("SELECT version FROM policy_version WHERE id = 1")
        if version != self.policy.version:
            return await load_policy(self.connection)
        return Policy(self.policy.version, self.policy.roles)

    def _drafted(self, before: Policy, draft: Raw) -> Policy:
        reader = RoleReader(self.catalog)
        key = draft["role"]
        role = before.roles.get(key) or RoleRule(reader.key(key, "role"), key, key, "", {})
        if draft.get("grants") is not None:
            role = replace(role, grants=reader.grants(draft["grants"], "grants"))
        if draft.get("inherits") is not None:
            role = replace(role, inherits=reader.keys(draft["inherits"], before.roles, "inherits"))
        if draft.get("actions") is not None:
            role = replace(role, actions=reader.actions(draft["actions"], "actions"))
        after = Policy(before.version, {**before.roles, key: role})
        try:
            if reader.problems:
                raise Problems(reader.problems)
            standing = Standing(before, has_admin=True, asker_roles=frozenset())
            require_sound_edit(self.catalog, standing, after, Edit("previewed", role, reader.placed))
        except CrmError as error:
            wrong = error.errors[0] if isinstance(error, Problems) else error
            raise BadVariables(wrong.template_key, path=("draft", *wrong.path), **wrong.details) from None
        return after

    async def _held(self, before: Policy, after: Policy, draft: Raw) -> list[Held]:
        """Who would be concerned, by the roles that they have: users of the role, of one that inherits it, and those
        named, as if they had it.
        """
        key = draft["role"]
        heirs = [k for p in (before, after) for k in p.roles if any(r.key == key for r in p.held([k]))]
        named = _ids(draft.get("users"))
        concerned = None if key == EVERYONE else sorted({key, *heirs})
        rows = await self.connection.fetch(_HELD, self.now, concerned, named, MAX_VIEWERS, MAX_ROLE_SETS)
        found = [
            Held(frozenset(row["roles"]), frozenset(row["roles"]), row["users"], tuple(row["ids"])) for row in rows
        ]
        if named:
            for row in await self.connection.fetch(_NAMED, self.now, named):
                roles = frozenset(row["roles"])
                found.append(Held(roles, roles | {key}, 1, (row["id"],)))
        return found

    async def _changes(self, pairs: Sequence[tuple[Held, Access, Access]]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        viewers = _viewers([one for one, _, _ in pairs])
        counted = counted_for(self.catalog, self.asker.access)
        changes = list(by_type(self.catalog, [(was, becomes) for _, was, becomes in pairs], counted))
        counts = await self._counts(changes, viewers)
        for of_type, count in zip(changes, counts, strict=True):
            names = api_paths(self.catalog, of_type.entity)
            groups = [group for group, _ in of_type.parts]
            sampled = any(
                of_viewer and pairs[group][0].users > len(viewers[group])
                for group, (_, of_viewer) in zip(groups, of_type.rows, strict=True)
            )
            found.append(
                {
                    "type": of_type.entity.api_name,
                    "fields": [names.get(path, path) for path in of_type.paths],
                    "kind": of_type.kind.value,
                    "level": None if of_type.level is None else of_type.level.name,
                    "users": sum(pairs[group][0].users for group in set(groups)),
                    "rows": None if count is None else min(count, MAX_ROWS),
                    "rowsCapped": count is not None and (count > MAX_ROWS or sampled),
                    "rowsBounded": of_type.bounded,
                }
            )
        return found

    async def _counts(self, changes: Sequence[TypeChange], viewers: Sequence[tuple[UUID, ...]]) -> Sequence[int | None]:
        """How many records in use each change is about, up to a limit; None where that takes long. Each has its share
        of the time, twice over since most are counted at once, and once more of what is left: one that nobody can count
        does not take it from others.
        """
        inputs = {
            "groups": [group for group, ids in enumerate(viewers) for _ in ids],
            "ids": [id_ for ids in viewers for id_ in ids],
        }
        deadline = time.monotonic() + COUNT_WITHIN_S
        counts: dict[int, int | None] = {}
        for _ in range(2):
            left = [place for place in range(len(changes)) if counts.get(place) is None]
            for done, place in enumerate(left):
                left_ms = (deadline - time.monotonic()) * 1000
                share_ms = int(min(STATEMENT_WITHIN_MS, left_ms, 2 * left_ms / (len(left) - done)))
                counts[place] = await self._counted(changes[place], inputs, share_ms) if share_ms > 0 else None
        return [counts[place] for place in range(len(changes))]

    async def _counted(self, of_type: TypeChange, inputs: Mapping[str, Any], within_ms: int) -> int | None:
        try:
            async with self.connection.transaction(readonly=True):
                await self.connection.execute("SELECT set_config('statement_timeout', $1, true)", str(within_ms))
                matching = counting(of_type.entity, [condition for condition, _ in of_type.rows])
                ((count,),) = await fetch(self.connection, self.asker, self.now, matching, **inputs)
        except asyncpg.QueryCanceledError:
            return None
        return int(count)

    async def _documents(self, pairs: Sequence[tuple[Held, Access, Access]]) -> list[dict[str, Any]]:
        largest = sorted(pairs, key=lambda pair: -pair[0].users)[:CHECKED_ROLE_SETS]
        if not largest:
            return []
        rows = await self.connection.fetch(_DOCUMENTS, MAX_DOCUMENTS)
        documents = {**{row["id"]: row["text"] for row in rows}, **self.manifest}
        found: dict[tuple[str, str], dict[str, Any]] = {}
        deadline = time.monotonic() + DOCUMENTS_WITHIN_S
        for id_, text in list(documents.items())[:MAX_DOCUMENTS]:
            if time.monotonic() > deadline:
                break
            for one, was, becomes in largest:
                old, new = await self.valid(was, text), await self.valid(becomes, text)
                if (old is None) is not (new is None):
                    kind = ChangeKind.LOSE if new is None else ChangeKind.GAIN
                    told = {"id": id_, "operations": list(new or old or ()), "kind": kind.value, "users": 0}
                    found.setdefault((id_, kind), told)["users"] += one.users
        return list(found.values())


def _ids(raw: Any) -> list[UUID]:
    """Users that are named. Raises BadVariables."""
    items = [] if raw is None else raw if isinstance(raw, list) else [raw]
    if len(items) > MAX_VIEWERS:
        raise BadVariables("list_too_long", path=("draft", "users"), limit=MAX_VIEWERS)
    try:
        return parse_list(parse_id, items)
    except BadVariables as error:
        raise error.at("draft", "users") from None


def _viewers(held: Sequence[Held]) -> list[tuple[UUID, ...]]:
    """Of whom own and team records are counted: some of each role set, in all no more than may be."""
    found, left = [], MAX_VIEWERS
    for one in held:
        found.append(one.ids[:left])
        left -= len(found[-1])
    return found


def _actions(pairs: Sequence[tuple[Held, Access, Access]]) -> list[dict[str, Any]]:
    users: dict[tuple[str, str], int] = {}
    for one, was, becomes in pairs:
        for kind, actions in (
            (ChangeKind.GAIN, becomes.actions - was.actions),
            (ChangeKind.LOSE, was.actions - becomes.actions),
        ):
            for action in actions:
                users[action, kind.value] = users.get((action, kind.value), 0) + one.users
    return [{"action": action, "kind": kind, "users": count} for (action, kind), count in sorted(users.items())]


def _sentence(catalog: Catalog, change: Mapping[str, Any], locale: Locale) -> str:
    """A change in words: 12 users will gain taxId on 4,310 customers."""
    entity, users, rows = catalog.by_api_name[change["type"]], change["users"], change["rows"]
    fields = [*change["fields"][:TOLD_FIELDS]]
    more = len(change["fields"]) - len(fields)
    if more:
        fields.append(phrase("preview_more", locale, count=more))
    counted = "preview_uncounted"
    if rows is not None:
        counted = ("preview_some" if change["rowsBounded"] else "preview_rows") + "_capped" * change["rowsCapped"]
    key = f"preview_{change['kind'].lower()}"
    if change["level"] in ("MASKED", "LOOKUP"):
        key += "_masked"
    return phrase(
        key,
        locale,
        users=phrase("preview_user" if users == 1 else "preview_users", locale, count=f"{users:,}"),
        fields=fields,
        rows=phrase(
            counted,
            locale,
            count=f"{rows or 0:,}",
            type=entity.name if rows == 1 and not change["rowsBounded"] else entity.api_plural,
        ),
    )
