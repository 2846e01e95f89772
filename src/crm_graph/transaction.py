"""One write: a transaction with who asks, one moment, ids and its events. The only `commit()` stands here.

Locks are taken in one order: idempotency key, external refs by (source, external id), rows of the written type by id,
then the open follow-ups and the customers that they touch, each by id. Whoever adds a lock keeps to it.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, cast
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import orjson
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from crm_graph.access import Access
from crm_graph.catalog import Catalog
from crm_graph.errors import (
    CrmError,
    Duplicate,
    Invalid,
    NotFound,
    Required,
    RuleViolated,
    TimedOut,
    Unavailable,
)
from crm_graph.fragments import Above, Const, Fragment, Now, Reckoned, Statement, Viewer, render
from crm_graph.models.ids import EntityCode, IdSource
from crm_graph.moments import reckoned
from crm_graph.permissions.principals import Principal
from crm_graph.permissions.store import Connection
from crm_graph.replicas.positions import WRITES_CHANNEL

EVENTS_CHANNEL = "crm_events"

CONSTRAINTS: Mapping[str, tuple[type[CrmError], str, tuple[str, ...]]] = {
    "uq_external_refs_source_entity_type_external_id": (Duplicate, "external_ref_taken", ("externalId",)),
    "uq_contract_lines_contract_id_position": (Duplicate, "duplicate", ("lines",)),
    "ck_contract_lines_quantity_positive": (RuleViolated, "not_positive", ("lines", "quantity")),
    "ck_contract_lines_tax_rate_range": (RuleViolated, "not_a_fraction", ("lines", "taxRate")),
    "ck_contract_lines_discount_rate_range": (RuleViolated, "not_a_fraction", ("lines", "discountRate")),
    "ck_opportunities_probability_range": (RuleViolated, "not_a_fraction", ("probability",)),
    "ck_exchange_rates_rate_positive": (RuleViolated, "not_positive", ("rate",)),
    "uq_clients_client_id": (Duplicate, "duplicate", ("clientId",)),
    "uq_pipelines_workflow_type_key": (Duplicate, "duplicate", ("key",)),
    "uq_pipelines_default": (Duplicate, "duplicate", ("isDefault",)),
    "uq_stages_pipeline_id_key": (Duplicate, "duplicate", ("key",)),
    "uq_teams_path": (Duplicate, "team_exists", ("key",)),
    "uq_users_username": (Duplicate, "username_taken", ("username",)),
}


class NotGranted(NotFound):
    """An action that no role of the asker has. Its mutation is not in their schema either; this is the second wall."""

    template = "action_not_granted"


@dataclass(frozen=True, slots=True)
class Input:
    """A value handed to `Transaction.fetch` under this name, so that one rendered statement serves every call."""

    name: str


@dataclass(slots=True)
class EventDraft:
    """One verb on one root, as it will stand in the log. `before` and `after` hold the changed fields only, by their
    catalog names, children under their relation's name. With `records`, how many it gave, it is a read.
    """

    type: str
    entity_type: str
    entity_id: UUID | None
    entity_version: int
    changed: Sequence[str]
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    customer_id: UUID | None = None
    reason: str | None = None
    backfill: bool = False
    records: int | None = None
    looked_for: str | None = None

    @property
    def is_read(self) -> bool:
        """Whether it tells of a read: it changed nothing, and nobody has to hear of it."""
        return self.records is not None


@dataclass(frozen=True, slots=True)
class Approval:
    """Whether edits of rights need a second approver, and how long they wait for one."""

    needed: bool = False
    lifetime: timedelta = timedelta(days=30)


NO_APPROVAL = Approval()


@dataclass(frozen=True, slots=True)
class Retention:
    """How many days the event log is kept for who follows it, and for histories and auditors; 0 for ever."""

    feed_days: int = 0
    audit_days: int = 0

    @property
    def days(self) -> int:
        """The longer of the two."""
        return max(self.feed_days, self.audit_days) if self.feed_days and self.audit_days else 0


FOR_EVER = Retention()


@dataclass
class Transaction:
    """What a service writes through. `now` is the one moment of the transaction."""

    session: AsyncSession
    connection: "asyncpg.Connection[asyncpg.Record]"
    principal: Principal
    catalog: Catalog
    now: datetime
    ids: IdSource
    source: str
    base_currency: str
    zone: ZoneInfo
    reason: str | None = None
    request_id: str | None = None
    causation_id: UUID | None = None
    on_behalf_of_id: UUID | None = None
    discarded: bool = False
    approval: Approval = NO_APPROVAL
    retention: Retention = FOR_EVER
    position: str | None = None
    """How far in the log its commit reaches; found after it, where there is a replica."""
    _events: list[EventDraft] = field(default_factory=list)
    _written: int = 0
    _told: bool = False
    _subjects: set[UUID | None] = field(default_factory=set)

    @property
    def access(self) -> Access:
        """The rights of whoever asks."""
        return self.principal.access

    @property
    def today(self) -> date:
        """The day of this transaction in the company's zone."""
        return self.now.astimezone(self.zone).date()

    def new_id(self, code: EntityCode) -> UUID:
        """A new id of that entity."""
        return self.ids.new(code)

    @property
    def subject_id(self) -> UUID | None:
        """The customer that all of this transaction is about; None when there are several, or none."""
        (only,) = self._subjects if len(self._subjects) == 1 else (None,)
        return only

    def require(self, action: str) -> None:
        """Raise NotGranted unless the asker holds the action."""
        if not self.access.may(action):
            raise NotGranted(action=action)

    def driver(self) -> "asyncpg.Connection[asyncpg.Record]":
        """The asyncpg connection inside the session's transaction, for set-based statements."""
        return self.connection

    async def fetch(self, fragment: Fragment, /, **inputs: Any) -> list[asyncpg.Record]:
        """Run a composed statement, whose parameters are bound here; `inputs` are the values of `Input`."""
        return await fetch(self.connection, self.principal, self.now, fragment, **inputs)

    def record(self, *events: EventDraft) -> None:
        """Append events; they are inserted together by `flush`."""
        self._events.extend(events)
        self._subjects.update(e.entity_id if e.entity_type == "customer" else e.customer_id for e in events)

    @asynccontextmanager
    async def trial(self) -> AsyncIterator[None]:
        """What is done inside is taken back at its end, events included; what it raises is raised."""
        events, subjects = len(self._events), set(self._subjects)
        nested = await self.session.begin_nested()
        # The session sets the savepoint when it first needs its connection, which `driver` goes past.
        await self.session.connection()
        try:
            yield
        finally:
            await nested.rollback()
            self.session.expunge_all()
            del self._events[events:]
            self._subjects = subjects

    def discard(self) -> None:
        """Roll back at the end whatever happens: a dry run."""
        self.discarded = True

    async def flush(self) -> None:
        """Send what is pending to the database, events included."""
        await self.session.flush()
        events, self._events = self._events, []
        if not events:
            return
        if not self._told and not all(event.is_read for event in events):
            self._told = True
            await self.connection.execute(_NOTIFY, EVENTS_CHANNEL, WRITES_CHANNEL, str(self.principal.user_id))
        await self.connection.execute(_INSERT_EVENTS, *self._event_arguments(events))
        self._written += len(events)

    def _event_arguments(self, events: Sequence[EventDraft]) -> tuple[Any, ...]:
        start = self._written
        return (
            [self.new_id(EntityCode.EVENT) for _ in events],
            range(start, start + len(events)),
            [e.type for e in events],
            [e.entity_type for e in events],
            [e.entity_id for e in events],
            [e.entity_version for e in events],
            [e.customer_id for e in events],
            [e.reason or self.reason for e in events],
            [to_json(e.changed) for e in events],
            [to_json(e.before) for e in events],
            [to_json(e.after) for e in events],
            [e.backfill for e in events],
            [e.is_read for e in events],
            [e.records for e in events],
            [e.looked_for for e in events],
            self.now,
            self.principal.user_id,
            self.on_behalf_of_id,
            self.principal.client_id,
            self.source,
            self.request_id,
            self.causation_id,
        )


