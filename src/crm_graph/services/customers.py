"""Customers: the shared verbs, and contact points with phone and e-mail as mirrors of the primary ones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from crm_graph.errors import UserFault
from crm_graph.models.customers import ContactPointKind
from crm_graph.services import numbers, records
from crm_graph.services.commands import Archive, Create, Mode, Outcome, Restore, Update
from crm_graph.services.contact_points import ContactPointValue, normalise, normalise_email, normalise_phone
from crm_graph.services.drafts import Draft, Noun
from crm_graph.services.rows import Row
from crm_graph.transaction import Transaction

CONTACT_POINTS = "contact_points"
PHONES = frozenset(
    {
        ContactPointKind.MOBILE,
        ContactPointKind.LANDLINE,
        ContactPointKind.SERVICE_NUMBER,
        ContactPointKind.PRIVACY_NUMBER,
    }
)


@dataclass(frozen=True, slots=True)
class Mirror:
    """A column that shows the primary contact point of some kinds, and writes it too."""

    column: str
    kinds: frozenset[ContactPointKind]
    read: Callable[[str], ContactPointValue]


MIRRORS = (
    Mirror("phone", PHONES, normalise_phone),
    Mirror("email", frozenset({ContactPointKind.EMAIL}), normalise_email),
)


def _contact_point_key(row: Row, _number: int) -> Any:
    """Two contact points are one when kind and normalised value are equal, however they were written."""
    return row["kind"], row["e164"] or row["raw"], row["extension"]


def _address_key(row: Row, number: int) -> Any:
    """Addresses have no value to be known by; the n-th of a list is the n-th that stands."""
    return number


async def _prepare(tx: Transaction, drafts: Sequence[Draft]) -> None:
    for draft in drafts:
        replaces = CONTACT_POINTS in draft.children
        if replaces:
            draft.children[CONTACT_POINTS] = _normalised(draft)
        if draft.errors or not (replaces or _writes_mirror(draft)):
            continue
        points = [dict(row) for row in draft.wanted_children(CONTACT_POINTS)]
        for mirror in MIRRORS:
            if mirror.column in draft.values:
                _write_through(draft, mirror, points, replaces=replaces)
            _mirror(draft, mirror, points)
        draft.children[CONTACT_POINTS] = points
    await numbers.fill(tx, drafts, "customer_numbers", "K")


def _normalised(draft: Draft) -> list[Row]:
    """The given contact points with their normalised values, each once."""
    points: dict[Any, Row] = {}
    for number, given in enumerate(draft.children[CONTACT_POINTS]):
        try:
            value = normalise(given["kind"], given["raw"])
        except UserFault as fault:
            draft.refuse(fault.at("contactPoints", number))
            continue
        row = {**given, **_columns(value)}
        points.setdefault(_contact_point_key(row, number), row)
    return list(points.values())


def _columns(value: ContactPointValue) -> Row:
    return {"kind": value.kind, "raw": value.raw, "e164": value.e164, "extension": value.extension}


def _writes_mirror(draft: Draft) -> bool:
    return any(mirror.column in draft.values for mirror in MIRRORS)


def _write_through(draft: Draft, mirror: Mirror, points: list[Row], *, replaces: bool) -> None:
    """A written phone or e-mail is the primary contact point of its kinds: found among them, put in the place of the
    one that was primary, or added; null takes that one out. Where the list itself is given, nothing is taken out of it.
    """
    primary = None if replaces else _primary(points, mirror.kinds)
    written = draft.values[mirror.column]
    if written is None:
        if primary is not None:
            points.remove(primary)
        return
    given = draft.given.get(mirror.column)
    wanted = _columns(mirror.read(given if isinstance(given, str) else written))
    same = next((p for p in points if _contact_point_key(p, 0) == _contact_point_key(wanted, 0)), None)
    if same is None:
        same = wanted
        position = points.index(primary) if primary is not None else len(points)
        points[position : position + (primary is not None)] = [wanted]
    for point in points:
        if point["kind"] in mirror.kinds:
            point["is_primary"] = point is same


def _mirror(draft: Draft, mirror: Mirror, points: list[Row]) -> None:
    primary = _primary(points, mirror.kinds)
    if primary is None:
        draft.row[mirror.column] = None
        return
    for point in points:
        if point["kind"] in mirror.kinds:
            point["is_primary"] = point is primary
    draft.row[mirror.column] = mirror.read(primary["raw"]).text


def _primary(points: Sequence[Row], kinds: frozenset[ContactPointKind]) -> Row | None:
    """The one marked primary, or the first of these kinds."""
    of_kind = [point for point in points if point["kind"] in kinds]
    return next((point for point in of_kind if point.get("is_primary")), of_kind[0] if of_kind else None)


def _also_reads(draft: Draft) -> frozenset[str]:
    return frozenset({CONTACT_POINTS}) if _writes_mirror(draft) else frozenset()


NOUN = Noun(
    "customer",
    children={CONTACT_POINTS: _contact_point_key, "addresses": _address_key},
    prepare=_prepare,
    also_reads=_also_reads,
)


async def create(tx: Transaction, commands: Sequence[Create], mode: Mode = Mode.ATOMIC) -> list[Outcome]:
    """Make customers; see `records.create`."""
    return await records.create(tx, NOUN, commands, mode)


async def update(tx: Transaction, commands: Sequence[Update], mode: Mode = Mode.ATOMIC) -> list[Outcome]:
    """Patch customers; see `records.update`."""
    return await records.update(tx, NOUN, commands, mode)


async def archive(tx: Transaction, commands: Sequence[Archive], mode: Mode = Mode.ATOMIC) -> list[Outcome]:
    """Archive customers; see `records.archive`."""
    return await records.archive(tx, NOUN, commands, mode)


async def restore(tx: Transaction, commands: Sequence[Restore], mode: Mode = Mode.ATOMIC) -> list[Outcome]:
    """Restore customers; see `records.restore`."""
    return await records.restore(tx, NOUN, commands, mode)
