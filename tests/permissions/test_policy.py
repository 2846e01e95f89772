"""The default policy: what each role sees of each type, does, and writes."""

from collections.abc import Mapping

import pytest

from crm_graph.access import EVERY_ROW, Level, RowScope
from crm_graph.catalog import Kind
from crm_graph.models.fields import DataClass
from crm_graph.models.roles import RowRule
from crm_graph.permissions.effective import STRUCTURE, field_paths
from crm_graph.permissions.policy import DEFAULT_ROLES, EDIT, table
from crm_graph.permissions.policy_rows import (
    IN_POOL,
    KNOWN_TO_CALL_CENTRE,
    KNOWN_TO_ERP,
    KNOWN_TO_SHOP,
    OPEN_TICKET_OF_VIEWER,
    ORGANIZATIONS,
)
from crm_graph.permissions.rules import EVERYONE, OWN, TEAM, TEAM_AND_BELOW, GrantRule, Policy, RoleRule
from crm_graph.permissions.validation import require_sound, unread_predicates

from .granting import CATALOG, FOR_EVERYONE, HIDDEN, LOOKUP, MASKED, READ, access_of, level

# The highest level that any row can have, by role, type and data class; children of a type count with it.
# Where the fields of a class differ they are named themselves. What is named is read, or has the level that stands
# behind it; a field goes before its class. What is not named is hidden.
CEILINGS: Mapping[str, Mapping[str, str]] = {
    "sales": {
        "customer": "BASIC CONTACT BILLING AMOUNT METRIC CONTENT credit_hold",
        "interaction": "BASIC CONTACT CONTENT",
        "lead": "BASIC CONTACT AMOUNT METRIC CONTENT",
        "opportunity": "BASIC AMOUNT METRIC CONTENT",
        "ticket": "BASIC METRIC CONTENT",
        "contract": "BASIC AMOUNT BILLING CONTENT",
        "task": "BASIC CONTENT",
    },
    "sales_manager": {
        "customer": "BASIC CONTACT BILLING AMOUNT METRIC CONTENT credit_hold",
        "interaction": "BASIC CONTACT CONTENT",
        "lead": "BASIC CONTACT AMOUNT METRIC CONTENT",
        "opportunity": "BASIC AMOUNT COST METRIC CONTENT",
        "ticket": "BASIC METRIC CONTENT",
        "contract": "BASIC AMOUNT COST BILLING CONTENT",
        "task": "BASIC CONTENT",
    },
    "service": {
        "customer": ("BASIC CONTACT order_count first_purchase_on last_purchase_on last_interaction_at health_score"),
        "interaction": "BASIC CONTACT CONTENT",
        "lead": "BASIC CONTACT CONTENT",
        "ticket": "BASIC METRIC CONTENT",
        "contract": "BASIC",
        "task": "BASIC CONTENT",
    },
    "finance": {
        "customer": "BASIC CONTACT BILLING BANK AMOUNT METRIC kyc_status credit_hold",
        "interaction": "BASIC",
        "contract": "BASIC AMOUNT BILLING BANK",
        "task": "BASIC CONTENT",
    },
    "crm_manager": {
        "customer": "BASIC CONTACT BILLING AMOUNT METRIC CONTENT credit_hold",
        "interaction": "BASIC CONTACT CONTENT",
        "lead": "BASIC CONTACT AMOUNT METRIC CONTENT",
        "opportunity": "BASIC AMOUNT METRIC CONTENT",
        "ticket": "BASIC METRIC CONTENT",
        "contract": "BASIC AMOUNT",
        "task": "BASIC CONTENT",
    },
    "marketing": {"customer": "BASIC METRIC CONTACT:MASKED", "task": "BASIC CONTENT"},
    "analyst": {
        "customer": "BASIC AMOUNT METRIC contact_points.label:MASKED",
        "interaction": "BASIC outcome:MASKED location:MASKED thread_key:MASKED external_refs.external_id:MASKED",
        "lead": "BASIC AMOUNT METRIC name:MASKED assignment_reason:MASKED external_refs.external_id:MASKED",
        "opportunity": "BASIC AMOUNT METRIC name:MASKED next_step:MASKED",
        "ticket": "BASIC METRIC subject:MASKED external_refs.external_id:MASKED",
        "contract": "BASIC AMOUNT title:MASKED payment_terms:MASKED",
        "task": "BASIC AMOUNT METRIC title:MASKED external_refs.external_id:MASKED",
    },
    "auditor": {},
    "erp": {"customer": "BASIC CONTACT BILLING AMOUNT credit_hold", "contract": "BASIC AMOUNT BILLING"},
    "commerce": {"customer": "BASIC CONTACT BILLING"},
    "call_centre": {
        "customer": "kind phone:LOOKUP email:LOOKUP contact_points.e164:LOOKUP",
        "interaction": "BASIC CONTACT CONTENT",
    },
    "admin": {},
    EVERYONE: {},
}


