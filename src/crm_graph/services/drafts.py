"""Commands read into drafts: typed values, children and parents, and on updates the present row beside them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from crm_graph.catalog import EntityType, Relation
from crm_graph.errors import CrmError, Invalid, LimitReached, Required
from crm_graph.models.ids import EntityCode
from crm_graph.services.commands import Create, ParentKey, Update, Values
from crm_graph.services.rights import Flags, Rights, paths_of, rights_on
from crm_graph.services.rows import Row
from crm_graph.services.stages import Move
from crm_graph.services.values import read_values
from crm_graph.transaction import Transaction

MAX_CHILDREN = 500


@dataclass(slots=True)
class ChildChange:
    """What happens to one relation of a root: rows to insert, change and delete, and the list before and after."""

    inserted: list[Row]
    updated: list[Row]
    deleted: list[UUID]
    before: list[Row]
    after: list[Row]


@dataclass(slots=True)
class Draft:
    """One record on its way to being written.

    `values` is what the caller wrote, typed, by column; `row` holds that and what services add to it, and overlays
    `present`, the row as it stands; `children` are wanted lists, `present_children` those that stand. `verb` names the
    event where it is neither `created` nor `updated`, `move` is the step along a workflow and `stay_id` the stay in a
    stage that begins with it, `unread` the columns that a verb sets and the asker does not read.
    """

    index: int
    id: UUID
    given: Values
    values: Row
    children: dict[str, list[Row]]
    parents: Mapping[str, ParentKey]
    errors: list[CrmError]
    named: list[str]
    row: Row = field(default_factory=dict)
    present: Row | None = None
    flags: Flags = ()
    expected_version: int | None = None
    pipeline: str | None = None
    present_children: dict[str, list[Row]] = field(default_factory=dict)
    child_changes: dict[str, ChildChange] = field(default_factory=dict)
    parent_customers: list[tuple[str, UUID]] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    verb: str | None = None
    reason: str | None = None
    move: Move | None = None
    stay_id: UUID | None = None
    unread: frozenset[str] = frozenset()

    @property
    def creating(self) -> bool:
        return self.present is None

    def value(self, column: str) -> Any:
        """The column as it will be."""
        if column in self.row:
            return self.row[column]
        return None if self.present is None else self.present.get(column)

    def refuse(self, error: CrmError) -> None:
        self.errors.append(error)

    def wanted_children(self, relation: str) -> list[Row]:
        """The list of a relation as it will be: as the caller gave it, or as it stands."""
        if relation in self.children:
            return self.children[relation]
        return self.present_children.get(relation, [])


async def _nothing(_tx: Transaction, _drafts: Sequence[Draft]) -> None:
    """A noun without a rule of its own here."""


def _no_effect(_tx: Transaction, _draft: Draft, _move: Move) -> None:
    """A noun whose columns say nothing of its stage."""


def _no_children(_draft: Draft) -> frozenset[str]:
    return frozenset()


@dataclass(frozen=True)
class Noun:
    """What one entity adds to the verbs that all share.

    - `fills`: what new records get where the input brings none;
    - `children`: the relations that inputs may carry, each with the key by which a given child is one that stands;
    - `also_reads`: the relations whose present children `prepare` must know on an update;
    - `prepare`: its rules, applied before anything is written;
    - `written`: what follows from the write;
    - `rate_on`: the column with the day whose exchange rates its amounts are converted at, today's where it is empty;
    - `enter`: sets the columns that follow from a stage.
    """

    entity: str
    fills: frozenset[str] = frozenset()
    children: Mapping[str, Callable[[Row, int], Any]] = field(default_factory=dict)
    prepare: Callable[[Transaction, Sequence[Draft]], Awaitable[None]] = _nothing
    written: Callable[[Transaction, Sequence[Draft]], Awaitable[None]] = _nothing
    also_reads: Callable[[Draft], frozenset[str]] = _no_children
    rate_on: str | None = None
    enter: Callable[[Transaction, Draft, Move], None] = _no_effect

    def type(self, tx: Transaction) -> EntityType:
        return tx.catalog[self.entity]

    def action(self, tx: Transaction, verb: str) -> str:
        """The action that a verb of this noun needs, such as `customers:create`."""
        return f"{self.type(tx).plural}:{verb}"


@dataclass(frozen=True, slots=True)
class Desk:
    """What reading a batch needs, looked up once: the transaction, the noun and the asker's rights on it."""

    tx: Transaction
    noun: Noun
    entity: EntityType
    rights: Rights

    def read_create(self, index: int, command: Create, id_: UUID | None = None) -> Draft:
        """A draft of a new record; what is wrong with the input is in its errors."""
        new_id = id_ or self.tx.new_id(EntityCode(self.entity.code))
        draft = self._read(index, new_id, command.values, command.children, command.parents, creating=True)
        draft.pipeline = command.pipeline
        return draft

    def read_update(self, index: int, command: Update) -> Draft:
        """A draft of a patch; its row is found by `lock`."""
        draft = self._read(index, command.id, command.values, command.children, command.parents, creating=False)
        draft.expected_version = command.expected_version
        return draft

    def _read(
        self,
        index: int,
        id_: UUID,
        values: Values,
        children: Mapping[str, Sequence[Values]],
        parents: Mapping[str, ParentKey],
        *,
        creating: bool,
    ) -> Draft:
        typed, faults = read_values(self.entity, values, creating=creating, zone=self.tx.zone)
        errors: list[CrmError] = [fault for fault in faults if not self._fills(fault)]
        lists = {}
        for key, items in children.items():
            relation = self._child_relation(key)
            if relation is None:
                errors.append(Invalid("unknown_field", path=(key,)))
            else:
                lists[relation.name] = self._read_children(relation, items, errors)
        by_api_name = {relation.api_name: relation.name for relation in self.tx.catalog.parents(self.entity)}
        parents = {by_api_name.get(key, key): parent for key, parent in parents.items()}
        named = [*paths_of(typed, lists), *parents]
        if not errors:
            errors.extend(self.rights.refuse_unwritable(self.rights.all_flags, named))
        return Draft(index, id_, values, typed, lists, parents, errors, named, dict(typed))

    def _fills(self, fault: CrmError) -> bool:
        """Whether what is missing is what the noun gives a new record itself."""
        return isinstance(fault, Required) and fault.path in {
            (self.entity.fields[f].api_name,) for f in self.noun.fills
        }

    def _child_relation(self, key: str) -> Relation | None:
        for name in self.noun.children:
            relation = self.entity.relations[name]
            if key in (name, relation.api_name):
                return relation
        return None

    def _read_children(self, relation: Relation, items: Sequence[Values], errors: list[CrmError]) -> list[Row]:
        if len(items) > MAX_CHILDREN:
            errors.append(LimitReached(path=(relation.api_name,), max=MAX_CHILDREN))
            return []
        child = self.tx.catalog[relation.target]
        rows = []
        for number, item in enumerate(items):
            typed, faults = read_values(child, item, creating=True, zone=self.tx.zone)
            errors.extend(fault.at(relation.api_name, number) for fault in faults)
            rows.append(typed)
        return rows


def desk_for(tx: Transaction, noun: Noun) -> Desk:
    """The desk of one batch."""
    entity = noun.type(tx)
    return Desk(tx, noun, entity, rights_on(tx, entity))