async def fetch(
    connection: Connection, principal: Principal, now: datetime, fragment: Fragment, /, **inputs: Any
) -> list[asyncpg.Record]:
    """Run a composed statement for someone on any connection; `Input` parameters are given by name."""
    statement = rendered(fragment)
    arguments = [_bind(source, principal, now, inputs) for source in statement.sources]
    found: list[asyncpg.Record] = await connection.fetch(statement.text, *arguments)
    return found


def _bind(source: Any, principal: Principal, now: datetime, inputs: Mapping[str, Any]) -> Any:
    match source:
        case Input(name):
            return inputs[name]
        case Viewer(name):
            return principal.viewer_values()[name]
        case Const(value):
            return value
        case Now():
            return now
        case Above(inner):
            return source.of(_bind(inner, principal, now, inputs))
        case Reckoned(inner):
            return reckoned(_bind(inner, principal, now, inputs), now, principal.zone)
    raise TypeError(f"no value for {source!r}")


@lru_cache(maxsize=1024)
def rendered(fragment: Fragment) -> Statement:
    """The statement of a fragment; equal fragments are rendered once."""
    return render(fragment)


def to_json(value: Any) -> str:
    """JSON as events hold it: decimals as strings, moments in ISO 8601."""
    return orjson.dumps(value, default=str).decode()