# The texts of what is a customer's that are not marked as personal: places, things, keys, and names of companies. One
# that people write in words of their own does not belong here.
NAMES_NOBODY: Mapping[str, str] = {
    "customer": "addresses.city addresses.country addresses.district addresses.province attachments.media_type"
    " bank_name city country currency"
    " industry language number province registration_number",
    "interaction": "attachments.media_type",
    "lead": "attachments.media_type campaign city company_name currency disqualification_reason industry job_title"
    " product_interest province stage_history.reason",
    "opportunity": "attachments.media_type campaign competitor currency loss_reason product_interest"
    " stage_history.reason",
    "task": "attachments.media_type",
    "ticket": "attachments.media_type number product serial_number stage_history.reason",
    "contract": "attachments.media_type bank_name currency lines.currency lines.name lines.sku lines.unit number"
    " service_level stage_history.reason",
}


def test_default_table_is_sound() -> None:
    require_sound(DEFAULT_ROLES, CATALOG)


def test_default_roles_pick_no_records_by_what_they_do_not_read() -> None:
    assert unread_predicates(Policy(0, DEFAULT_ROLES), CATALOG) == []


def seller(*rules: GrantRule, inherits: tuple[str, ...] = ()) -> RoleRule:
    return RoleRule("seller", "", "", "", {"customer": rules}, inherits=inherits)


LITTLE = GrantRule(EVERY_ROW, {DataClass.BASIC: READ, DataClass.CONTACT: MASKED}, {}, ())
MUCH = GrantRule(EVERY_ROW, {DataClass.CONTACT: READ}, {}, ())
BY_PHONE = GrantRule(RowScope(RowRule.WHERE, '{"phone":{"isNull":false}}'), {DataClass.METRIC: READ}, {}, ())
CALLER = RoleRule("caller", "", "", "", {"customer": (MUCH,)})
SELLERS = {
    "one role": {"seller": seller(LITTLE, MUCH, BY_PHONE)},
    "a role and one that it inherits": {"caller": CALLER, "seller": seller(LITTLE, BY_PHONE, inherits=("caller",))},
}


@pytest.mark.parametrize("roles", SELLERS.values(), ids=SELLERS)
def test_a_condition_may_name_what_the_highest_of_several_grants_on_every_record_reads(
    roles: Mapping[str, RoleRule],
) -> None:
    assert unread_predicates(Policy(0, roles), CATALOG) == []


def test_a_condition_may_not_name_what_no_grant_on_every_record_reads() -> None:
    (found,) = unread_predicates(Policy(0, {"seller": seller(LITTLE, LITTLE, BY_PHONE)}), CATALOG)

    assert (found.role, found.entity_type, found.problem.path) == ("seller", "customer", ("phone",))


@pytest.mark.parametrize("role", DEFAULT_ROLES)
def test_matrix_of_role_type_and_data_class(role: str) -> None:
    access = access_of(role)
    expected = {**FOR_EVERYONE, **CEILINGS[role]}

    for entity in CATALOG.roots:
        named = {
            name: Level[level] if level else READ
            for name, _, level in (word.partition(":") for word in expected.get(entity.name, "").split())
        }
        shown = {path.rpartition(".")[0] for path, _ in field_paths(CATALOG, entity) if path in named}
        shown |= {path.rpartition(".")[0] for path, f in field_paths(CATALOG, entity) if f.data_class.value in named}
        for path, field in field_paths(CATALOG, entity):
            wanted = named.get(path, named.get(field.data_class.value, HIDDEN))
            owner, _, name = path.rpartition(".")
            if name in STRUCTURE and (owner in shown or (not owner and named)):
                wanted = READ
            assert access.ceiling(entity.name, path) == wanted, (role, entity.name, path)


@pytest.mark.parametrize(
    ("role", "entity_type", "rule"), [pytest.param(*row, id=f"{row[0]}-{row[1]}") for row in table()]
)
def test_each_row_of_the_table_holds_on_the_rows_of_its_scope(role: str, entity_type: str, rule: object) -> None:
    assert rule in DEFAULT_ROLES[role].grants[entity_type]
    access = access_of(role)
    given = next(r for r in DEFAULT_ROLES[role].grants[entity_type] if r is rule)
    reaching = [g for g in access.grants(entity_type) if g.scope in (given.scope, EVERY_ROW)]

    for path, field in field_paths(CATALOG, CATALOG[entity_type]):
        by_class = given.levels.get(field.data_class, HIDDEN)
        wanted = given.fields.get(path, min(by_class, given.personal) if field.info.personal else by_class)
        assert max(g.level(path) for g in reaching) >= wanted, path


