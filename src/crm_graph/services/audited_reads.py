"""The list of reads that matter, for auditors: who was told what, and when, and none of what they were told."""

from collections.abc import Callable

from crm_graph.catalog import Kind
from crm_graph.fragments import Fragment, sql
from crm_graph.scalars import parse_id, parse_text, parser_for
from crm_graph.services.listings import Listing, Narrowing

ACTION = "audit:read"


def _id(condition: Callable[[Fragment], Fragment]) -> Narrowing:
    return Narrowing(parse_id, "uuid", condition)


# Ids begin with the moment that they were made at, and the log is partitioned by them.
SINCE = Narrowing(
    parser_for(Kind.DATE_TIME), "timestamptz", lambda value: sql("e.id >= crm_first_id({value})", value=value)
)
UNTIL = Narrowing(
    parser_for(Kind.DATE_TIME), "timestamptz", lambda value: sql("e.id < crm_first_id({value})", value=value)
)

AUDITED_READS = Listing(
    name="auditedReads",
    type_name="AuditedRead",
    action=ACTION,
    source=sql("events AS e"),
    key=sql("e.id"),
    members={
        "id": sql("e.id"),
        "type": sql("e.type"),
        "at": sql("e.occurred_at"),
        "actorId": sql("e.actor_id"),
        "actorName": sql("(SELECT u.name FROM users AS u WHERE u.id = e.actor_id)"),
        "clientId": sql("(SELECT c.client_id FROM clients AS c WHERE c.id = e.client_id)"),
        "source": sql("e.source"),
        "requestId": sql("e.request_id"),
        "recordType": sql("e.entity_type"),
        "recordId": sql("e.entity_id"),
        "customerId": sql("e.customer_id"),
        "fields": sql("e.changed::json"),
        "records": sql("e.records"),
        "lookedFor": sql("e.looked_for"),
        "reason": sql("e.reason"),
        "details": sql("e.after::json"),
    },
    where={
        "types": Narrowing(parse_text, "text", lambda value: sql("e.type = ANY({value})", value=value), many=True),
        "actor": _id(lambda value: sql("e.actor_id = {value}", value=value)),
        "record": _id(lambda value: sql("e.entity_id = {value}", value=value)),
        "customer": _id(lambda value: sql("e.customer_id = {value}", value=value)),
        "lookedFor": Narrowing(parse_text, "text", lambda value: sql("e.looked_for = {value}", value=value)),
        "since": SINCE,
        "until": UNTIL,
    },
    unless={},
    always=sql("e.is_read"),
    of=Kind.ID,
    descending=True,
)
