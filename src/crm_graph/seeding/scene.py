"""The company at work: who sells and serves, what happened so far, and the moments and choices drawn from the seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any, TypeVar
from uuid import UUID

from crm_graph.models.workflows import WorkflowType
from crm_graph.seeding.foundation import People
from crm_graph.seeding.ledger import Ledger, Record, at_hour
from crm_graph.seeding.stages import Flow, Stage

ChoiceT = TypeVar("ChoiceT")


@dataclass
class Scene:
    """`today` is the midnight in UTC that the stories are told from; nothing happens after it."""

    ledger: Ledger
    people: People
    flows: Mapping[WorkflowType, Flow]
    today: datetime
    random: Random
    customers: list[Record] = field(default_factory=list)
    leads: list[Record] = field(default_factory=list)
    opportunities: list[Record] = field(default_factory=list)
    tickets: list[Record] = field(default_factory=list)
    contracts: list[Record] = field(default_factory=list)
    interactions: list[Record] = field(default_factory=list)
    stories: dict[str, str] = field(default_factory=dict)

    def ago(self, days: float, hour: float | None = None) -> datetime:
        """A moment of a working day so many days back; `hour` is local, else one between 9 and 18."""
        day = self.today - timedelta(days=max(1, int(days)))
        drawn = 9 + self.random.random() * 9 if hour is None else hour
        return at_hour(day, drawn).replace(microsecond=self.random.randrange(1000) * 1000)

    def between(self, start: datetime, end: datetime) -> datetime:
        """Some moment from `start` to `end`."""
        return start + (end - start) * self.random.random()

    @property
    def last_moment(self) -> datetime:
        """Yesterday at the end of business."""
        return at_hour(self.today - timedelta(days=1), 21)

    def pick(self, choices: Sequence[ChoiceT]) -> ChoiceT:
        """One of these, by the seed."""
        return self.random.choice(choices)

    def user(self, username: str) -> UUID:
        """A user's id."""
        return self.people.users[username]

    def owner(self, username: str) -> dict[str, Any]:
        """The columns of a row that this person owns."""
        return {"owner_id": self.user(username), "team_id": self.people.team_of[username]}

    def walk(
        self,
        record: Record,
        workflow: WorkflowType,
        target: Stage,
        end: datetime,
        *,
        actor: UUID,
        values: Mapping[str, Any] | None = None,
        reason: str | None = None,
        note: str | None = None,
    ) -> None:
        """Move a new record along the allowed way to `target`, arriving at `end`; the last move sets `values`."""
        path = self.flows[workflow].path(target, record["stage_id"])
        start = record["stage_entered_at"]
        for n, stage in enumerate(path, 1):
            last = n == len(path)
            self.ledger.move(
                record,
                stage,
                start + (end - start) * n / len(path),
                actor=actor,
                reason=reason if last else None,
                note=note,
                values={**_of_stage(record, stage), **((values or {}) if last else {})},
            )


def _of_stage(record: Record, stage: Stage) -> Mapping[str, Any]:
    """What a stage sets by itself."""
    return {} if stage.probability is None or "probability" not in record.row else {"probability": stage.probability}
