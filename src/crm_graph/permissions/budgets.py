"""Budgets by cost: a token bucket for each client, or for each person without one, shared by all processes.

A bucket is one row. A process leases a block of it with one statement for all who need one, before the last one is used
up, so that requests do not wait and no request has a statement of its own. What nobody used for a while is given back.
A process that dies loses the blocks that it held. While the database cannot be reached, what is leased is spent, and
then nobody is served.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from math import ceil
from typing import Protocol
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from crm_graph.bounded import Bounded
from crm_graph.db import DATABASE_FAILURES
from crm_graph.errors import CostExceeded, RateLimited, Unavailable

log = structlog.get_logger(__name__)

PERIOD_S = 60
"""A bucket holds what flows into it in this time."""
BLOCKS = 20
"""A bucket is leased in so many blocks, each of three seconds' flow."""
LOW = 4
"""The next block is asked for when a fourth of one is left."""
GIVE_BACK_EVERY_S = 10.0
ATTEMPTS = 4
"""How often a request asks for a block that others took meanwhile."""
KEPT_ACCOUNTS = 10_000
LEASE_FAILURES = (*DATABASE_FAILURES, SQLAlchemyError)


class Payer(Protocol):
    """Whose budget it is: the client's, or the person's without one; `cost_per_minute` where it is of its own size."""

    @property
    def user_id(self) -> UUID: ...
    @property
    def client_id(self) -> UUID | None: ...
    @property
    def cost_per_minute(self) -> int | None: ...


