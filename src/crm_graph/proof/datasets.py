"""Small random data: few values, so that ties, NULLs, archived rows and shared owners are common."""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from random import Random
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, Column, Date, DateTime, Enum, Integer, Numeric, Uuid

from crm_graph.catalog import Catalog
from crm_graph.models import Base
from crm_graph.models.fields import Mask, info_of
from crm_graph.models.ids import EntityCode
from crm_graph.models.workflows import WorkflowType
from crm_graph.proof.custom import some_custom
from crm_graph.proof.histories import EVENTS, EventMaker
from crm_graph.proof.rows import NOON, Row, id_source

NAMES = ("王小明", "Ann Lee", "  John  Ronald Smith", "张", "", "é b")
PHONES = ("+8613800138001", "13900139002", "010-6234 5678", "4008001234", "12345", "(021) 555-1234", "+86 95588")
EMAILS = ("a@x.example", "Bob.Lee@x.example", "@x", "no address", "zhang@y.example")
TAILS = ("91110108MA01ABCD2X", "1234567", "12345678", "")
TEXTS = ("", "a", "A", "ab", "Ab", "b%_", "上海", "北京市", 'it\'s "x"\\', "\u00e9", "\u00c9İß", "😀")
TEXTS_BY_MASK: Mapping[Mask | None, tuple[str, ...]] = {
    Mask.NAME: NAMES,
    Mask.PHONE: PHONES,
    Mask.EMAIL: EMAILS,
    Mask.CONTACT: PHONES + EMAILS,
    Mask.TAIL: TAILS,
    None: TEXTS,
}
NUMBERS = ("0", "-1.5", "10", "10", "99.99", "1000000")
RATES = ("0", "0.13", "0.5", "1")
QUANTITIES = ("0.5", "1.250", "3")
PLAIN_TABLES = (
    "teams", "users", "pipelines", "stages", "customers", "leads", "opportunities", "contracts", "tickets", "tasks",
)  # fmt: skip
"""Tables in an order in which each may point at those before it."""
MOMENTS = tuple(NOON - timedelta(days=d, microseconds=m) for d, m in ((0, 0), (1, 1), (1, 120_000), (40, 0), (400, 5)))
DATES = (date(2026, 11, 22), date(2026, 1, 31), date(1990, 5, 1))
CHOICES: tuple[tuple[type, tuple[Any, ...]], ...] = (
    (Boolean, (True, False)),
    (Integer, (0, 1, 5, 5, 100)),
    (DateTime, MOMENTS),
    (Date, DATES),
    (Uuid, (None,)),
)
SOURCES = ("erp", "shop", "call_centre", "A", "a")
"""The systems that refs are of: those that built-in roles know, and others."""
SOURCE = "erp"
"""The one that whoever writes speaks for."""
Likely = Mapping[tuple[str, str], tuple[Any, ...]]
"""Values by table and column, as the API has them; a custom field's column is `custom.key`."""
LEAST = {"teams": 2, "users": 2, "customers": 2, "pipelines": len(WorkflowType), "stages": 2 * len(WorkflowType)}
"""How many rows there are at least: two stages in a pipeline of each type of records."""
SHARE = 0.25
"""How often a value that may be missing is."""
MOVES = 0.6
"""How often there is a way from one stage to another."""
_FLOWS = tuple(WorkflowType)
LIKELY = 0.5
"""How often a value is one of those that are likely."""