_NOTIFY = "SELECT pg_notify($1, ''), pg_notify($2, $3)"
_INSERT_EVENTS = """
INSERT INTO events (
    id, epoch, n, type, entity_type, entity_id, entity_version, customer_id, reason, changed, before, after, backfill,
    is_read, records, looked_for,
    occurred_at, actor_id, on_behalf_of_id, client_id, source, request_id, causation_id
)
SELECT e.id, (SELECT max(epoch) FROM log_epochs), e.n, e.type, e.entity_type, e.entity_id, e.entity_version,
       e.customer_id, e.reason, e.changed::jsonb, e.before::jsonb, e.after::jsonb, e.backfill, e.is_read,
       e.records, e.looked_for,
       $16::timestamptz, $17::uuid, $18::uuid, $19::uuid, $20::text, $21::text, $22::uuid
FROM unnest(
    $1::uuid[], $2::int[], $3::text[], $4::text[], $5::uuid[], $6::bigint[], $7::uuid[], $8::text[],
    $9::text[], $10::text[], $11::text[], $12::bool[], $13::bool[], $14::int[], $15::text[]
) AS e (
    id, n, type, entity_type, entity_id, entity_version, customer_id, reason, changed, before, after, backfill,
    is_read, records, looked_for
)
"""


@asynccontextmanager
async def begin(
    engine: AsyncEngine,
    principal: Principal,
    catalog: Catalog,
    clock: Callable[[], datetime],
    ids: IdSource,
    *,
    source: str,
    reason: str | None = None,
    request_id: str | None = None,
    causation_id: UUID | None = None,
    on_behalf_of: UUID | None = None,
    base_currency: str = "CNY",
    time_zone: str = "Asia/Shanghai",
    dry_run: bool = False,
    approval: Approval = NO_APPROVAL,
    retention: Retention = FOR_EVER,
) -> AsyncIterator[Transaction]:
    """One transaction: committed when the block ends well, rolled back when it raises or was a dry run.

    What the database refuses is raised as a CrmError: constraints by name, lost races as UNAVAILABLE (try again).
    """
    async with AsyncSession(engine, expire_on_commit=False) as session:
        try:
            tx = Transaction(
                session,
                await _open(session),
                principal,
                catalog,
                clock(),
                ids,
                source,
                base_currency,
                ZoneInfo(time_zone),
                reason,
                request_id,
                causation_id,
                on_behalf_of,
                dry_run,
                approval,
                retention,
            )
            yield tx
            await tx.flush()
            if tx.discarded:
                await session.rollback()
            else:
                await session.commit()
        except (asyncpg.PostgresError, asyncpg.InterfaceError, DBAPIError, TimeoutError, ConnectionError) as failure:
            known = domain_error(failure)
            if known is None:
                raise
            raise known from failure


async def _open(session: AsyncSession) -> "asyncpg.Connection[asyncpg.Record]":
    """Begin through SQLAlchemy, which sends BEGIN with its first statement, and hand out the driver's connection.
    Statement and lock timeouts are those of the engine's sessions.
    """
    try:
        await session.execute(text("SET TRANSACTION ISOLATION LEVEL READ COMMITTED"))
    except (OSError, PoolTimeout) as failure:
        raise Unavailable from failure
    raw = await (await session.connection()).get_raw_connection()
    return cast("asyncpg.Connection[asyncpg.Record]", raw.driver_connection)


def domain_error(failure: Exception) -> CrmError | None:
    """What a database error means to a caller; None for what is our own fault."""
    cause = _driver_error(failure)
    if isinstance(cause, asyncpg.DeadlockDetectedError | asyncpg.SerializationError | asyncpg.LockNotAvailableError):
        return Unavailable("try_again")
    if isinstance(cause, asyncpg.QueryCanceledError) or isinstance(failure, TimeoutError):
        return TimedOut()
    if isinstance(cause, _LOST) or _is_lost(failure):
        return Unavailable()
    if isinstance(cause, asyncpg.IntegrityConstraintViolationError):
        return _constraint_error(cause)
    return None


_LOST = (asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError, asyncpg.TooManyConnectionsError)


def _is_lost(failure: Exception) -> bool:
    """Whether the connection is gone, as the client noticed. asyncpg's DataError is a ValueError of our own making."""
    if isinstance(failure, DBAPIError):
        return failure.connection_invalidated
    return isinstance(failure, ConnectionError | asyncpg.InterfaceError) and not isinstance(failure, ValueError)


def _driver_error(failure: Exception) -> Any:
    """The driver's own exception, under whatever SQLAlchemy wrapped around it."""
    cause: Any = failure
    while isinstance(cause, BaseException) and not isinstance(cause, asyncpg.PostgresError):
        cause = cause.orig if isinstance(cause, DBAPIError) else cause.__cause__
    return cause


def _constraint_error(violation: Any) -> CrmError | None:
    name = violation.constraint_name or ""
    if name in CONSTRAINTS:
        error, template, path = CONSTRAINTS[name]
        return error(template, path=path)
    if isinstance(violation, asyncpg.NotNullViolationError):
        return Required(path=(violation.column_name or "",))
    if isinstance(violation, asyncpg.UniqueViolationError):
        return Duplicate()
    if isinstance(violation, asyncpg.ForeignKeyViolationError):
        return NotFound()
    if isinstance(violation, asyncpg.CheckViolationError):
        return Invalid()
    return None
