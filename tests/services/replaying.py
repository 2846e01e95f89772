"""Random verbs on records of all types, and what their events say that the records are now."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import DateTime, Numeric

from crm_graph.catalog import EntityType, Field, Kind, writable
from crm_graph.models import Base
from crm_graph.permissions.principals import Principal
from crm_graph.services import leads, records, upsert
from crm_graph.services.assignment import Assign
from crm_graph.services.commands import Archive, Create, Mode, Outcome, Restore, Result, Update
from crm_graph.services.nouns import NOUNS
from crm_graph.services.workflows import Transition, transition
from crm_graph.transaction import Transaction, to_json

from .conftest import World

FOLLOWS = frozenset({"id", "version", "created_at", "updated_at", "custom", "last_interaction_at"})
"""Columns that events say of themselves, that no service writes, or that follow from other records."""
OF_ITEMS = frozenset({"entity_type", "entity_id", "customer_id", "contract_id", "synced_at"})
"""Columns of what belongs to a record that name it, or tell when a system was last heard of."""
TRIES = 20
VERBS = ("create", "upsert", "update", "move", "assign", "update", "upsert", "archive", "restore", "delete")
VALUES: Mapping[Kind, Sequence[Any]] = {
    Kind.TEXT: ("a", "上海", "江宁路 1 号", None),
    Kind.INT: (1, 5, None),
    Kind.BOOLEAN: (True, False),
    Kind.DATE: ("2026-11-22", "1990-05-01", None),
    Kind.DATE_TIME: ("2026-11-22T04:00:00Z", "2026-11-20T09:30:00+08:00", None),
    Kind.DECIMAL: ("0.5", "1", None),
    Kind.MONEY: ("10", "99.90", None),
}
SURE: Mapping[str, Mapping[str, Any]] = {
    "task": {"title": "回电话"},
    "customer": {"kind": "ORGANIZATION", "name": "海川电器"},
    "interaction": {"channel": "CALL", "occurredAt": "2026-11-20T04:00:00Z"},
    "lead": {"name": "周杰"},
    "opportunity": {"name": "厨房电器"},
    "ticket": {"subject": "漏水"},
    "contract": {"title": "维保"},
}


class Doings:
    """Does one thing after another, each in a transaction of its own."""

    def __init__(self, world: World, random: Random, who: Principal) -> None:
        self._world, self._random, self._who = world, random, who
        self.ids: dict[str, list[UUID]] = {name: [] for name in NOUNS}
        self.verbs: set[tuple[str, str]] = set()

    async def run(self, steps: int) -> None:
        """Everything there is to do, and so many things of any kind."""
        for verb in dict.fromkeys(VERBS):
            for entity in NOUNS:
                tries = TRIES if verb in verbs_of(entity) else 0
                while (entity, verb) not in self.verbs and tries:
                    if verb == "move":
                        # Those that are there may stand where no way leads on.
                        await self._do(entity, "create")
                    await self._do(entity, verb)
                    tries -= 1
        for _ in range(steps):
            entity = self._random.choice(list(NOUNS))
            await self._do(entity, self._random.choice(VERBS))

    async def _do(self, entity: str, verb: str) -> None:
        self._world.clock.advance(seconds=1)
        async with self._world.begin_as(self._who) as tx:
            outcomes = await self._verb(tx, entity, verb)
        done = [o for o in outcomes if o.result in (Result.CREATED, Result.UPDATED) and o.id]
        if done:
            self.verbs.add((entity, verb))
        new = [o.id for o in done if o.result is Result.CREATED and o.id]
        self.ids[entity] += [id_ for id_ in new if id_ not in self.ids[entity]]

    async def _verb(self, tx: Transaction, entity: str, verb: str) -> list[Outcome]:
        noun, ids, some = NOUNS[entity], self._ids(entity), Mode.PARTIAL
        match verb:
            case "create":
                values = [{**SURE[entity], **self._values(entity, creating=True)}, SURE[entity]]
                made = [Create(v, self._parents(entity), self._children(entity)) for v in values]
                return await records.create(tx, noun, made, some)
            case "update":
                changes = [Update(i, self._values(entity), None, {}, self._children(entity)) for i in ids]
                return await records.update(tx, noun, changes, some)
            case "upsert" | "delete":
                items = [self._item(entity, n, deleted=verb == "delete") for n in self._random.sample(range(4), 2)]
                return await upsert.upsert(tx, entity, "erp", items)
            case "archive" | "restore":
                if verb == "archive":
                    return await records.archive(tx, noun, [Archive(i) for i in ids], some)
                return await records.restore(tx, noun, [Restore(i) for i in ids], some)
        return await self._way(tx, entity, verb, ids) if verb in verbs_of(entity) else []

    async def _way(self, tx: Transaction, entity: str, verb: str, ids: Sequence[UUID]) -> list[Outcome]:
        """Another owner, or another stage that there is a way to."""
        some = Mode.PARTIAL
        if verb == "assign":
            to = self._random.choice([person.user_id for person in self._world.people.values()])
            return await leads.assign(tx, [Assign(i, to, None, "区域") for i in ids], some)
        ways = await tx.driver().fetch(
            f"SELECT r.id, s.key FROM {NOUNS[entity].type(tx).table} r"
            " JOIN transitions t ON t.from_stage_id = r.stage_id"
            " JOIN stages s ON s.id = t.to_stage_id WHERE r.id = ANY($1::uuid[])",
            ids,
        )
        open_ = {way["id"]: way["key"] for way in self._random.sample(ways, len(ways))}
        moves = [Transition(i, key, note="已经谈过，客户同意", reason="price") for i, key in open_.items()]
        return await transition(tx, entity, moves, some)

    def _ids(self, entity: str) -> list[UUID]:
        known = self.ids[entity]
        return self._random.sample(known, min(len(known), 2))

    def _item(self, entity: str, number: int, *, deleted: bool) -> dict[str, Any]:
        if deleted:
            return {"externalId": f"K{number}", "deleted": True}
        parents = {key: {"id": str(id_)} for key, id_ in self._parents(entity).items()}
        return {
            **SURE[entity],
            **self._values(entity),
            **self._children(entity),
            **parents,
            "externalId": f"K{number}",
        }

    def _parents(self, entity: str) -> dict[str, UUID]:
        needs = entity in ("interaction", "opportunity", "ticket", "contract") or self._random.random() < 0.3
        return {"customer": self._random.choice(self.ids["customer"])} if needs and entity != "customer" else {}

    def _values(self, entity: str, *, creating: bool = False) -> dict[str, Any]:
        fields = writable(self._world.catalog[entity], creating=creating)
        picked = self._random.sample(fields, self._random.randint(0, 4))
        return {f.api_name: self._value(f) for f in picked if f.name != "number"}

    def _value(self, member: Field) -> Any:
        if member.enum is not None:
            return self._random.choice([e.value for e in member.enum])
        return self._random.choice(VALUES[member.kind])

    def _children(self, entity: str) -> dict[str, list[dict[str, Any]]]:
        if self._random.random() < 0.5 or entity not in ("customer", "contract"):
            return {}
        if entity == "contract":
            lines = [{"name": "洗衣机", "quantity": "2", "unitPrice": p} for p in ("300", "200.5")]
            return {"lines": self._random.sample(lines, self._random.randint(0, 2))}
        points = [
            {"kind": "EMAIL", "raw": f"{n}@example.com", "label": self._random.choice(("工作", None))} for n in "abc"
        ]
        return {"contactPoints": self._random.sample(points, self._random.randint(0, 3))}


def verbs_of(entity: str) -> frozenset[str]:
    """What can be done to records of a type."""
    flow = {"move"} if entity in ("lead", "opportunity", "ticket", "contract") else set[str]()
    return frozenset(VERBS) - {"move", "assign"} | flow | ({"assign"} if entity == "lead" else set[str]())


def replayed(entity: EntityType, events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What a record is after its events: its columns, and under their relations what belongs to it."""
    state: dict[str, Any] = {}
    stays: list[dict[str, Any]] = []
    for event in events:
        for key in event["changed"]:
            # What was erased since says nothing; the event of that says what stands now.
            if key != "stage_history" and key in event["after"]:
                state[key] = event["after"][key]
        if "stage_id" in event["changed"]:
            at, who = event["after"]["stage_entered_at"], str(event["actor_id"])
            (told,) = event["after"].get("stage_history") or [
                {"stage_id": event["after"]["stage_id"], "entered_at": at, "actor_id": who}
            ]
            if stays:
                stays[-1]["left_at"] = at
            stays.append(dict(told))
    if entity.workflow:
        state["stage_history"] = stays
    state.update(
        version=events[-1]["entity_version"],
        created_at=to_plain(events[0]["occurred_at"]),
        updated_at=to_plain(events[-1]["occurred_at"]),
    )
    return state


