"""The default policy, in one table: role x type x row rule x data class, with field overrides, writes and actions.

A new installation gets it as rows; from then on the rows are the admin's. What a role does not name, and does not
inherit, is denied to it. Children (contact points, addresses, lines, refs, stage history) follow the grants of the
record that they belong to. What is left open here, and why: docs/decisions/0033.

Verbs of the roles that are not there yet, and what each will need; none is given before its feature is there:

claim       sales: an action for leads and customers; the row is in the pool, and is the asker's own afterwards
release     sales_manager: an action; rows of the team and below go to the pool
convert     sales: an action, and `create` of what it makes
quote       sales: quotes as a type, AMOUNT without COST
forecast    sales_manager: forecasts as a type, of opportunities of the team and below
approve     sales_manager by rule, else nobody: `contracts:approve` is there; limits as rows, never what one prepared
amend       finance: an action for AMOUNT and BILLING of a contract that is signed
reconcile   finance: invoices and payments as types, an action
merge       crm_manager has the action `merge`: the verb, for whoever reads in full and writes both records
erase       nobody: the action `erase`, for who sees the customer; a second approver is to come
segment,    marketing: consents, segments and campaigns as types; the condition of a segment names what its role reads
campaign
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from crm_graph.access import Level
from crm_graph.models.fields import DataClass
from crm_graph.permissions.policy_rows import (
    IN_POOL,
    KNOWN_TO_CALL_CENTRE,
    KNOWN_TO_ERP,
    KNOWN_TO_SHOP,
    OF_OWN_CUSTOMERS,
    OF_TEAMS_CUSTOMERS,
    OF_TICKET_OF_VIEWER,
    OPEN_TICKET_OF_VIEWER,
    ORGANIZATIONS,
    UNTAKEN_OF_OWN_TEAMS,
)
from crm_graph.permissions.rules import (
    ADMIN,
    ALL,
    EVERYONE,
    MANAGING,
    OWN,
    READ_ROLES,
    TEAM,
    TEAM_AND_BELOW,
    GrantRule,
    RoleRule,
    grant,
)

BASIC, CONTACT, BILLING, BANK = DataClass.BASIC, DataClass.CONTACT, DataClass.BILLING, DataClass.BANK
AMOUNT, COST, METRIC, CONTENT = DataClass.AMOUNT, DataClass.COST, DataClass.METRIC, DataClass.CONTENT
READ, LOOKUP, MASKED, HIDDEN = Level.READ, Level.LOOKUP, Level.MASKED, Level.HIDDEN


def _actions(plurals: Iterable[str], verbs: Iterable[str]) -> frozenset[str]:
    verbs = tuple(verbs)
    return frozenset(f"{plural}:{verb}" for plural in plurals for verb in verbs)


EDIT = ("create", "update", "archive", "restore")
TASKS = _actions(["tasks"], (*EDIT, "assign", "complete"))

# Names and websites tell who a pooled customer is, so they stay masked until somebody claims it.
_POOLED_CUSTOMER = {
    "name": MASKED,
    "short_name": MASKED,
    "website": MASKED,
    "number": MASKED,
    "external_refs.external_id": MASKED,
}
_POOLED_LEAD = {"name": MASKED, "company_name": MASKED, "external_refs.external_id": MASKED}
# What sales write of a customer: tier is the CRM manager's. Credit is finance's; who sells is told of a hold, no more.
_SALES_WRITE = (BASIC, CONTACT, BILLING, CONTENT, "field:annual_revenue", "except:tier")
_HOLD = {"credit_hold": READ}
# What a system matches people by, and sees masked.
_FOUND_BY = {"phone": LOOKUP, "email": LOOKUP, "contact_points.e164": LOOKUP}
# What an analyst counts and sums, and what tells who a person is beside that which is marked as personal.
_FACTS = (BASIC, AMOUNT, METRIC)
_REFS_MASKED = {"external_refs.external_id": MASKED}
_WHO = {"number": MASKED, **_REFS_MASKED}
_NAMES = {"name": READ, "short_name": READ, "website": READ}

_EVERYONE = RoleRule(
    EVERYONE,
    "Everyone",
    "所有人",
    "What everyone signed in sees: who works here, and which pipelines there are.",
    {
        "user": (grant(ALL, read=[BASIC]), grant(OWN, read=[BASIC, CONTACT])),
        "team": (grant(ALL, read=[BASIC]),),
        "pipeline": (grant(ALL, read=[BASIC]),),
        "stage": (grant(ALL, read=[BASIC]),),
    },
)

_SALES = RoleRule(
    "sales",
    "Sales",
    "销售",
    "Own and shared records; the public pool with names and contacts masked until claimed.",
    {
        "customer": (
            grant(
                OWN,
                read=[BASIC, CONTACT, BILLING, AMOUNT, METRIC, CONTENT],
                fields=_HOLD,
                writes=_SALES_WRITE,
            ),
            grant(IN_POOL, read=[BASIC], masked=[CONTACT], fields=_POOLED_CUSTOMER),
        ),
        "interaction": (
            grant(OWN, read=[BASIC, CONTACT, CONTENT], writes=[BASIC, CONTACT, CONTENT]),
            grant(OF_OWN_CUSTOMERS, read=[BASIC, CONTACT, CONTENT]),
        ),
        "lead": (
            grant(
                OWN,
                read=[BASIC, CONTACT, AMOUNT, METRIC, CONTENT],
                writes=[BASIC, CONTACT, AMOUNT, METRIC, CONTENT],
            ),
            grant(IN_POOL, read=[BASIC], masked=[CONTACT], fields=_POOLED_LEAD),
        ),
        "opportunity": (grant(OWN, read=[BASIC, AMOUNT, METRIC, CONTENT], writes=[BASIC, AMOUNT, METRIC, CONTENT]),),
        "ticket": (grant(OWN, read=[BASIC, METRIC, CONTENT], writes=[BASIC, CONTENT]),),
        "contract": (grant(OWN, read=[BASIC, AMOUNT, BILLING, CONTENT], writes=[BASIC, AMOUNT, BILLING, CONTENT]),),
        # Own tasks, and those of own teams that nobody has taken.
        "task": (
            grant(OWN, read=[BASIC, CONTENT], writes=[BASIC, CONTENT]),
            grant(UNTAKEN_OF_OWN_TEAMS, read=[BASIC, CONTENT], writes=[BASIC, CONTENT]),
        ),
    },
    _actions(["customers", "interactions", "leads", "opportunities", "contracts"], EDIT)
    | TASKS
    | _actions(["leads", "opportunities", "contracts"], ["transition"])
    | _actions(["tickets"], ["create", "update"])
    | {"duplicates:check"},
)

_SALES_MANAGER = RoleRule(
    "sales_manager",
    "Sales manager",
    "销售经理",
    "As sales, for the records of the team and of those below it; the cost of own deals.",
    {
        "customer": (
            grant(
                TEAM_AND_BELOW,
                read=[BASIC, CONTACT, BILLING, AMOUNT, METRIC, CONTENT],
                fields=_HOLD,
                writes=_SALES_WRITE,
            ),
        ),
        "interaction": (
            grant(TEAM_AND_BELOW, read=[BASIC, CONTACT, CONTENT], writes=[BASIC, CONTACT, CONTENT]),
            grant(OF_TEAMS_CUSTOMERS, read=[BASIC, CONTACT, CONTENT]),
        ),
        "lead": (
            grant(
                TEAM_AND_BELOW,
                read=[BASIC, CONTACT, AMOUNT, METRIC, CONTENT],
                writes=[BASIC, CONTACT, AMOUNT, METRIC, CONTENT],
            ),
        ),
        "opportunity": (
            grant(
                TEAM_AND_BELOW,
                read=[BASIC, AMOUNT, METRIC, CONTENT],
                writes=[BASIC, AMOUNT, METRIC, CONTENT],
            ),
            grant(OWN, read=[COST]),
        ),
        "ticket": (grant(TEAM_AND_BELOW, read=[BASIC, METRIC, CONTENT]),),
        "contract": (
            grant(
                TEAM_AND_BELOW,
                read=[BASIC, AMOUNT, BILLING, CONTENT],
                writes=[BASIC, AMOUNT, BILLING, CONTENT],
            ),
            grant(OWN, read=[COST]),
        ),
        "task": (grant(TEAM_AND_BELOW, read=[BASIC, CONTENT], writes=[BASIC, CONTENT]),),
    },
    frozenset({"leads:assign"}),
    inherits=("sales",),
)

_SERVICE = RoleRule(
    "service",
    "Service",
    "客服",
    "Tickets of own queues; every customer by name, the phone while an open ticket of theirs links the customer.",
    {
        "customer": (
            grant(
                ALL,
                read=[BASIC],
                lookup=[CONTACT],
                # When they bought and how often, but not for how much.
                fields={
                    "order_count": READ,
                    "first_purchase_on": READ,
                    "last_purchase_on": READ,
                    "last_interaction_at": READ,
                    "health_score": READ,
                },
            ),
            grant(OPEN_TICKET_OF_VIEWER, read=[BASIC, CONTACT]),
        ),
        "interaction": (
            grant(ALL, read=[BASIC]),
            grant(TEAM, read=[BASIC, CONTACT, CONTENT], writes=[BASIC, CONTACT, CONTENT]),
            grant(OWN, read=[BASIC, CONTACT, CONTENT], writes=[BASIC, CONTACT, CONTENT]),
            grant(OF_TICKET_OF_VIEWER, read=[BASIC, CONTACT, CONTENT]),
        ),
        "lead": (grant(OWN, read=[BASIC, CONTACT, CONTENT], writes=[BASIC, CONTACT, CONTENT]),),
        "ticket": (
            grant(TEAM, read=[BASIC, METRIC, CONTENT], writes=[BASIC, METRIC, CONTENT]),
            grant(OWN, read=[BASIC, METRIC, CONTENT], writes=[BASIC, METRIC, CONTENT]),
        ),
        # Period, number, title, kind, service level and what was bought; no price of it.
        "contract": (grant(ALL, read=[BASIC]),),
        "task": (
            grant(TEAM, read=[BASIC, CONTENT], writes=[BASIC, CONTENT]),
            grant(OWN, read=[BASIC, CONTENT], writes=[BASIC, CONTENT]),
        ),
    },
    TASKS | _actions(["tickets", "interactions"], EDIT) | {"tickets:transition", "leads:create"},
)

_FINANCE = RoleRule(
    "finance",
    "Finance",
    "财务",
    "The billing side of every customer and contract; consumers' phones and e-mails masked, no bodies.",
    {
        "customer": (
            grant(
                ALL,
                read=[BASIC, BILLING, BANK, AMOUNT, METRIC],
                masked=[CONTACT],
                fields={"kyc_status": READ, **_HOLD},
                writes=[BILLING, BANK, "field:credit_limit", "field:credit_hold"],
            ),
            # An organisation's contacts are billing contacts.
            grant(ORGANIZATIONS, read=[BASIC, CONTACT]),
        ),
        "interaction": (grant(ALL, read=[BASIC]),),
        "contract": (grant(ALL, read=[BASIC, AMOUNT, BILLING, BANK], writes=[AMOUNT, BILLING, BANK]),),
        "task": (
            grant(TEAM, read=[BASIC, CONTENT], writes=[BASIC, CONTENT]),
            grant(OWN, read=[BASIC, CONTENT], writes=[BASIC, CONTENT]),
        ),
    },
    _actions(["customers", "contracts"], ["update"]) | TASKS,
)

_MARKETING = RoleRule(
    "marketing",
    "Marketing",
    "市场",
    "Organisations with metrics and contacts masked; persons not before there is a consent to go by.",
    {
        "customer": (grant(ORGANIZATIONS, read=[BASIC, METRIC], masked=[CONTACT]),),
        "task": (
            grant(TEAM, read=[BASIC, CONTENT], writes=[BASIC, CONTENT]),
            grant(OWN, read=[BASIC, CONTENT], writes=[BASIC, CONTENT]),
        ),
    },
    TASKS,
)

_CRM_MANAGER = RoleRule(
    "crm_manager",
    "CRM manager",
    "客户运营经理",
    "All customers, leads, opportunities and tickets with contact and metrics; no bank details, no KYC.",
    {
        "customer": (
            grant(
                ALL,
                read=[BASIC, CONTACT, BILLING, AMOUNT, METRIC, CONTENT],
                fields=_HOLD,
                writes=[BASIC, CONTACT, BILLING, CONTENT, "field:annual_revenue"],
            ),
        ),
        "interaction": (grant(ALL, read=[BASIC, CONTACT, CONTENT], writes=[BASIC, CONTACT, CONTENT]),),
        "lead": (
            grant(
                ALL,
                read=[BASIC, CONTACT, AMOUNT, METRIC, CONTENT],
                writes=[BASIC, CONTACT, AMOUNT, METRIC, CONTENT],
            ),
        ),
        "opportunity": (grant(ALL, read=[BASIC, AMOUNT, METRIC, CONTENT], writes=[BASIC, AMOUNT, METRIC, CONTENT]),),
        "ticket": (grant(ALL, read=[BASIC, METRIC, CONTENT], writes=[BASIC, METRIC, CONTENT]),),
        "contract": (grant(ALL, read=[BASIC, AMOUNT]),),
        "task": (grant(ALL, read=[BASIC, CONTENT], writes=[BASIC, CONTENT]),),
        "pipeline": (grant(ALL, read=[BASIC], writes=[BASIC]),),
        "stage": (grant(ALL, read=[BASIC], writes=[BASIC]),),
    },
    _actions(["customers", "interactions", "leads", "opportunities", "tickets", "tasks"], (*EDIT, "upsert"))
    | TASKS
    | _actions(["leads", "opportunities", "tickets"], ["transition"])
    | _actions(["pipelines", "stages"], EDIT)
    | {"leads:assign", "merge", "export", "backfill", "documents:register", "duplicates:check"},
)

_ANALYST = RoleRule(
    "analyst",
    "Analyst",
    "数据分析",
    "Every record by facts, amounts and metrics; who a person is masked, no contact, no bodies.",
    {
        "customer": (
            grant(ALL, read=_FACTS, personal=MASKED, fields=_WHO),
            # An organisation is no person; what people write of it, and a custom field that is marked as personal, stay
            # masked all the same.
            grant(ORGANIZATIONS, read=[BASIC], personal=MASKED, fields=_NAMES),
        ),
        "interaction": (grant(ALL, read=_FACTS, personal=MASKED, fields=_REFS_MASKED),),
        "lead": (grant(ALL, read=_FACTS, personal=MASKED, fields=_REFS_MASKED),),
        "opportunity": (grant(ALL, read=_FACTS, personal=MASKED),),
        "ticket": (grant(ALL, read=_FACTS, personal=MASKED, fields=_REFS_MASKED),),
        "contract": (grant(ALL, read=_FACTS, personal=MASKED),),
        "task": (grant(ALL, read=_FACTS, personal=MASKED, fields=_REFS_MASKED),),
    },
    frozenset({"export"}),
)

_AUDITOR = RoleRule(
    "auditor",
    "Auditor",
    "审计员",
    "Who may see what and why, and who was told what; none of the records themselves.",
    {},
    frozenset({"access:explain", "audit:read", READ_ROLES}),
)

_ERP = RoleRule(
    "erp",
    "ERP",
    "ERP 系统",
    "Syncs customers and contracts: in full what carries a ref of source `erp`, of the rest only what it matches by.",
    {
        # The first sync of a customer must find the one that sales made already, or each would be there twice: so every
        # row shows its keys. Everything else, and every write, waits until the row carries a ref of the ERP.
        "customer": (
            grant(
                ALL, fields={"kind": READ, "name": READ, "number": READ, "registration_number": READ, "tax_id": READ}
            ),
            grant(
                KNOWN_TO_ERP,
                read=[BASIC, CONTACT, BILLING, AMOUNT],
                fields=_HOLD,
                writes=[BASIC, CONTACT, BILLING, AMOUNT, "field:credit_hold"],
            ),
        ),
        "contract": (
            grant(ALL, fields={"number": READ, "kind": READ}),
            grant(KNOWN_TO_ERP, read=[BASIC, AMOUNT, BILLING], writes=[BASIC, AMOUNT, BILLING]),
        ),
    },
    _actions(["customers", "contracts"], (*EDIT, "upsert")) | {"contracts:transition"},
)

_COMMERCE = RoleRule(
    "commerce",
    "Web shop",
    "电商系统",
    "Syncs customers: in full what carries a ref of source `shop`; finds others by the whole number or address.",
    {
        "customer": (
            grant(ALL, fields={"kind": READ, **_FOUND_BY}),
            grant(
                KNOWN_TO_SHOP,
                read=[BASIC, CONTACT, BILLING],
                writes=[BASIC, CONTACT, BILLING, "except:tier"],
            ),
        ),
    },
    _actions(["customers"], (*EDIT, "upsert")),
)

_CALL_CENTRE = RoleRule(
    "call_centre",
    "Call centre",
    "呼叫中心系统",
    "Syncs calls: in full its own and what carries a ref of source `call_centre`; finds callers by the whole number.",
    {
        "customer": (grant(ALL, fields={"kind": READ, **_FOUND_BY}),),
        "interaction": (
            grant(OWN, read=[BASIC, CONTACT, CONTENT], writes=[BASIC, CONTACT, CONTENT]),
            grant(KNOWN_TO_CALL_CENTRE, read=[BASIC, CONTACT, CONTENT], writes=[BASIC, CONTACT, CONTENT]),
        ),
    },
    _actions(["interactions"], (*EDIT, "upsert")),
)

_ADMIN = RoleRule(
    ADMIN,
    "Administrator",
    "系统管理员",
    "Users, teams, roles and clients. Managing rights does not give data (三权分立).",
    {
        "user": (grant(ALL, read=[BASIC, CONTACT], writes=[BASIC, CONTACT]),),
        "team": (grant(ALL, read=[BASIC], writes=[BASIC]),),
    },
    _actions(["users", "teams"], (*EDIT, "upsert"))
    | MANAGING
    | {READ_ROLES, "documents:register", "access:explain", "access:simulate", "jobs:read", "jobs:manage"},
)

DEFAULT_ROLES: Mapping[str, RoleRule] = MappingProxyType(
    {
        role.key: role
        for role in (
            *(_EVERYONE, _SALES, _SALES_MANAGER, _SERVICE, _FINANCE, _MARKETING, _CRM_MANAGER, _ANALYST, _AUDITOR),
            *(_ERP, _COMMERCE, _CALL_CENTRE, _ADMIN),
        )
    }
)
"""Built-in roles by key."""


def table() -> Iterable[tuple[str, str, GrantRule]]:
    """The table row by row: role, entity type, grant."""
    for role in DEFAULT_ROLES.values():
        for entity_type, grants in role.grants.items():
            for rule in grants:
                yield role.key, entity_type, rule
