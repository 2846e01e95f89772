"""Answers to "why does somebody see this, or not": by role, user or client, of a type, a field, a record. And who can
see a field at all. It tells of rights and never of data: of a record, that it is there and which row rules match it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from crm_graph.access import Level
from crm_graph.catalog import Catalog, EntityType
from crm_graph.criteria.compiling import row_scope
from crm_graph.errors import BadVariables, Unauthenticated
from crm_graph.fragments import Viewer, join, label, name, param, render, sql
from crm_graph.messages import Locale, phrase
from crm_graph.models.ids import code_of
from crm_graph.models.roles import RowRule
from crm_graph.permissions.effective import effective_access, scopes_of
from crm_graph.permissions.explain import (
    GrantFact,
    GrantState,
    Idle,
    Verdict,
    facts_of,
    facts_of_role,
    idle_grants,
    verdict,
)
from crm_graph.permissions.principals import Principal, load_principal
from crm_graph.permissions.rules import EVERYONE, Policy
from crm_graph.permissions.store import Connection
from crm_graph.services.conditions import ConditionWords, Vocabulary
from crm_graph.services.reads import AuditedRead, Note
from crm_graph.services.rights import api_paths
from crm_graph.transaction import Input, fetch

_CLIENT = "SELECT user_id, scopes::text AS scopes FROM clients WHERE client_id = $1 AND status = 'ACTIVE'"
_HOLDERS = """
SELECT r.key, CASE WHEN r.key = $2
  THEN (SELECT count(*) FROM users u WHERE u.status = 'ACTIVE' AND u.archived_at IS NULL)
  ELSE (SELECT count(*) FROM user_roles h JOIN users u ON u.id = h.user_id
        WHERE h.role_id = r.id AND (h.expires_at IS NULL OR h.expires_at > $1)
          AND u.status = 'ACTIVE' AND u.archived_at IS NULL)
  END AS users
