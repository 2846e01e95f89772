"""The list of clients: what an admin sees of one. Of its secrets it tells when they were made and when they end."""

from crm_graph.catalog import Kind
from crm_graph.fragments import Now, param, sql
from crm_graph.models.clients import ClientStatus
from crm_graph.scalars import parse_text, parser_for
from crm_graph.services.clients import MANAGE
from crm_graph.services.listings import Items, Listing, Narrowing

_NOW = param(Now(), "timestamptz")
_SECRETS = Items(
    "ClientSecret",
    sql(
        "jsonb_array_elements(c.secrets) WITH ORDINALITY AS s (kept, place)"
        " WHERE COALESCE((s.kept ->> 'ends_at')::timestamptz > {now}, TRUE)",
        now=_NOW,
    ),
    sql("s.place"),
    {
        "id": sql("left(encode(sha256(convert_to(s.kept ->> 'salt', 'UTF8')), 'hex'), 12)"),
        "createdAt": sql("(s.kept ->> 'created_at')::timestamptz"),
        "endsAt": sql("(s.kept ->> 'ends_at')::timestamptz"),
    },
)
_ROLES = sql(
    "ARRAY(SELECT r.key FROM user_roles AS h JOIN roles AS r ON r.id = h.role_id WHERE h.user_id = c.user_id"
    " AND (h.expires_at IS NULL OR h.expires_at > {now}) ORDER BY r.key)",
    now=_NOW,
)

CLIENT_LIST = Listing(
    name="clients",
    type_name="Client",
    action=MANAGE,
    source=sql("clients AS c"),
    key=sql("c.client_id"),
    members={
        "clientId": sql("c.client_id"),
        "name": sql("c.name"),
        "status": sql("c.status"),
        "scopes": sql("c.scopes::json"),
        "roles": _ROLES,
        "source": sql("c.source"),
        "costPerMinute": sql("c.cost_per_minute"),
        "keyIds": sql("ARRAY(SELECT k ->> 'kid' FROM jsonb_array_elements(c.jwks -> 'keys') AS k)"),
        "secrets": _SECRETS,
        "createdAt": sql("c.created_at"),
    },
    where={
        "status": Narrowing(
            parser_for(Kind.ENUM, ClientStatus),
            "text",
            lambda value: sql("c.status = ANY({value})", value=value),
            many=True,
        ),
        "role": Narrowing(parse_text, "text", lambda value: sql("{value} = ANY({roles})", value=value, roles=_ROLES)),
        "scope": Narrowing(parse_text, "text", lambda value: sql("c.scopes ? {value}", value=value)),
        "search": Narrowing(
            parse_text,
            "text",
            lambda value: sql("strpos(lower(c.client_id || ' ' || c.name), lower({value})) > 0", value=value),
        ),
    },
    unless={"status": sql("c.status <> 'REMOVED'")},
)
