"""What services are asked and what they answer. ATOMIC or PARTIAL is decided here and nowhere else."""

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, TypeVar
from uuid import UUID

from crm_graph.errors import CrmError, RuleViolated, UserFault

Values = Mapping[str, Any]


class Mode(StrEnum):
    """Whether one bad item refuses the whole batch, or only itself."""

    ATOMIC = "ATOMIC"
    PARTIAL = "PARTIAL"


class Result(StrEnum):
    """What became of one item. PENDING waits for its parent; AMBIGUOUS has several candidates."""

    CREATED = "CREATED"
    UPDATED = "UPDATED"
    UNCHANGED = "UNCHANGED"
    PENDING = "PENDING"
    AMBIGUOUS = "AMBIGUOUS"
    REJECTED = "REJECTED"


@dataclass(frozen=True, slots=True)
class ExternalKey:
    """A record by the name another system has for it."""

    source: str
    external_id: str


ParentKey = UUID | ExternalKey | None


@dataclass(frozen=True, slots=True)
class Create:
    """A new record: values by API name, parents by relation, children by relation. `pipeline` is a pipeline's key;
    without one a workflow entity starts in the default pipeline of its type.
    """

    values: Values
    parents: Mapping[str, ParentKey] = field(default_factory=dict)
    children: Mapping[str, Sequence[Values]] = field(default_factory=dict)
    pipeline: str | None = None


@dataclass(frozen=True, slots=True)
class Update:
    """A patch: what is left out stays, None clears. A list of children replaces the present ones; equal ones stay.
    With `expected_version`, a field written here that has changed since then is a CONFLICT.
    """

    id: UUID
    values: Values = field(default_factory=dict)
    expected_version: int | None = None
    parents: Mapping[str, ParentKey] = field(default_factory=dict)
    children: Mapping[str, Sequence[Values]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Archive:
    """Take a record out of the lists; it keeps its id."""

    id: UUID
    expected_version: int | None = None


@dataclass(frozen=True, slots=True)
class Restore:
    """Bring an archived record back."""

    id: UUID
    expected_version: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the item at `index`. `errors` carry paths within the item."""

    index: int
    result: Result
    id: UUID | None = None
    errors: tuple[CrmError, ...] = ()


class Refused(UserFault):
    """A batch that was refused as a whole. `outcomes` are one per item; `errors` are those of all items, with
    paths that lead through the named argument and the index; without a name through `items`, unless there was one item
    alone.
    """

    code = "RULE_VIOLATED"
    template = "batch_refused"

    def __init__(self, items: Sequence["Item"], argument: str | None = None) -> None:
        self.outcomes = tuple(rejected(item.index, item.errors) for item in items)
        single = argument is None and len(items) == 1
        self.errors = tuple(
            error if single else copy(error).at(argument or "items", item.index)
            for item in items
            for error in item.errors
        )
        super().__init__(count=sum(bool(item.errors) for item in items))


class Problems(Refused):
    """What is wrong with the input of one verb, all of it, each with the path from its arguments."""

    def __init__(self, errors: Sequence[CrmError]) -> None:
        super().__init__(())
        self.errors = tuple(errors)


class Item(Protocol):
    """A command on its way through a service."""

    index: int
    errors: list[CrmError]


ItemT = TypeVar("ItemT", bound=Item)


def keep_good(items: Sequence[ItemT], mode: Mode) -> list[ItemT]:
    """The items without errors. Under ATOMIC a single error refuses all: raises Refused."""
    good = [item for item in items if not item.errors]
    if mode is Mode.PARTIAL or len(good) == len(items):
        return good
    raise Refused(items)


def rejected(index: int, errors: Iterable[CrmError]) -> Outcome:
    """The outcome of a refused item; one that was fine itself is told that it fell with its batch."""
    return Outcome(index, Result.REJECTED, None, tuple(errors) or (RuleViolated("batch_refused"),))