FROM roles r
"""


@dataclass(frozen=True, slots=True)
class _Subject:
    """Whose rights are explained: a role alone, or a user, perhaps through a client."""

    name: str
    roles: frozenset[str]
    scopes: frozenset[str] | None = None
    principal: Principal | None = None


@dataclass(frozen=True, slots=True)
class Explaining:
    """Answers questions for somebody who has the action `access:explain`."""

    connection: Connection
    policy: Policy
    catalog: Catalog
    asker: Principal
    now: datetime
    locale: Locale
    time_zone: str
    """The company's, for users without one."""
    note: Note
    vocabulary: Vocabulary

    async def explain(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        """Which grant decides, by the arguments of `explainAccess`. What is told of a record is written down. Raises
        BadVariables for what is not there.
        """
        entity, path = self._named(asked)
        subject = await self._subject(asked)
        id_ = _id_of(entity, asked.get("id"))
        facts = facts_of(self.policy, self.catalog, entity, path, subject.roles, scopes=subject.scopes)
        exists = None
        if id_ is not None:
            exists, facts = await self._matched(entity, id_, subject, facts)
            self.note(_read(entity, asked, id_, exists=exists))
        found = verdict(facts)
        access = effective_access(self.policy, self.catalog, subject.roles, subject.scopes)
        words = self._words(entity, asked.get("field"), subject.name, record=id_ is not None)
        return {
            "type": entity.api_name,
            "field": asked.get("field"),
            "recordExists": exists,
            "visible": found.visible,
            "level": found.level.name,
            "conditional": found.conditional,
            "writable": found.writable and access.may(f"{entity.plural}:update"),
            "summary": words.summary(found, exists=exists is not False),
            "grants": [words.grant(fact, decides=fact in found.deciding) for fact in facts],
        }

    async def report(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        """Who can read or write a field, and which grants do nothing, by the arguments of `accessReport`."""
        entity, path = self._named(asked)
        rows = await self.connection.fetch(_HOLDERS, self.now, EVERYONE)
        users = {row["key"]: row["users"] for row in rows}
        # Of hundreds of roles this takes some tenths of a second, in which others are answered.
        return await asyncio.to_thread(self._reported, entity, path, asked["field"], users)

    def _reported(
        self, entity: EntityType, path: str | None, field: str, users: Mapping[str, int]
    ) -> Mapping[str, Any]:
        held = {role.key for role in self.policy.held(key for key, count in users.items() if count)} | {EVERYONE}
        words = self._words(entity, field, "", record=False)
        roles = [self._role(key, entity, path, words, users.get(key, 0)) for key in sorted(self.policy.roles)]
        return {
            "type": entity.api_name,
            "field": field,
            "roles": [role for role in roles if role is not None],
            "unheldRoles": [key for key in sorted(self.policy.roles) if key not in held],
            "idleGrants": [
                {"reason": reason.value, "words": words.idle(fact, reason), "grant": words.grant(fact, decides=False)}
                for fact, reason in idle_grants(self.policy, self.catalog, entity, held)
            ],
        }

    def _role(
        self, key: str, entity: EntityType, path: str | None, words: "_Words", users: int
    ) -> Mapping[str, Any] | None:
        """What one role gives of a field; None where that is nothing."""
        facts = facts_of_role(self.policy, self.catalog, entity, path, key)
        found = verdict(facts)
        if found.level is Level.HIDDEN:
            return None
        role, held = self.policy.roles[key], self.policy.held([key])
        return {
            "role": key,
            "label": {"zh": role.name_zh, "en": role.name_en},
            "level": found.level.name,
            "conditional": found.conditional,
            "writable": found.writable and any(f"{entity.plural}:update" in each.actions for each in held),
            "users": users,
            "grants": [words.grant(fact, decides=fact in found.deciding) for fact in facts],
        }

    def _words(self, entity: EntityType, field: str | None, who: str, *, record: bool) -> "_Words":
        conditions = ConditionWords(self.catalog, self.vocabulary, self.locale)
        return _Words(self.locale, conditions, entity, field, who, record=record)

    def _named(self, asked: Mapping[str, Any]) -> tuple[EntityType, str | None]:
        entity = self.catalog.by_api_name.get(asked["type"])
        if entity is None or entity.is_child:
            raise BadVariables("unknown_type", path=("type",))
        if asked.get("field") is None:
            return entity, None
        named = {api: path for path, api in api_paths(self.catalog, entity).items()}
        if asked["field"] not in named:
            raise BadVariables("unknown_field", path=("field",))
        return entity, named[asked["field"]]

    async def _subject(self, asked: Mapping[str, Any]) -> _Subject:
        role, user, client = (asked.get(name) for name in ("role", "user", "client"))
        if sum(one is not None for one in (role, user, client)) != 1:
            raise BadVariables("explain_whom")
        if role is not None:
            if role not in self.policy.roles:
                raise BadVariables("unknown_role", path=("role",))
            return _Subject(role, frozenset({role}))
        if user is not None:
            principal = await self._principal(UUID(user), "user")
            return _Subject(principal.username, frozenset(principal.roles), principal=principal)
        row = await self.connection.fetchrow(_CLIENT, client)
        if row is None:
            raise BadVariables("explain_client", path=("client",))
        principal = await self._principal(row["user_id"], "client", client)
        scopes = frozenset(orjson.loads(row["scopes"])) & scopes_of(self.catalog)
        return _Subject(str(client), frozenset(principal.roles), scopes, principal)

    async def _principal(self, user: UUID, argument: str, client: str | None = None) -> Principal:
        scopes = scopes_of(self.catalog) if client is not None else None
        try:
            loaded = await load_principal(
                self.connection,
                self.policy,
                self.catalog,
                user,
                client_id=client,
                scopes=scopes,
                now=self.now,
                time_zone=self.time_zone,
            )
        except Unauthenticated:
            raise BadVariables(f"explain_{argument}", path=(argument,)) from None
        return loaded.principal

    async def _matched(
        self, entity: EntityType, id_: UUID, subject: _Subject, facts: Sequence[GrantFact]
    ) -> tuple[bool, list[GrantFact]]:
        """Whether the record is there, and for each grant whether its row rule matches it, in one statement. Who holds
        it is open for a role alone, and so is what depends on that.
        """
        asked = [row_scope(self.catalog, entity, f.rule.scope, "t") if _readable(f) else None for f in facts]
        columns = [
            sql("{scope} AS {column}", scope=scope, column=label(f"g{place}"))
            for place, scope in enumerate(asked)
            if scope is not None and (subject.principal or not _of_viewer(scope))
        ]
        statement = sql(
            "SELECT {columns} FROM {table} AS t WHERE t.id = {id}",
            columns=join(", ", [sql("t.id"), *columns]),
            table=name(entity.table),
            id=param(Input("id"), "uuid"),
        )
        rows = await fetch(self.connection, subject.principal or self.asker, self.now, statement, id=id_)
        if not rows:
            return False, [fact.seen_on(matches=False) for fact in facts]
        return True, [fact.seen_on(matches=rows[0].get(f"g{place}")) for place, fact in enumerate(facts)]


def _read(entity: EntityType, asked: Mapping[str, Any], id_: UUID, *, exists: bool) -> AuditedRead:
    """What the log says of a question about a record."""
    fields = () if asked.get("field") is None else (asked["field"],)
    whose = {name: asked[name] for name in ("role", "user", "client") if asked.get(name) is not None}
    return AuditedRead("explained", entity.name, fields, int(exists), (id_,) if exists else (), told=whose)


def _readable(fact: GrantFact) -> bool:
    return fact.state is not GrantState.UNREADABLE


def _of_viewer(scope: Any) -> bool:
    """Whether a row rule is about who asks."""
    return any(isinstance(source, Viewer) for source in render(scope).sources)


def _heirs(fact: GrantFact) -> list[str]:
    """The roles that inherit it, up to the one that is held."""
    return list(reversed(fact.through[:-1]))


def _id_of(entity: EntityType, raw: str | None) -> UUID | None:
    if raw is None:
        return None
    if code_of(UUID(raw)) != entity.code:
        raise BadVariables("id_of_other_type", path=("id",), type=entity.api_name)
    return UUID(raw)


@dataclass(frozen=True, slots=True)
class _Words:
    """Says in a language what was found."""

    locale: Locale
    conditions: ConditionWords
    entity: EntityType
    field: str | None
    who: str
    record: bool

    def summary(self, found: Verdict, *, exists: bool) -> str:
        """The verdict in a sentence."""
        said = "explain_field" if self.field else "explain_record"
        if not exists:
            said = "explain_no_record"
        elif found.visible is False:
            said = "explain_unseen" if self.record else "explain_never_seen"
        elif found.level is Level.HIDDEN:
            said = "explain_hidden"
        elif found.conditional:
            said += "_else" if found.least > Level.HIDDEN else "_sometimes"
        by = [self._by(fact) for fact in found.deciding]
        return self._say(
            said,
            who=self.who,
            type=self.entity.api_name,
            field=self.field,
            level=self._say(f"level_{found.level.name.lower()}"),
            least=self._say(f"level_{found.least.name.lower()}"),
            grants=by,
        )

    def grant(self, fact: GrantFact, *, decides: bool) -> Mapping[str, Any]:
        """One grant as the API tells of it."""
        return {
            "role": fact.role,
            "through": fact.through,
            "rowRule": fact.rule.scope.rule.value,
            "predicate": fact.rule.scope.predicate,
            "state": fact.state.value,
            "level": fact.level.name,
            "writable": fact.writable,
            "matches": fact.matches,
            "decides": decides,
            "words": self._grant(fact),
        }

    def idle(self, fact: GrantFact, reason: Idle) -> str:
        """Why a grant does nothing."""
        return self._say(f"idle_{reason.value.lower()}", role=fact.role, rows=self._rows(fact))

    def _by(self, fact: GrantFact) -> str:
        heirs = _heirs(fact)
        said = "explain_by_heir" if heirs else "explain_by"
        return self._say(said, role=fact.role, heirs=heirs, rows=self._rows(fact))

    def _grant(self, fact: GrantFact) -> str:
        level = self._say(f"level_{fact.level.name.lower()}")
        given = self._say("grant_gives", role=fact.role, rows=self._rows(fact), level=level)
        if _heirs(fact):
            given += self._say("grant_inherited", heirs=_heirs(fact))
        if fact.state is not GrantState.IN_FORCE:
            return given + self._say(f"grant_{fact.state.value.lower()}")
        if not self.record or fact.rule.scope.rule is RowRule.ALL:
            return given
        matching = {True: "grant_matches", False: "grant_matches_not", None: "grant_may_match"}
        return given + self._say(matching[fact.matches])

    def _rows(self, fact: GrantFact) -> str:
        scope = fact.rule.scope
        if scope.predicate is None:
            return self._say(f"rows_{scope.rule.value.lower()}")
        if not _readable(fact):
            return self._say("rows_unreadable", predicate=scope.predicate)
        return self._say("rows_where", condition=self.conditions.said(self.entity, scope.predicate))

    def _say(self, key: str, **details: Any) -> str:
        return phrase(key, self.locale, **details)