@dataclass(slots=True, eq=False)
class Account:
    """What this process holds of one budget. `left` is what may be spent; `level` stood in the row at `level_at` (in
    seconds since 1970), after the last lease; `beyond` is the whole units of it. `returning` goes back with the next
    lease, or is taken by it where it is less than nothing.
    """

    subject: UUID
    per_minute: int
    left: int = 0
    low: int = 0
    level: float = 0.0
    level_at: float = 0.0
    beyond: int = 0
    returning: int = 0
    spent: bool = True
    waiting: list[tuple[int, "asyncio.Future[None]"]] = field(default_factory=list)

    @property
    def block(self) -> int:
        return max(1, self.per_minute // BLOCKS)

    def expected(self, now: float) -> float:
        """What there is to lease now, as far as this process knows: others may have leased some since."""
        flow = max(0.0, now - self.level_at) * self.per_minute / PERIOD_S
        return min(float(self.per_minute), self.level + flow)

    def owe(self, cost: int) -> None:
        """Have the next lease take this out of the row, in the place of giving back."""
        self.returning -= cost
        self.level = max(self.level - cost, -float(self.per_minute))
        self.beyond = max(0, self.beyond - cost)

    def terms(self, per_minute: int) -> None:
        """Take on a budget; what was leased of another size goes back."""
        self.per_minute, self.low = per_minute, max(1, per_minute // BLOCKS // LOW)
        self.returning, self.left = self.returning + self.left, 0
        self.level, self.level_at, self.beyond = float(per_minute), 0.0, per_minute


# `held` locks the rows in one order and gives each as it stands once it is locked, so that no two processes are ever
# granted the same units. A row that another process made since this statement began is in neither part; its account
# asks again.
_LEASE = text(
    """
    WITH asked AS (
        SELECT *, GREATEST(0, LEAST(capacity, capacity + returned)) AS fresh FROM unnest(
            CAST(:subjects AS uuid[]), CAST(:capacities AS bigint[]), CAST(:needed AS bigint[]),
            CAST(:wanted AS bigint[]), CAST(:returned AS bigint[])
        ) AS a (subject_id, capacity, needed, wanted, returned)
    ), made AS (
        INSERT INTO cost_budgets (subject_id, level, refilled_at)
        SELECT subject_id, GREATEST(-capacity, LEAST(capacity, capacity + returned)) - LEAST(wanted, fresh),
            CAST(:now AS timestamptz)
        FROM asked ORDER BY subject_id
        ON CONFLICT (subject_id) DO NOTHING
        RETURNING subject_id, level
    ), held AS (
        SELECT b.subject_id, a.needed, a.wanted, GREATEST(b.refilled_at, CAST(:now AS timestamptz)) AS refilled_at,
            GREATEST(-a.capacity, LEAST(a.capacity, a.returned + LEAST(
                a.capacity,
                b.level
                    + a.capacity / CAST(:period AS float8)
                    * GREATEST(0, CAST(extract(epoch FROM CAST(:now AS timestamptz) - b.refilled_at) AS float8))
            ))) AS level
        FROM cost_budgets b JOIN asked a ON a.subject_id = b.subject_id
        ORDER BY b.subject_id FOR UPDATE OF b
    ), taken AS (
        UPDATE cost_budgets b SET level = g.level - g.granted, refilled_at = g.refilled_at
        FROM (
            SELECT *, CASE WHEN level >= needed THEN LEAST(wanted, floor(level)) ELSE 0 END AS granted FROM held
        ) AS g
        WHERE b.subject_id = g.subject_id
        RETURNING b.subject_id, g.granted, b.level
    )
    SELECT m.subject_id, LEAST(a.wanted, a.fresh) AS granted, m.level
    FROM made m JOIN asked a ON a.subject_id = m.subject_id
    UNION ALL SELECT subject_id, granted, level FROM taken
    """
)


class Budgets:
    """The budgets of those who ask one process. `start` begins to lease, `stop` gives back what is left."""

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        clock: Callable[[], datetime],
        default_per_minute: int,
        give_back_every_s: float = GIVE_BACK_EVERY_S,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._default = default_per_minute
        self._give_back_every_s = give_back_every_s
        # By number: a UUID is hashed and compared in Python, which each request would pay for.
        self._accounts: Bounded[int, Account] = Bounded(KEPT_ACCOUNTS)
        self._asking: set[Account] = set()
        self._wake = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None

    def per_minute(self, principal: Payer) -> int:
        """The size of a budget, and what flows into it in a minute; 0 for one without an end."""
        own = principal.cost_per_minute
        return self._default if own is None else own

    def spend(self, principal: Payer, cost: int) -> int | None:
        """Take a cost out of what is leased, and give about what is left; None where that does not do, which `charge`
        sees to.
        """
        account = self._accounts.get((principal.client_id or principal.user_id).int)
        # `per_minute`, written out: every request passes here.
        own = principal.cost_per_minute
        if account is None or account.left < cost or account.per_minute != (self._default if own is None else own):
            return None
        return self._spent(account, cost)

    def _spent(self, account: Account, cost: int) -> int:
        account.left -= cost
        account.spent = True
        if account.left < account.low:
            self._ask(account)
        remaining = account.left + account.beyond
        return min(account.per_minute, remaining)

    async def charge(self, principal: Payer, cost: int) -> int | None:
        """Take the cost of something out of the budget of who asks for it, before it is done.

        Gives about what is left, None where there is no end. Raises RateLimited with the seconds to wait, CostExceeded
        for more than the whole budget, Unavailable where nothing is leased and the database cannot be asked.
        """
        left = self.spend(principal, cost)
        per_minute = self.per_minute(principal)
        if left is not None or not per_minute:
            return left
        return self._spent(await self._covered(principal.client_id or principal.user_id, per_minute, cost), cost)

    @asynccontextmanager
    async def deposit(self, principal: Payer, cost: int) -> AsyncIterator[None]:
        """Hold the cost of something that may be refused, at most a whole budget, and give it back unless it was.

        Raises what `charge` raises, before anything is done.
        """
        held = min(cost, self.per_minute(principal))
        await self.charge(principal, held)
        yield
        account = self._accounts.get((principal.client_id or principal.user_id).int)
        if account is not None:
            account.left += held

    def fine(self, principal: Payer, cost: int) -> None:
        """Take what a refusal costs out of what is leased, without waiting. What is lacking is taken out of the row,
        which may owe a whole budget: those who come next wait until it has flowed in.
        """
        per_minute = self.per_minute(principal)
        if not per_minute:
            return
        account = self._account(principal.client_id or principal.user_id, per_minute)
        paid = max(0, min(cost, account.left))
        account.left -= paid
        account.owe(cost - paid)
        account.spent = True
        if account.left < account.low:
            self._ask(account)

    def _account(self, subject: UUID, per_minute: int) -> Account:
        """What this process holds of a budget of this size, which may be nothing."""
        account = self._accounts.get(subject.int)
        if account is None:
            account = Account(subject, per_minute)
            self._accounts.put(subject.int, account)
            account.terms(per_minute)
        elif account.per_minute != per_minute:
            account.terms(per_minute)
        return account

    async def _covered(self, subject: UUID, per_minute: int, cost: int) -> Account:
        """The account, once it holds the cost."""
        if cost > per_minute:
            raise CostExceeded("cost_limit", requested=cost, limit=per_minute)
        account = self._account(subject, per_minute)
        for _ in range(ATTEMPTS):
            if account.left >= cost:
                return account
            lacking = cost - account.left - account.expected(self._clock().timestamp())
            if lacking > 0:
                wait = max(1, ceil(lacking * PERIOD_S / per_minute))
                raise RateLimited(retry_after=wait, limit=per_minute)
            answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            account.waiting.append((cost - account.left, answered))
            self._ask(account)
            await answered
        if account.left >= cost:
            return account
        raise RateLimited(retry_after=1, limit=per_minute)

    def _ask(self, account: Account) -> None:
        if account not in self._asking:
            self._asking.add(account)
            self._wake.set()

    async def start(self) -> None:
        """Begin to lease."""
        self._worker = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """Give back what is left, and lease no more."""
        if self._worker is not None:
            self._worker.cancel()
            with suppress(asyncio.CancelledError):
                await self._worker
            self._worker = None
        for account in self._accounts.values():
            account.spent = False
        with suppress(Unavailable):
            await self._lease(self._idle())

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        give_back_at = loop.time() + self._give_back_every_s
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(give_back_at):
                    await self._wake.wait()
            self._wake.clear()
            asking, self._asking = self._asking, set()
            await self._answer(self._one_each(asking))
            if loop.time() >= give_back_at:
                give_back_at = loop.time() + self._give_back_every_s
                with suppress(Unavailable):
                    await self._lease(self._idle())

    def _one_each(self, asking: Iterable[Account]) -> list[Account]:
        """One account for each subject; where one was forgotten and made anew meanwhile, the other asks again."""
        found: dict[UUID, Account] = {}
        for account in asking:
            if found.setdefault(account.subject, account) is not account:
                self._ask(account)
        return list(found.values())

    def _idle(self) -> list[Account]:
        """Accounts that nobody used since the last look; what is left of them goes back."""
        idle = [account for account in self._accounts.values() if not account.spent and not account.waiting]
        for account in self._accounts.values():
            account.spent = False
        for account in idle:
            account.returning, account.left = account.returning + account.left, 0
            self._accounts.discard(account.subject.int)
        return [account for account in idle if account.returning]

    async def _answer(self, asking: list[Account]) -> None:
        """Lease for all who ask, and tell those who wait."""
        waiting = {account.subject: account.waiting for account in asking}
        needed = {subject: min((cost for cost, _ in some), default=1) for subject, some in waiting.items()}
        wanted = {account.subject: sum(cost for cost, _ in waiting[account.subject]) for account in asking}
        for account in asking:
            account.spent = account.spent or bool(account.waiting)
            account.waiting = []
        failure: Exception | None = None
        try:
            await self._lease(asking, needed, wanted)
        except Unavailable as unavailable:
            failure = unavailable
        for _, answered in (pair for some in waiting.values() for pair in some):
            if answered.done():
                continue
            if failure is not None:
                answered.set_exception(failure)
            else:
                answered.set_result(None)

    async def _lease(
        self,
        accounts: Iterable[Account],
        needed: Mapping[UUID, int] | None = None,
        wanted: Mapping[UUID, int] | None = None,
    ) -> None:
        """Give back what is to go back, and without `wanted` no more than that. What a statement gave back whose end is
        not known counts as given back: nothing may ever be spent twice.
        """
        asking = {account.subject: account for account in accounts}
        if not asking:
            return
        now = self._clock()
        returned = {}
        for account in asking.values():
            returned[account.subject], account.returning = account.returning, 0
        rows = await self._execute(
            {
                "subjects": list(asking),
                "capacities": [account.per_minute for account in asking.values()],
                "needed": [needed[subject] if needed else 1 for subject in asking],
                "wanted": [
                    max(wanted[account.subject], account.block - account.left) if wanted else 0
                    for account in asking.values()
                ],
                "returned": list(returned.values()),
                "now": now,
                "period": float(PERIOD_S),
            }
        )
        for subject, granted, level in rows:
            account = asking[subject]
            account.left += int(granted)
            account.level, account.beyond, account.level_at = level, max(0, int(level)), now.timestamp()

    async def _execute(self, values: Mapping[str, object]) -> list[tuple[UUID, int, float]]:
        try:
            async with self._engine.begin() as connection:
                return [(row[0], row[1], row[2]) for row in await connection.execute(_LEASE, values)]
        except LEASE_FAILURES as failure:
            log.warning("budgets_not_leased", cause=repr(failure))
            raise Unavailable from failure