@pytest.mark.parametrize("role", DEFAULT_ROLES)
def test_internal_and_identity_reach_no_default_role(role: str) -> None:
    access = access_of(role)
    for entity in CATALOG.roots:
        for path, field in field_paths(CATALOG, entity):
            if field.data_class in (DataClass.INTERNAL, DataClass.IDENTITY):
                assert access.ceiling(entity.name, path) is HIDDEN, path


def test_cost_reaches_sales_managers_alone_and_for_their_own_deals() -> None:
    holders = {(role, type_, rule.scope) for role, type_, rule in table() if rule.levels.get(DataClass.COST)}

    assert holders == {("sales_manager", "opportunity", OWN), ("sales_manager", "contract", OWN)}


def test_sales_manager_has_what_sales_have_and_the_records_of_the_team_and_below() -> None:
    manager, sales = access_of("sales_manager"), access_of("sales")

    assert {g.scope for g in manager.grants("customer")} == {OWN, TEAM_AND_BELOW, IN_POOL}
    assert {g.scope for g in sales.grants("customer")} == {OWN, IN_POOL}
    assert manager.actions - sales.actions == {"leads:assign"}
    assert sales.actions <= manager.actions
    assert manager.roles == ("sales_manager",)
    for entity_type, grants in sales.types.items():
        for given in grants:
            same = next(g for g in manager.grants(entity_type) if g.scope == given.scope)
            assert given.writes <= same.writes
            assert all(same.level(path) >= level for path, level in given.levels.items())


def test_marketing_sees_no_person_and_no_contact_in_full() -> None:
    (given,) = access_of("marketing").grants("customer")

    assert (given.scope, given.level("name"), given.level("phone")) == (ORGANIZATIONS, READ, MASKED)
    assert set(access_of("marketing").types) == {"customer", "task", *FOR_EVERYONE}
    assert access_of("marketing").actions == {f"tasks:{verb}" for verb in (*EDIT, "assign", "complete")}


def test_analyst_reads_nothing_of_a_person_that_is_marked_as_personal() -> None:
    access = access_of("analyst")
    for entity in CATALOG.roots:
        for path, field in field_paths(CATALOG, entity):
            if field.info.personal:
                assert level(access, entity.name, path) <= MASKED, (entity.name, path)
    everyone, organizations = access.grants("customer")
    assert (everyone.level("name"), everyone.level("short_name"), everyone.level("city")) == (MASKED, MASKED, READ)
    assert (organizations.scope, organizations.level("name"), organizations.level("phone")) == (
        ORGANIZATIONS,
        READ,
        HIDDEN,
    )
    assert (everyone.level("website"), organizations.level("short_name"), organizations.level("website")) == (
        MASKED,
        READ,
        READ,
    )
    assert access.actions == {"export"}


@pytest.mark.parametrize("entity_type", NAMES_NOBODY)
def test_every_text_that_may_name_a_person_is_marked_as_personal(entity_type: str) -> None:
    texts = {
        path
        for path, field in field_paths(CATALOG, CATALOG[entity_type])
        if field.kind is Kind.TEXT and not field.info.personal and not path.startswith("external_refs.")
    }

    assert texts == set(NAMES_NOBODY[entity_type].split())


def test_auditor_may_ask_why_and_sees_no_record() -> None:
    access = access_of("auditor")

    assert set(access.types) == set(FOR_EVERYONE)
    assert access.actions == {"access:explain", "audit:read", "roles:read"}


def test_systems_find_people_by_the_whole_number_and_see_in_full_what_they_know() -> None:
    everywhere, known = access_of("commerce").grants("customer")

    assert (everywhere.scope, known.scope) == (EVERY_ROW, KNOWN_TO_SHOP)
    assert (everywhere.level("phone"), everywhere.level("name"), everywhere.writes) == (LOOKUP, HIDDEN, frozenset())
    assert (known.level("phone"), known.level("total_spent"), known.level("bank_account")) == (READ, HIDDEN, HIDDEN)
    assert ("phone" in known.writes, "tier" in known.writes) == (True, False)
    (callers,) = access_of("call_centre").grants("customer")
    assert (callers.scope, callers.level("phone"), callers.level("name")) == (EVERY_ROW, LOOKUP, HIDDEN)
    assert {g.scope for g in access_of("call_centre").grants("interaction")} == {OWN, KNOWN_TO_CALL_CENTRE}


def test_action_of_an_approver_is_given_to_no_default_role() -> None:
    for action in ("contracts:approve", "unmask", "erase"):
        assert not [role for role in DEFAULT_ROLES if access_of(role).may(action)], action