async def present(world: World, entity: EntityType, id_: UUID, children: Sequence[str]) -> dict[str, Any]:
    """The record as it stands, in the form of events."""
    row = await world.row(f"SELECT * FROM {entity.table} WHERE id = $1", id_)
    state = {c: to_plain(value) for c, value in row.items() if not c.endswith("_base")}
    for name in children:
        relation = entity.relations[name]
        rows = await world.rows(
            f"SELECT * FROM {world.catalog[relation.target].table} WHERE {relation.remote} = $1 ORDER BY id", id_
        )
        state[name] = [{c: to_plain(v) for c, v in child.items()} for child in rows]
    return state


def comparable(table: str, state: Mapping[str, Any], children: Mapping[str, str]) -> dict[str, Any]:
    """A state as it is compared: values as their columns hold them, what is missing left out."""
    followed = FOLLOWS - {"version", "created_at", "updated_at"}
    told = {k: _typed(table, k, v) for k, v in state.items() if k not in children and k not in followed}
    lists = {name: _items(of, state.get(name) or (), ids=name != "stage_history") for name, of in children.items()}
    return {k: v for k, v in told.items() if v is not None} | lists


def _items(table: str, rows: Sequence[Mapping[str, Any]], *, ids: bool) -> list[dict[str, Any]]:
    left_out = OF_ITEMS if ids else OF_ITEMS | {"id"}
    found = [{k: _typed(table, k, v) for k, v in r.items() if v is not None and k not in left_out} for r in rows]
    return sorted(found, key=lambda r: str(r.get("id") or r["entered_at"]))


def _typed(table: str, column: str, value: Any) -> Any:
    if value is None:
        return None
    type_ = Base.metadata.tables[table].columns[column].type
    if isinstance(type_, Numeric):
        return Decimal(str(value))
    return datetime.fromisoformat(value) if isinstance(type_, DateTime) else value


def to_plain(value: Any) -> Any:
    """A value of a column as events hold it."""
    return orjson.loads(to_json(value))