class Dataset:
    """Builds the rows of a company out of a random source; equal sources give equal rows. `likely` values are more
    common than others.
    """

    def __init__(self, random: Random, catalog: Catalog, size: int, likely: Likely = MappingProxyType({})) -> None:
        self._random = random
        self._likely = likely
        self._catalog = catalog
        self._size = size
        self._ids = id_source(random.randrange(2**32))
        self._more = 0
        self.tables: dict[str, list[Row]] = {}

    def build(self) -> dict[str, list[Row]]:
        """All rows by table."""
        for table in PLAIN_TABLES:
            self.tables[table] = []
            least = LEAST.get(table, 0)
            for n in range(max(least, self._random.randint(0, self._size))):
                self.tables[table].append(self._row(table, n))
        self._place_teams()
        self._name_users()
        self.tables["transitions"] = list(self._transitions())
        roots = self._roots()
        for table in ("interactions", "contact_points", "addresses", "contract_lines"):
            self.tables[table] = []
            parents = self.tables["contracts" if table == "contract_lines" else "customers"]
            for n in range(self._random.randint(0, self._size * 2) if parents else 0):
                self.tables[table].append(self._row(table, n))
        for task in self.tables["tasks"]:
            task["interaction_id"] = self._key(Base.metadata.tables["tasks"].columns["interaction_id"])
        self.tables["external_refs"] = [
            {**self._row("external_refs", n), "entity_id": id_, "entity_type": type_, "external_id": f"K{n % 5}-{n}"}
            for n, (type_, id_) in enumerate(self._some(roots))
        ]
        flows = [(type_, id_) for type_, id_ in roots if self._catalog[type_].workflow]
        self.tables["stage_changes"] = [
            {**self._row("stage_changes", n), "entity_id": id_} for n, (_, id_) in enumerate(self._some(flows))
        ]
        self.tables["files"] = [
            {**self._row("files", n), "entity_id": id_, "entity_type": type_}
            for n, (type_, id_) in enumerate(self._some(self._roots()))
        ]
        self._join(roots)
        self.tables[EVENTS] = self.events().some(lambda: self._ids.new(EntityCode.EVENT))
        return self.tables

    def events(self) -> EventMaker:
        """Makes events of the records that are there."""
        return EventMaker(self._random, self._catalog, self.tables, self.value, self._row)

    def _roots(self) -> list[tuple[str, UUID]]:
        owned = [e for e in self._catalog.roots if e.owned and e.table in self.tables]
        return [(e.name, row["id"]) for e in owned for row in self.tables[e.table]]

    def _some(self, items: list[tuple[str, UUID]]) -> list[tuple[str, UUID]]:
        return [self._random.choice(items) for _ in range(self._random.randint(0, self._size * 2))] if items else []

    def another(self, table: str) -> Row | None:
        """One more row of a table; None where nothing is there that it could belong to."""
        self._more += 1
        number = self._size * 2 + self._more
        roots = self._roots()
        if table == "collaborations":
            (_, entity), user = self._random.choice(roots), self._random.choice(self.tables["users"])["id"]
            there = any((c["entity_id"], c["user_id"]) == (entity, user) for c in self.tables[table])
            return None if there else {"entity_id": entity, "user_id": user, "created_at": NOON}
        if table == "contract_lines" and not self.tables["contracts"]:
            return None
        if table == EVENTS:
            type_, entity = self._random.choice(roots)
            return self.events().one(self._catalog[type_], entity, self._ids.new(EntityCode.EVENT), number)
        row = self._row(table, number)
        if table in ("external_refs", "files"):
            type_, entity = self._random.choice(roots)
            named = {"external_id": f"K{number % 5}-{number}"} if table == "external_refs" else {}
            return {**row, "entity_type": type_, "entity_id": entity, **named}
        if table == "stage_changes":
            flows = [id_ for type_, id_ in roots if self._catalog[type_].workflow]
            return {**row, "entity_id": self._random.choice(flows)} if flows else None
        return row

    def _join(self, roots: list[tuple[str, UUID]]) -> None:
        users, teams = self.tables["users"], self.tables["teams"]
        shared = {(id_, self._random.choice(users)["id"]) for _, id_ in self._some(roots)}
        self.tables["collaborations"] = [
            {"entity_id": entity, "user_id": user, "created_at": NOON} for entity, user in sorted(shared)
        ]
        self.tables["team_members"] = [
            {"user_id": user["id"], "team_id": team["id"], "is_primary": n == 0}
            for user in users
            for n, team in enumerate(self._random.sample(teams, self._random.randint(0, min(2, len(teams)))))
        ]

    def _place_teams(self) -> None:
        paths: dict[UUID | None, str] = {None: ""}
        for n, team in enumerate(self.tables["teams"]):
            team["key"] = f"k{n}"
            paths[team["id"]] = team["path"] = f"{paths[team['parent_id']]}k{n}/"
        for n, pipeline in enumerate(self.tables["pipelines"]):
            pipeline.update(key=f"p{n}", workflow_type=_FLOWS[n % len(_FLOWS)].value, is_default=n < len(_FLOWS))
        for n, stage in enumerate(self.tables["stages"]):
            stage["key"] = f"s{n}"

    def _name_users(self) -> None:
        """No two of them are called the same."""
        taken: set[str] = set()
        for n, user in enumerate(self.tables["users"]):
            while user["username"] in taken:
                user["username"] = f"{user['username']}{n}"
            taken.add(user["username"])

    def _transitions(self) -> Iterator[Row]:
        """Moves between stages of a pipeline, some of which ask for something."""
        stages = self.tables["stages"]
        pairs = [(a, b) for a in stages for b in stages if a is not b and a["pipeline_id"] == b["pipeline_id"]]
        for a, b in pairs:
            if self._random.random() < MOVES:
                asked = self._requirements(a["pipeline_id"])
                id_ = self._ids.new(EntityCode.TRANSITION)
                yield {"id": id_, "from_stage_id": a["id"], "to_stage_id": b["id"], "requirements": asked}

    def _requirements(self, pipeline: UUID) -> list[dict[str, Any]]:
        (type_,) = (p["workflow_type"] for p in self.tables["pipelines"] if p["id"] == pipeline)
        nullable = [f.name for f in self._catalog[type_.lower()].fields.values() if f.nullable]
        fields = self._random.sample(nullable, self._random.randint(0, 2))
        note = [{"kind": "NOTE", "minLength": 2}] if self._random.random() < 0.2 else []
        return [*({"kind": "FIELD", "field": name} for name in fields), *note]

    def _row(self, name: str, number: int) -> Row:
        table = Base.metadata.tables[name]
        row: Row = {c.name: self.value(c, number) for c in table.columns if c.name != "custom"}
        row["id"] = self._id(name, number)
        if "custom" in table.columns:
            row["custom"] = self.custom(name)
        return row

    def _id(self, table: str, number: int) -> UUID:
        """A new id, or one that is likely, of which each is taken once."""
        new = self._ids.new(EntityCode(self._code(table)))
        likely = self._likely.get((table, "id"), ())
        return UUID(likely[number]) if number < len(likely) else new

    def custom(self, table: str) -> dict[str, Any]:
        """Some custom values of a row of that table."""
        entity = next(e for e in self._catalog.types.values() if e.table == table)
        made = some_custom(self._random, entity.custom)
        for key, member in entity.custom.items():
            likely = self._likely.get((table, member.name))
            if likely and self._random.random() < LIKELY:
                made[key] = self._random.choice(likely)
        return made

    def _code(self, table: str) -> int:
        return next(e.code for e in self._catalog.types.values() if e.table == table)

    def value(self, column: "Column[Any]", number: int) -> Any:
        """Some value that the column takes; `number` is the row's place in its table."""
        if column.name == "position":
            return number
        if column.name in ("pipeline_id", "stage_id"):
            return self._on_the_way(column, number)
        if column.foreign_keys:
            return self._key(column)
        rare = 0.8 if column.name == "archived_at" else SHARE
        if column.nullable and self._random.random() < rare:
            return None
        likely = self._likely.get((column.table.name, column.name))
        if likely and self._random.random() < LIKELY:
            return self._random.choice(likely)
        return self._scalar(column)

    def _key(self, column: "Column[Any]") -> UUID | None:
        (key,) = column.foreign_keys
        rows = self.tables.get(key.column.table.name, ())
        if not rows or (column.nullable and self._random.random() < SHARE):
            return None
        id_: UUID = self._random.choice(rows)["id"]
        return id_

    def _on_the_way(self, column: "Column[Any]", number: int) -> UUID:
        """A pipeline for each stage in turn; a stage of those that records of the type go through."""
        pipelines = self.tables["pipelines"]
        if column.name == "pipeline_id":
            return UUID(str(pipelines[number % len(pipelines)]["id"]))
        types = {p["id"]: _FLOWS[n % len(_FLOWS)].value for n, p in enumerate(pipelines)}
        flow = next((e.name.upper() for e in self._catalog.roots if e.table == column.table.name), None)
        fits = [s["id"] for s in self.tables["stages"] if flow is None or types[s["pipeline_id"]] == flow]
        return UUID(str(self._random.choice(fits)))

    def _scalar(self, column: "Column[Any]") -> Any:
        type_ = column.type
        if isinstance(type_, Enum):
            return self._random.choice(type_.enums[:4])
        for sql_type, choices in CHOICES:
            if isinstance(type_, sql_type):
                return self._random.choice(choices)
        if isinstance(type_, Numeric):
            return self._random.choice(self._numbers(column.name))
        if column.name == "source":
            return self._random.choice(SOURCES)
        info = info_of(column)
        mask = info.mask if info else None
        return self._random.choice(("CNY", "USD") if column.name == "currency" else TEXTS_BY_MASK[mask])

    def _numbers(self, column: str) -> tuple[str, ...]:
        if column == "quantity":
            return QUANTITIES
        return RATES if "rate" in column or column == "probability" else NUMBERS
