"""Ids: UUIDv7 (RFC 9562) whose byte at bits 64-71 tells the entity. The registry is frozen: codes are never reused."""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from enum import IntEnum
from uuid import UUID


class EntityCode(IntEnum):
    """The 6-bit code of each entity, stored under the UUID's two variant bits."""

    CUSTOMER = 1
    INTERACTION = 2
    LEAD = 3
    OPPORTUNITY = 4
    TICKET = 5
    CONTRACT = 6
    USER = 7
    TEAM = 8
    PIPELINE = 9
    STAGE = 10
    TRANSITION = 11
    ROLE = 12
    GRANT = 13
    CLIENT = 14
    EVENT = 15
    CONTACT_POINT = 16
    ADDRESS = 17
    CONTRACT_LINE = 18
    EXTERNAL_REF = 19
    STAGE_CHANGE = 20
    COLLABORATION = 21
    EXPORT = 22
    ISSUER = 23
    RIGHTS_PROPOSAL = 24
    TASK = 26
    FILE = 28
    JOB = 30
    TIMER = 31


def code_of(value: UUID) -> int:
    """The entity code inside an id; any UUID has one, so check it against the registry."""
    return value.bytes[8] & 0x3F


def first_id_at(moment: datetime) -> UUID:
    """The smallest UUIDv7 of a moment (millisecond precision): a bound for ranges over ids."""
    milliseconds = int(moment.timestamp() * 1000)
    return UUID(int=(milliseconds << 80) | (0x7 << 76) | (0x80 << 56))


class IdSource:
    """Makes ids that grow within one process (RFC 9562, section 6.2, method 1: a 12-bit counter in rand_a)."""

    def __init__(
        self,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        random_bits: Callable[[int], int] = secrets.randbits,
    ) -> None:
        self._clock = clock
        self._random_bits = random_bits
        self._last = 0

    def new(self, code: EntityCode) -> UUID:
        """A new id of that entity, larger than every id made here before."""
        bits = self._random_bits(64)
        now = (int(self._clock().timestamp() * 1000) << 12) | bits >> 56
        self._last = max(now, self._last + 1)
        milliseconds, counter = self._last >> 12, self._last & 0xFFF
        tail = ((0x80 | code) << 56) | bits & ((1 << 56) - 1)
        return UUID(int=(milliseconds << 80) | (0x7 << 76) | (counter << 64) | tail)
