"""Tokens to principals. What rows say of a principal holds under one policy version, which is kept fresh here.

A change of rights is known here within a second of its commit: by a notification, by a look at the version twice a
second, and before a request is answered under a version that was last confirmed more than a second ago; one that was
made in this process, before its maker is answered (`hub.transactions`). So is a token
that was taken back: it leaves the tokens that are known, whose look-up asks nothing about it.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import structlog

from crm_graph.bounded import Bounded
from crm_graph.catalog import Catalog
from crm_graph.db import DATABASE_FAILURES
from crm_graph.errors import Unauthenticated, Unavailable
from crm_graph.permissions.issuers import IssuerRule, load_issuers
from crm_graph.permissions.keys import NO_KEYS, KeyRing, load_keys
from crm_graph.permissions.people import IssuerChanged, People
from crm_graph.permissions.principals import COMMAND_TIMEOUT_S, Loaded, Principal, load_principal
from crm_graph.permissions.revocations import load_revoked
from crm_graph.permissions.rules import Policy
from crm_graph.permissions.store import POLICY_CHANNEL, Connection, load_policy, utc_now
from crm_graph.permissions.tokens import TokenClaims, TokenTerms, UnknownKey, verify_access_token
from crm_graph.permissions.validation import warn_of_unreadable

log = structlog.get_logger(__name__)

CONFIRM_WITHIN_S = 1.0
POLL_EVERY_S = 0.5
UNKNOWN_KEY_EVERY_S = 0.2
"""How often, at most, tokens with unknown keys make the process look for new ones."""

_IDENTITY = "SELECT user_id FROM identities WHERE issuer_id = $1 AND subject = $2"


@dataclass(frozen=True, slots=True)
class _Seen:
    """A token that was verified: whose it is, until when that holds, under which policy version, and what it says."""

    principal: Principal
    until: float
    version: int
    claims: TokenClaims


@dataclass(frozen=True, slots=True)
class Bearer:
    """Who was let in by a token, which says `claims`; `of_issuer` where it is one of people's own issuers."""

    principal: Principal
    token: str
    claims: TokenClaims
    of_issuer: bool


