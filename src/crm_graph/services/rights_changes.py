"""The list of changes of rights, for who may read roles: what was changed of roles, people, teams, clients, issuers and
proposals, by whom, when and why, with before and after. Personal data are masked.
"""

from crm_graph.catalog import Kind
from crm_graph.fragments import Fragment, sql
from crm_graph.permissions.rules import READ_ROLES
from crm_graph.scalars import parse_id, parse_text
from crm_graph.services.audited_reads import SINCE, UNTIL
from crm_graph.services.listings import Listing, Narrowing


def _masked(values: Fragment) -> Fragment:
    """What an event holds, with the e-mail address, phone and subject of a user masked, where they came alone or in the
    input of a proposal.
    """
    return sql(
        "((({values} - ARRAY['email', 'phone', 'subject']) || jsonb_strip_nulls(jsonb_build_object("
        "'email', crm_mask_email({values} ->> 'email'), 'phone', crm_mask_phone({values} ->> 'phone'),"
        " 'subject', crm_mask_tail({values} ->> 'subject'))))"
        " || CASE WHEN {values} #>> ARRAY['input', 'subject'] IS NULL THEN '{}'::jsonb"
        " ELSE jsonb_build_object('input', ({values} -> 'input') || jsonb_build_object("
        "'subject', crm_mask_tail({values} #>> ARRAY['input', 'subject']))) END)::json",
        values=values,
    )


_NAME = sql(
    "CASE e.entity_type"
    " WHEN 'role' THEN COALESCE(e.after ->> 'key', e.before ->> 'key')"
    " WHEN 'user' THEN (SELECT u.name FROM users AS u WHERE u.id = e.entity_id)"
    " WHEN 'team' THEN (SELECT m.name FROM teams AS m WHERE m.id = e.entity_id)"
    " WHEN 'client' THEN (SELECT c.client_id FROM clients AS c WHERE c.id = e.entity_id)"
    " WHEN 'issuer' THEN (SELECT i.url FROM issuers AS i WHERE i.id = e.entity_id) END"
)

RIGHTS_CHANGES = Listing(
    name="rightsChanges",
    type_name="RightsChange",
    action=READ_ROLES,
    source=sql("events AS e"),
    key=sql("e.id"),
    members={
        "id": sql("e.id"),
        "type": sql("e.type"),
        "at": sql("e.occurred_at"),
        "actorId": sql("e.actor_id"),
        "actorName": sql("(SELECT u.name FROM users AS u WHERE u.id = e.actor_id)"),
        "onBehalfOfId": sql("e.on_behalf_of_id"),
        "clientId": sql("(SELECT c.client_id FROM clients AS c WHERE c.id = e.client_id)"),
        "source": sql("e.source"),
        "requestId": sql("e.request_id"),
        "aboutType": sql("e.entity_type"),
        "aboutId": sql("e.entity_id"),
        "aboutName": _NAME,
        "version": sql("e.entity_version"),
        "changed": sql("e.changed::json"),
        "before": _masked(sql("e.before")),
        "after": _masked(sql("e.after")),
        "reason": sql("e.reason"),
    },
    where={
        "types": Narrowing(parse_text, "text", lambda value: sql("e.type = ANY({value})", value=value), many=True),
        "about": Narrowing(parse_id, "uuid", lambda value: sql("e.entity_id = {value}", value=value)),
        "by": Narrowing(
            parse_id, "uuid", lambda value: sql("(e.actor_id = {value} OR e.on_behalf_of_id = {value})", value=value)
        ),
        "since": SINCE,
        "until": UNTIL,
    },
    unless={},
    # To the letter that of the index `ix_events_rights`, or it would not serve.
    always=sql("e.entity_type IN ('client', 'issuer', 'rights_proposal', 'role', 'team', 'user') AND NOT e.is_read"),
    of=Kind.ID,
    descending=True,
)
