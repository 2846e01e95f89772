"""A naive interpreter of queries: walks the document over plain rows, field by field, and builds the answer."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from graphql import FieldNode, GraphQLSchema

from crm_graph.access import Level
from crm_graph.catalog import CUSTOM, EntityType, Field, Kind, Relation, Shape, custom_type
from crm_graph.proof.histories import EVENTS, Change, Entry, history_of
from crm_graph.proof.json_values import as_json
from crm_graph.proof.lookups import with_value
from crm_graph.proof.view import Record, View, listed
from crm_graph.resolvers.plan import Limits
from reference import search
from reference.aggregates import Aggregator
from reference.cursors import Cursor, row_of
from reference.paging import Page, Pager
from reference.selections import Selections

MOMENTS = {"interaction": "occurred_at", "task": "created_at", "ticket": "created_at", "stage_change": "entered_at"}
"""The fields that tell when an entry of a timeline happened."""


@dataclass(frozen=True)
class Interpreter:
    """Answers documents for one asker."""

    schema: GraphQLSchema
    view: View
    limits: Limits

    def answer(self, text: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """The `data` of the answer; cursors stand in it as `Cursor`."""
        selections = Selections.of(self.schema, text, variables)
        walk = _Walk(self.view, self.limits, selections, Pager(self.view, self.limits))
        return {key: walk.root(nodes) for key, nodes in selections.roots().items()}


@dataclass(frozen=True)
class _Walk:
    """Goes through one document, from its root fields down."""

    view: View
    limits: Limits
    asked: Selections
    pager: Pager

    def root(self, nodes: list[FieldNode]) -> Any:
        name, catalog = nodes[0].name.value, self.view.catalog
        if name == "__typename":
            return "Query"
        arguments = self.asked.arguments(nodes[0])
        if name == "node":
            id_ = UUID(arguments["id"])
            return self._by_id(catalog.by_code.get(id_.bytes[8] & 0x3F), id_, nodes)
        if name == "nodes":
            ids = [UUID(raw) for raw in listed(arguments["ids"])]
            return [self._by_id(catalog.by_code.get(id_.bytes[8] & 0x3F), id_, nodes) for id_ in ids]
        if name in ("search", "lookup"):
            return (self._search if name == "search" else self._lookup)(nodes, arguments)
        return self._of_type(nodes, arguments)

    def _of_type(self, nodes: list[FieldNode], arguments: Mapping[str, Any]) -> Any:
        name, catalog = nodes[0].name.value, self.view.catalog
        for entity in catalog.roots:
            if name == f"{entity.api_plural}Aggregate":
                return self._aggregate(entity, list(self.view.records(entity)), nodes, arguments)
            if name == entity.api_plural:
                return self._connection(entity, list(self.view.records(entity)), nodes, arguments, exact=True)
            if name == entity.api_name[0].lower() + entity.api_name[1:]:
                return self._one(entity, arguments, nodes)
        raise AssertionError(name)

    def _search(self, nodes: list[FieldNode], arguments: Mapping[str, Any]) -> Any:
        wanted = arguments.get("types")
        found: list[tuple[int, UUID, Record]] = []
        for entity in search.types_of(self.view, None if wanted is None else listed(wanted)):
            for record in self.view.records(entity):
                rank = search.rank(self.view, record, arguments["text"])
                if rank is not None and record.row["archived_at"] is None:
                    found.append((rank, record.row["id"], record))
        found.sort(key=lambda hit: (hit[0], -hit[1].int))
        first = arguments.get("first")
        hits = found[: min(20, self.limits.search_hits) if first is None else first]
        below = self.asked.below("SearchResult", nodes)
        return {key: [self._hit(h, same) for h in hits] for key, same in below.items()}

    def _hit(self, hit: tuple[int, UUID, Record], nodes: list[FieldNode]) -> dict[str, Any]:
        rank, _, record = hit
        facts = {"type": record.entity.name.upper(), "match": search.TIERS[rank], "__typename": "SearchHit"}
        return {
            key: self._object(record, same) if same[0].name.value == "node" else facts[same[0].name.value]
            for key, same in self.asked.below("SearchHit", nodes).items()
        }

    def _lookup(self, nodes: list[FieldNode], arguments: Mapping[str, Any]) -> Any:
        (entity,) = search.types_of(self.view, [arguments["type"]])
        records = [r for r in self.view.records(entity) if r.row["archived_at"] is None]
        found = list(with_value(self.view, records, arguments["field"], arguments["value"]))
        found.sort(key=lambda record: -record.row["id"].int)
        return [self._object(record, nodes) for record in found[: self.limits.lookup_rows]]

    def _one(self, entity: EntityType, arguments: Mapping[str, Any], nodes: list[FieldNode]) -> Any:
        if arguments.get("id") is not None:
            return self._by_id(entity, UUID(arguments["id"]), nodes)
        wanted = (arguments["externalRef"]["source"], arguments["externalRef"]["externalId"])
        for record in self.view.records(entity):
            for relation in entity.relations.values():
                if relation.target == "external_ref" and any(
                    self._found_by(ref, wanted) for ref in self.view.related(record, relation)
                ):
                    return self._object(record, nodes)
        return None

    def _found_by(self, ref: Record, wanted: tuple[str, str]) -> bool:
        """A ref that is withheld finds nothing, or else one could learn it by trying."""
        known = all(self.view.level(ref, name) is Level.READ for name in ("source", "external_id"))
        return known and (ref.row["source"], ref.row["external_id"]) == wanted

    def _by_id(self, entity: EntityType | None, id_: UUID, nodes: list[FieldNode]) -> Any:
        if entity is not None and entity.is_child and entity.is_listed:
            return self._child_by_id(entity, id_, nodes)
        if entity is None or entity.is_child:
            return None
        found = [r for r in self.view.records(entity) if r.row["id"] == id_]
        return self._object(found[0], nodes) if found else None

    def _child_by_id(self, entity: EntityType, id_: UUID, nodes: list[FieldNode]) -> Any:
        for root, relation in self.view.catalog.holders(entity):
            for record in self.view.records(root):
                for child in self.view.related(record, relation):
                    if child.row["id"] == id_:
                        return self._object(child, nodes)
        return None

    def _object(self, record: Record, nodes: list[FieldNode]) -> dict[str, Any]:
        fields = self.asked.below(record.entity.api_name, nodes)
        return {key: self._member(record, same) for key, same in fields.items()}

    def _member(self, record: Record, nodes: list[FieldNode]) -> Any:
        name = nodes[0].name.value
        member = record.entity.by_api_name.get(name)
        if member is None:
            return self._custom(record, nodes) if name == CUSTOM else self._beside_the_catalog(record, nodes)
        if isinstance(member, Field):
            return self._cell(record, member, nodes)
        related = self.view.related(record, member)
        if member.shape is Shape.ONE:
            return self._object(related[0], nodes) if related else None
        if member.shape is Shape.CONNECTION:
            return self._connection(self.view.catalog[member.target], related, nodes, self.asked.arguments(nodes[0]))
        kept = [r for r in related if r.row.get("archived_at") is None]
        return [self._object(r, nodes) for r in kept[: self.limits.max_children]]

    def _beside_the_catalog(self, record: Record, nodes: list[FieldNode]) -> Any:
        match nodes[0].name.value:
            case "__typename":
                return record.entity.api_name
            case "maskedFields":
                return self.view.masked_fields(record)
            case "timeline" | "history" as name:
                return (self._timeline if name == "timeline" else self._history)(record, nodes)
            case "happenedAt":
                return as_json(self.view.shown(record, _moment_field(record)))
            case "entity":
                return self._object(Record(record.root, record.root_row, record.root, record.root_row), nodes)
        return self._related_aggregate(record, nodes)

    def _custom(self, record: Record, nodes: list[FieldNode]) -> dict[str, Any]:
        answer = {}
        for key, same in self.asked.below(custom_type(record.entity), nodes).items():
            member = record.entity.custom.get(same[0].name.value)
            answer[key] = custom_type(record.entity) if member is None else self._cell(record, member, same)
        return answer

    def _cell(self, record: Record, member: Field, nodes: list[FieldNode]) -> Any:
        value = self.view.shown(record, member)
        if member.kind is not Kind.MONEY or value is None:
            if value is not None and member.kind is Kind.BIG_INT:
                return str(value)
            return None if value is None else as_json(value)
        parts = {"__typename": "Money", "amount": as_json(value), "currency": record.row["currency"]}
        return {key: parts[same[0].name.value] for key, same in self.asked.below("Money", nodes).items()}

    def _connection(
        self,
        entity: EntityType,
        records: Sequence[Record],
        nodes: list[FieldNode],
        arguments: Mapping[str, Any],
        *,
        exact: bool = False,
    ) -> dict[str, Any]:
        kept = self._matching(records, arguments, exact=exact)
        text = arguments.get("search")
        kept = [r for r in kept if text is None or search.rank(self.view, r, text) is not None]
        order, best = self.pager.ordered(entity, kept, arguments)
        page = self.pager.page(entity, order, best, arguments)
        below = self.asked.below(f"{entity.api_name}Connection", nodes)
        cap = self.limits.count_cap if text is None else min(self.limits.count_cap, self.limits.search_count_cap)
        return {key: self._part(entity, len(kept), cap, page, same) for key, same in below.items()}

    def _matching(
        self, records: Sequence[Record], arguments: Mapping[str, Any], *, exact: bool = False
    ) -> list[Record]:
        archived, where = arguments.get("archived") or "EXCLUDE", arguments.get("where")
        wanted = {"EXCLUDE": (False,), "INCLUDE": (False, True), "ONLY": (True,)}[archived]
        kept = [r for r in records if (r.row.get("archived_at") is not None) in wanted]
        return [r for r in kept if where is None or self.view.holds(where, r, exact=exact)]

    def _related_aggregate(self, record: Record, nodes: list[FieldNode]) -> dict[str, Any]:
        relation = record.entity.by_api_name[nodes[0].name.value.removesuffix("Aggregate")]
        assert isinstance(relation, Relation)
        records, target = self.view.related(record, relation), self.view.catalog[relation.target]
        return self._aggregate(target, records, nodes, self.asked.arguments(nodes[0]))

    def _aggregate(
        self, entity: EntityType, records: Sequence[Record], nodes: list[FieldNode], arguments: Mapping[str, Any]
    ) -> dict[str, Any]:
        aggregator = Aggregator(self.view, self.limits, entity, arguments, self.asked.below, as_json)
        return aggregator.answer(self._matching(records, arguments), nodes)

    def _part(self, entity: EntityType, found: int, cap: int, page: Page, nodes: list[FieldNode]) -> Any:
        match nodes[0].name.value:
            case "nodes":
                return [self._object(r, nodes) for r in page.records]
            case "edges":
                return [self._edge(f"{entity.api_name}Edge", r, nodes) for r in page.records]
            case "totalCount":
                return min(found, cap)
            case "totalCountCapped":
                return found > cap
            case "pageInfo":
                facts = page.facts()
                return {key: facts[same[0].name.value] for key, same in self.asked.below("PageInfo", nodes).items()}
        return f"{entity.api_name}Connection"

    def _edge(self, type_name: str, record: Record, nodes: list[FieldNode]) -> dict[str, Any]:
        answer: dict[str, Any] = {}
        for key, same in self.asked.below(type_name, nodes).items():
            match same[0].name.value:
                case "node":
                    answer[key] = self._object(record, same)
                case "cursor":
                    answer[key] = Cursor(record.row["id"])
                case _:
                    answer[key] = type_name
        return answer

    def _timeline(self, customer: Record, nodes: list[FieldNode]) -> dict[str, Any]:
        arguments = self.asked.arguments(nodes[0])
        kinds = arguments.get("kinds")
        wanted = {"INTERACTION", "TASK", "TICKET", "STAGE_CHANGE"} if kinds is None else set(listed(kinds))
        entries = [e for e in self._entries(customer) if e.entity.name.upper() in wanted]
        entries.sort(key=_moment, reverse=True)
        after, before = (self._entry_at(arguments.get(name)) for name in ("after", "before"))
        window = [e for e in entries if after is None or _moment(e) < after]
        window = [e for e in window if before is None or _moment(e) > before]
        follows = before is not None and any(_moment(e) <= before for e in entries)
        precedes = after is not None and any(_moment(e) >= after for e in entries)
        if arguments.get("last") is not None:
            start = max(len(window) - arguments["last"], 0)
            page = Page(window[start:], follows, start > 0 or precedes)
        else:
            size = self.limits.default_page if arguments.get("first") is None else arguments["first"]
            page = Page(window[:size], len(window) > size or follows, precedes)
        below = self.asked.below("TimelineConnection", nodes)
        return {key: self._timeline_part(page, same) for key, same in below.items()}

    def _history(self, record: Record, nodes: list[FieldNode]) -> dict[str, Any]:
        arguments, told = self.asked.arguments(nodes[0]), history_of(self.view, record)
        if arguments.get("after") is not None:
            (at,) = (e for e in self.view.tables[EVENTS] if e["id"] == row_of(arguments["after"]))
            here = (at["entity_version"], at["id"].int)
            window = [e for e in told if (e.row["entity_version"], e.row["id"].int) < here]
        else:
            window = told
        size = self.limits.default_page if arguments.get("first") is None else arguments["first"]
        page = window[:size]
        facts = {
            "__typename": "PageInfo",
            "hasNextPage": len(window) > size,
            "hasPreviousPage": len(window) < len(told),
            "startCursor": Cursor(page[0].row["id"]) if page else None,
            "endCursor": Cursor(page[-1].row["id"]) if page else None,
        }
        answer: dict[str, Any] = {}
        for key, same in self.asked.below("HistoryConnection", nodes).items():
            match same[0].name.value:
                case "nodes":
                    answer[key] = [self._entry(entry, same) for entry in page]
                case "pageInfo":
                    below = self.asked.below("PageInfo", same)
                    answer[key] = {name: facts[each[0].name.value] for name, each in below.items()}
                case _:
                    answer[key] = "HistoryConnection"
        return answer

    def _entry(self, entry: Entry, nodes: list[FieldNode]) -> dict[str, Any]:
        facts = {
            "__typename": "HistoryEntry",
            "id": str(entry.row["id"]),
            "type": entry.type,
            "occurredAt": as_json(entry.row["occurred_at"]),
            "version": entry.row["entity_version"],
            "source": entry.row["source"],
            "reason": entry.reason,
        }
        answer: dict[str, Any] = {}
        for key, same in self.asked.below("HistoryEntry", nodes).items():
            match same[0].name.value:
                case "actor" | "onBehalfOf" as which:
                    id_ = entry.row["actor_id" if which == "actor" else "on_behalf_of_id"]
                    answer[key] = None if id_ is None else self._by_id(self.view.catalog["user"], id_, same)
                case "changes":
                    answer[key] = [self._change(change, same) for change in entry.changes]
                case name:
                    answer[key] = facts[name]
        return answer

    def _change(self, change: Change, nodes: list[FieldNode]) -> dict[str, Any]:
        below = self.asked.below("HistoryChange", nodes)
        return {key: getattr(change, same[0].name.value, "HistoryChange") for key, same in below.items()}

    def _timeline_part(self, page: Page, nodes: list[FieldNode]) -> Any:
        match nodes[0].name.value:
            case "nodes":
                return [self._object(e, nodes) for e in page.records]
            case "edges":
                return [self._edge("TimelineEdge", e, nodes) for e in page.records]
            case "pageInfo":
                facts = page.facts()
                return {key: facts[same[0].name.value] for key, same in self.asked.below("PageInfo", nodes).items()}
        return "TimelineConnection"

    def _entries(self, customer: Record) -> Iterable[Record]:
        """What happened with a customer, of records in use, when whose moment may be known."""
        for name in ("interactions", "tasks", "tickets", "leads", "opportunities", "contracts"):
            for record in self.view.related(customer, customer.entity.relations[name]):
                if record.row["archived_at"] is None:
                    yield from self._entries_of(record)

    def _entries_of(self, record: Record) -> Iterable[Record]:
        history = record.entity.relations.get("stage_history")
        for entry in [record, *(self.view.related(record, history) if history else ())]:
            known = entry.entity.name in MOMENTS
            if known and self.view.level(entry, _moment_field(entry).name) is Level.READ:
                yield entry

    def _entry_at(self, cursor: str | None) -> tuple[datetime, UUID] | None:
        if cursor is None:
            return None
        id_ = row_of(cursor)
        tables = ("interactions", "tasks", "tickets", "stage_changes")
        (row,) = (r for table in tables for r in self.view.tables[table] if r["id"] == id_)
        moments = (row[name] for name in ("occurred_at", "entered_at", "created_at") if name in row)
        return next(moments), id_


def _moment_field(entry: Record) -> Field:
    return entry.entity.fields[MOMENTS[entry.entity.name]]


def _moment(entry: Record) -> tuple[datetime, UUID]:
    return entry.row[MOMENTS[entry.entity.name]], entry.row["id"]