class Principals:
    """Tokens to principals, for one process. `start` loads policy and keys and keeps them current; `stop` ends that."""

    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        catalog: Catalog,
        terms: TokenTerms,
        *,
        clock: Callable[[], datetime] = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
        cache_size: int = 10_000,
        time_zone: str = "Asia/Shanghai",
        listen: Callable[[], Awaitable["asyncpg.Connection[Any]"]] | None = None,
        people: People | None = None,
    ) -> None:
        self._pool = pool
        self._catalog = catalog
        self._terms = terms
        self._clock = clock
        self._monotonic = monotonic
        self._time_zone = time_zone
        self._listen = listen
        self._people = people
        self._seen: Bounded[bytes, _Seen] = Bounded(cache_size)
        self._loaded: Bounded[tuple[UUID, str | None, frozenset[str] | None], Loaded] = Bounded(cache_size)
        self._policy = Policy(-1, {})
        self._keys = NO_KEYS
        self._revocations = -1
        self._revoked: frozenset[str] = frozenset()
        self._confirmed_at = float("-inf")
        self._refreshing = asyncio.Lock()
        self._wake = asyncio.Event()
        self._watcher: asyncio.Task[None] | None = None
        self._listener: asyncpg.Connection[Any] | None = None

    @property
    def policy(self) -> Policy:
        """The policy as last confirmed."""
        return self._policy

    @property
    def keys(self) -> KeyRing:
        """The keys as last loaded, and as they are by now."""
        self._keys = self._keys.at(self._clock())
        return self._keys

    @property
    def people(self) -> People | None:
        """Those who come through issuers, where such are taken."""
        return self._people

    @property
    def terms(self) -> TokenTerms:
        """What tokens are issued under."""
        return self._terms

    async def start(self) -> None:
        """Load policy and keys, and watch for changes until `stop`."""
        await self._hear()
        await self.refresh()
        self._watcher = asyncio.create_task(self._watch(), name="policy watcher")

    async def stop(self) -> None:
        """End the watching."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
            self._watcher = None
        if self._listener is not None:
            with suppress(*DATABASE_FAILURES):
                await self._listener.close(timeout=COMMAND_TIMEOUT_S)
            self._listener = None
        if self._people is not None:
            await self._people.stop()

    def known(self, credentials: bytes, now: datetime) -> Principal | None:
        """Whose token this is, where that is known without asking anybody: a look-up. `credentials` are a whole header,
        `Bearer` and the token.
        """
        seen = self._seen.get(credentials)
        if (
            seen is None
            or seen.version != self._policy.version
            or now.timestamp() >= seen.until
            or self._monotonic() - self._confirmed_at > CONFIRM_WITHIN_S
        ):
            return None
        return seen.principal

    async def authenticate(self, token: str) -> Principal:
        """Whose token this is. Raises Unauthenticated for every token that is not valid now, of an active user and
        client; Unavailable while the rows cannot be asked.
        """
        await self._confirm()
        credentials = _credentials(token)
        known = self.known(credentials, self._clock())
        if known is not None:
            return known
        people = self._people
        issuer = people.issuer_of(token) if people else None
        if people is None or issuer is None:
            claims = await self._verify(token)
        else:
            try:
                claims = await self._let_in(people, issuer, token)
            except IssuerChanged:
                await self.refresh()
                if people.issuer_of(token) == issuer:
                    raise
                return await self.authenticate(token)
        loaded = await self._load_for(claims)
        if people is not None and issuer is not None:
            if people.issuer_of(token) != issuer:
                return await self.authenticate(token)
            if not loaded.principal.roles:
                raise Unauthenticated
            await self._require_identity(claims)
        # Asked last, with no wait before it is kept: what is revoked from here on is taken out again.
        self._refuse_revoked(claims)
        keys = self.keys
        if claims.kid is not None and claims.kid not in keys.verifying:
            raise Unauthenticated
        until = min(claims.ends_at, loaded.until, keys.until.timestamp())
        self._seen.put(credentials, _Seen(loaded.principal, until, loaded.version, claims))
        return loaded.principal

    async def _let_in(self, people: People, issuer: IssuerRule, token: str) -> TokenClaims:
        claims, admitted = await people.admitted(issuer, token, self._clock())
        if admitted.changed:
            await self.refresh()
        return claims

    async def claims_of(self, token: str) -> TokenClaims:
        """What a token of the hub's own says, if it is valid and not revoked, whoever its user is now. Raises as
        `authenticate` does.
        """
        await self._confirm()
        claims = await self._verify(token)
        self._refuse_revoked(claims)
        return claims

    async def bearer(self, token: str) -> Bearer:
        """The same as `authenticate`, for what goes on for long."""
        principal = await self.authenticate(token)
        # It was kept just now: nothing else has run since.
        seen = self._seen.get(_credentials(token))
        if seen is None:
            raise Unauthenticated
        return Bearer(principal, token, seen.claims, self._is_of_issuer(token))

    async def again(self, bearer: Bearer) -> Principal:
        """Who that is now. The token may have ended since, and its key, but neither been taken back. Raises as
        `authenticate` does.
        """
        await self._confirm()
        self._refuse_revoked(bearer.claims)
        claims = bearer.claims
        loaded = await self._load_for(claims)
        if bearer.of_issuer and not (loaded.principal.roles and self._is_of_issuer(bearer.token)):
            raise Unauthenticated
        await self._require_identity(claims)
        return loaded.principal

    async def _require_identity(self, claims: TokenClaims) -> None:
        """Raise Unauthenticated where a token of an issuer means somebody else by now, or nobody. Asked after the user
        was loaded: who was linked or unlinked before that is noticed here, and later by the version.
        """
        if claims.identity is None:
            return
        async with self._connection() as connection:
            user = await connection.fetchval(_IDENTITY, *claims.identity, timeout=COMMAND_TIMEOUT_S)
        if user != claims.subject:
            raise Unauthenticated

    def _is_of_issuer(self, token: str) -> bool:
        return self._people is not None and self._people.issuer_of(token) is not None

    def _refuse_revoked(self, claims: TokenClaims) -> None:
        if claims.token_id in self._revoked or claims.kid in self._keys.dropped:
            raise Unauthenticated

    async def of_user(self, user_id: UUID) -> Principal:
        """A user of the hub itself, without token and client: for jobs and the command line."""
        await self._confirm()
        return (await self._load(user_id, None, None)).principal

    async def _confirm(self) -> None:
        if self._monotonic() - self._confirmed_at > CONFIRM_WITHIN_S:
            await self.refresh()

    async def _verify(self, token: str) -> TokenClaims:
        arrived = self._monotonic()
        with suppress(UnknownKey):
            return verify_access_token(self._terms, self.keys, token, now=self._clock())
        # The key may be newer than the last look. Who makes up names of keys waits for the next one with all others.
        await asyncio.sleep(self._confirmed_at + UNKNOWN_KEY_EVERY_S - arrived)
        await self.refresh(since=arrived)
        return verify_access_token(self._terms, self.keys, token, now=self._clock())

    async def _load_for(self, claims: TokenClaims) -> Loaded:
        whose = (claims.subject, claims.client_id, claims.scopes)
        loaded = await self._load(*whose)
        if claims.epoch > loaded.token_epoch:
            # Tokens were ended after the last look, and this one is from after that.
            await self.refresh()
            loaded = await self._load(*whose)
        if not loaded.serves(claims):
            raise Unauthenticated
        return loaded

    async def _load(self, subject: UUID, client_id: str | None, scopes: frozenset[str] | None) -> Loaded:
        key = (subject, client_id, scopes)
        now = self._clock()
        for _ in range(3):
            known = self._loaded.get(key)
            if known is not None and known.version == self._policy.version and now.timestamp() < known.until:
                return known
            policy = self._policy
            async with self._connection() as connection:
                loaded = await load_principal(
                    connection,
                    policy,
                    self._catalog,
                    subject,
                    client_id=client_id,
                    scopes=scopes,
                    now=now,
                    time_zone=self._time_zone,
                )
            if loaded.version == policy.version:
                self._loaded.put(key, loaded)
                return loaded
            await self.refresh()
        raise Unavailable("try_again")

    async def confirmed(self) -> bool:
        """Whether what is loaded was compared with the database within the last second."""
        try:
            await self._confirm()
        except Unavailable:
            return False
        return True

    async def refresh(self, since: float | None = None) -> None:
        """Confirm the policy version, and load policy and keys anew when it has changed, unless that was begun after
        `since` already. Calls at the same time share one look.
        """
        asked_at = self._monotonic() if since is None else since
        async with self._refreshing:
            if self._confirmed_at >= asked_at:
                return
            started = self._monotonic()
            async with self._connection() as connection:
                found = await connection.fetchrow(
                    "SELECT version, revocations FROM policy_version WHERE id = 1", timeout=COMMAND_TIMEOUT_S
                )
                version, revocations = found or (0, 0)
                if revocations != self._revocations:
                    await self._take_back(connection, revocations)
                if version != self._policy.version:
                    await self._reload(connection)
            self._confirmed_at = started

    async def catch_up(self) -> None:
        """Know the rights that were committed until now, before anybody is told of that. While they cannot be asked
        about, nobody's are taken for granted.
        """
        try:
            await self.refresh()
        except Unavailable as failure:
            self._confirmed_at = float("-inf")
            log.warning("policy_not_confirmed", cause=repr(failure.__cause__))

    async def _reload(self, connection: Connection) -> None:
        # The keys come second, so that they are never older than the version that they are kept under.
        policy = await load_policy(connection)
        if self._people is not None:
            self._people.use(await load_issuers(connection))
        keys = await load_keys(connection, now=self._clock(), token_lifetime_s=self._terms.lifetime_s)
        self._policy, self._keys = policy, keys
        self._seen.clear()
        self._loaded.clear()
        warn_of_unreadable(policy, self._catalog)
        log.info("policy_loaded", version=policy.version, roles=len(policy.roles), keys=len(keys.verifying))

    async def _take_back(self, connection: Connection, revocations: int) -> None:
        # Other tokens stay known: no client can make the process verify everybody's anew.
        revoked = await load_revoked(connection, now=self._clock())
        new = revoked - self._revoked
        self._revoked, self._revocations = revoked, revocations
        if new:
            for credentials, seen in self._seen.items():
                if seen.claims.token_id in new:
                    self._seen.discard(credentials)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        try:
            async with self._pool.acquire(timeout=COMMAND_TIMEOUT_S) as connection:
                yield connection
        except DATABASE_FAILURES as failure:
            raise Unavailable from failure

    async def _watch(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), POLL_EVERY_S)
            self._wake.clear()
            await self._hear()
            try:
                await self.refresh()
            except Unavailable as failure:
                log.warning("policy_not_confirmed", cause=repr(failure.__cause__))

    async def _hear(self) -> None:
        """Listen for new versions, again where the connection was lost. Without one the looks at the version serve."""
        if self._listen is None or (self._listener is not None and not self._listener.is_closed()):
            return
        try:
            self._listener = await self._listen()
            await self._listener.add_listener(POLICY_CHANNEL, self._told)
        except DATABASE_FAILURES as failure:
            log.warning("policy_not_heard", cause=repr(failure))

    def _told(self, *_: object) -> None:
        self._wake.set()


def _credentials(token: str) -> bytes:
    """The header that carries a token."""
    return b"Bearer " + token.encode("utf-8", "surrogatepass")