def test_sales_see_own_customers_in_full_and_the_pool_masked() -> None:
    own, pool = access_of("sales").grants("customer")

    assert (own.scope, pool.scope) == (OWN, IN_POOL)
    assert (own.level("phone"), own.level("tax_id"), own.level("name")) == (READ, READ, READ)
    assert (own.level("bank_account"), own.level("kyc_status"), own.level("id_number")) == (HIDDEN, HIDDEN, HIDDEN)
    assert (pool.level("name"), pool.level("phone"), pool.level("contact_points.raw")) == (MASKED, MASKED, MASKED)
    assert (pool.level("city"), pool.level("tax_id"), pool.level("description")) == (READ, HIDDEN, HIDDEN)
    assert pool.writes == frozenset()


def test_sales_write_own_customers_but_not_credit_and_tier() -> None:
    access = access_of("sales")

    assert access.may_write("customer", "name")
    assert access.may_write("customer", "contact_points.raw")
    assert access.may_write("customer", "annual_revenue")
    for field in ("credit_hold", "credit_limit", "tier", "bank_account", "version", "contact_points.e164"):
        assert not access.may_write("customer", field), field


def test_credit_hold_is_told_to_who_sells_and_set_by_who_runs_credit() -> None:
    told = {role for role in DEFAULT_ROLES if access_of(role).ceiling("customer", "credit_hold") is not HIDDEN}

    assert told == {"sales", "sales_manager", "crm_manager", "finance", "erp"}
    assert {role for role in told if access_of(role).may_write("customer", "credit_hold")} == {"finance", "erp"}
    own, pool = access_of("sales").grants("customer")
    assert (own.level("credit_hold"), pool.level("credit_hold")) == (READ, HIDDEN)


def test_service_looks_phones_up_and_reads_them_with_an_open_ticket() -> None:
    everywhere, with_ticket = access_of("service").grants("customer")

    assert (everywhere.scope, with_ticket.scope) == (EVERY_ROW, OPEN_TICKET_OF_VIEWER)
    assert (everywhere.level("phone"), with_ticket.level("phone")) == (LOOKUP, READ)
    assert (everywhere.level("total_spent"), everywhere.level("order_count")) == (HIDDEN, READ)


def test_service_sees_the_period_of_every_contract_but_no_amount() -> None:
    access = access_of("service")

    for field in ("number", "title", "kind", "starts_on", "ends_on", "service_level", "lines.name", "lines.quantity"):
        assert level(access, "contract", field) is READ, field
    for field in ("net_amount", "cost", "tax_id", "bank_account", "terms", "lines.unit_price"):
        assert access.ceiling("contract", field) is HIDDEN, field


def test_service_has_tickets_of_its_teams_and_its_own() -> None:
    assert {g.scope for g in access_of("service").grants("ticket")} == {TEAM, OWN}


def test_finance_sees_consumers_masked_and_organisations_in_full() -> None:
    everywhere, organizations = access_of("finance").grants("customer")

    assert (everywhere.level("phone"), organizations.level("phone")) == (MASKED, READ)
    assert (everywhere.level("bank_account"), everywhere.level("kyc_status")) == (READ, READ)
    assert everywhere.level("risk_rating") is HIDDEN
    assert everywhere.level("description") is HIDDEN
    assert access_of("finance").ceiling("interaction", "body") is HIDDEN


def test_erp_sees_keys_of_all_customers_and_the_rest_of_those_it_knows() -> None:
    everywhere, known = access_of("erp").grants("customer")

    assert (everywhere.scope, known.scope) == (EVERY_ROW, KNOWN_TO_ERP)
    assert set(everywhere.levels) == {"kind", "name", "number", "registration_number", "tax_id", *STRUCTURE}
    assert (known.level("phone"), known.level("bank_account")) == (READ, HIDDEN)
    assert (everywhere.writes, "tax_id" in known.writes) == (frozenset(), True)


def test_admin_manages_users_and_sees_no_customer() -> None:
    access = access_of("admin")

    assert set(access.types) == {"user", "team", "pipeline", "stage"}
    assert access.may_write("user", "name")
    assert not access.may_write("user", "status")
    assert access.may("roles:assign")
    assert access.may("roles:manage")
    assert not access.may("customers:update")


def test_whoever_has_no_role_sees_the_directory_alone() -> None:
    access = access_of()

    assert set(access.types) == {"user", "team", "pipeline", "stage"}
    assert access.actions == frozenset()
    assert level(access, "user", "name") is READ
    assert level(access, "user", "phone") is HIDDEN
    assert level(access, "user", "phone", RowRule.OWN) is READ
