"""The default policy and what becomes of it: cells, unions, scopes, default deny, and what validation refuses."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import pytest

from crm_graph.access import EVERY_ROW, Access, Level
from crm_graph.catalog import Catalog, CatalogError, build_catalog
from crm_graph.models.fields import DataClass, FieldInfo
from crm_graph.models.roles import RowRule
from crm_graph.permissions.effective import STRUCTURE, effective_access, field_paths, full_access
from crm_graph.permissions.policy import (
    DEFAULT_ROLES,
    IN_POOL,
    KNOWN_TO_CALL_CENTRE,
    KNOWN_TO_ERP,
    KNOWN_TO_SHOP,
    OPEN_TICKET_OF_VIEWER,
    ORGANIZATIONS,
    table,
)
from crm_graph.permissions.rules import ALL, EVERYONE, OWN, TEAM, TEAM_AND_BELOW, Policy, RoleRule, grant, where
from crm_graph.permissions.validation import problems_of, require_sound

CATALOG = build_catalog()
POLICY = Policy(1, DEFAULT_ROLES)
HIDDEN, MASKED, LOOKUP, READ = Level.HIDDEN, Level.MASKED, Level.LOOKUP, Level.READ

# The highest level that any row can have, by role, type and data class; children of a type count with it.
# Where the fields of a class differ they are named themselves. What is named is read, or has the level that stands
# behind it; a field goes before its class. What is not named is hidden.
CEILINGS: Mapping[str, Mapping[str, str]] = {
    "sales": {
        "customer": "BASIC CONTACT BILLING AMOUNT METRIC CONTENT",
        "interaction": "BASIC CONTACT CONTENT",
        "lead": "BASIC CONTACT AMOUNT METRIC CONTENT",
        "opportunity": "BASIC AMOUNT METRIC CONTENT",
        "ticket": "BASIC METRIC CONTENT",
        "contract": "BASIC AMOUNT BILLING CONTENT",
    },
    "sales_manager": {
        "customer": "BASIC CONTACT BILLING AMOUNT METRIC CONTENT",
        "interaction": "BASIC CONTACT CONTENT",
        "lead": "BASIC CONTACT AMOUNT METRIC CONTENT",
        "opportunity": "BASIC AMOUNT COST METRIC CONTENT",
        "ticket": "BASIC METRIC CONTENT",
        "contract": "BASIC AMOUNT COST BILLING CONTENT",
    },
    "service": {
        "customer": ("BASIC CONTACT order_count first_purchase_on last_purchase_on last_interaction_at health_score"),
        "interaction": "BASIC CONTACT CONTENT",
        "lead": "BASIC CONTACT CONTENT",
        "ticket": "BASIC METRIC CONTENT",
        "contract": "BASIC",
    },
    "finance": {
        "customer": "BASIC CONTACT BILLING BANK AMOUNT METRIC kyc_status",
        "interaction": "BASIC",
        "contract": "BASIC AMOUNT BILLING BANK",
    },
    "crm_manager": {
        "customer": "BASIC CONTACT BILLING AMOUNT METRIC CONTENT",
        "interaction": "BASIC CONTACT CONTENT",
        "lead": "BASIC CONTACT AMOUNT METRIC CONTENT",
        "opportunity": "BASIC AMOUNT METRIC CONTENT",
        "ticket": "BASIC METRIC CONTENT",
        "contract": "BASIC AMOUNT",
    },
    "marketing": {"customer": "BASIC METRIC CONTACT:MASKED"},
    "analyst": {
        "customer": "BASIC AMOUNT METRIC",
        "interaction": "BASIC external_refs.external_id:MASKED",
        "lead": "BASIC AMOUNT METRIC name:MASKED external_refs.external_id:MASKED",
        "opportunity": "BASIC AMOUNT METRIC",
        "ticket": "BASIC METRIC external_refs.external_id:MASKED",
        "contract": "BASIC AMOUNT",
    },
    "auditor": {},
    "erp": {"customer": "BASIC CONTACT BILLING AMOUNT", "contract": "BASIC AMOUNT BILLING"},
    "commerce": {"customer": "BASIC CONTACT BILLING"},
    "call_centre": {
        "customer": "kind phone:LOOKUP email:LOOKUP contact_points.e164:LOOKUP",
        "interaction": "BASIC CONTACT CONTENT",
    },
    "admin": {},
    EVERYONE: {},
}
FOR_EVERYONE = {"user": "BASIC CONTACT", "team": "BASIC", "pipeline": "BASIC", "stage": "BASIC"}


def access_of(*roles: str, scopes: frozenset[str] | None = None, policy: Policy = POLICY) -> Access:
    return effective_access(policy, CATALOG, roles, scopes)


def level(access: Access, entity_type: str, field: str, rule: RowRule = RowRule.ALL) -> Level:
    """The level that the grants with this row rule give."""
    return max((g.level(field) for g in access.grants(entity_type) if g.scope.rule is rule), default=HIDDEN)


def with_role(role: RoleRule) -> Policy:
    return Policy(1, {role.key: role})


def test_default_table_is_sound() -> None:
    require_sound(DEFAULT_ROLES, CATALOG)


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
    assert set(access_of("marketing").types) == {"customer", *FOR_EVERYONE}
    assert access_of("marketing").actions == frozenset()


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
    assert access.actions == {"export"}


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
    assert access.may_write("user", "status")
    assert access.may("roles:manage")
    assert not access.may("customers:update")


def test_whoever_has_no_role_sees_the_directory_alone() -> None:
    access = access_of()

    assert set(access.types) == {"user", "team", "pipeline", "stage"}
    assert access.actions == frozenset()
    assert level(access, "user", "name") is READ
    assert level(access, "user", "phone") is HIDDEN
    assert level(access, "user", "phone", RowRule.OWN) is READ


def test_unknown_role_gives_nothing() -> None:
    assert access_of("superuser").fingerprint == access_of().fingerprint
    assert access_of("superuser").roles == ()


def test_union_of_overlapping_grants_is_per_cell() -> None:
    wide = grant(ALL, read=[DataClass.BASIC], masked=[DataClass.CONTACT])
    own = grant(OWN, read=[DataClass.CONTACT])
    policy = Policy(
        1,
        {
            "wide": RoleRule("wide", "w", "w", "", {"customer": (wide,)}),
            "own": RoleRule("own", "o", "o", "", {"customer": (own,)}),
        },
    )

    grants = access_of("wide", "own", policy=policy).grants("customer")

    assert [(g.scope, g.level("name"), g.level("phone")) for g in grants] == [
        (EVERY_ROW, READ, MASKED),
        (OWN, HIDDEN, READ),
    ]


def test_grants_on_the_same_rows_become_one_and_weaker_ones_vanish() -> None:
    access = access_of("sales", "crm_manager")

    assert [g.scope for g in access.grants("customer")] == [EVERY_ROW]
    assert access.ceiling("customer", "bank_account") is HIDDEN


def test_fingerprint_depends_on_rights_and_not_on_the_order_of_roles_or_the_version() -> None:
    newer = Policy(2, DEFAULT_ROLES)

    assert access_of("sales", "service").fingerprint == access_of("service", "sales").fingerprint
    assert effective_access(newer, CATALOG, {"sales"}).fingerprint == access_of("sales").fingerprint
    assert access_of("sales").fingerprint != access_of("service").fingerprint


def test_equal_calls_give_one_object() -> None:
    assert access_of("finance", "sales") is access_of("sales", "finance")


def _chain(**above: tuple[str, ...]) -> Policy:
    """Roles that each read the field of their name, and inherit these."""
    return Policy(
        1,
        {
            key: RoleRule(
                key, key, key, "", {"customer": (grant(ALL, fields={key: READ}),)}, frozenset(), inherits=inherits
            )
            for key, inherits in above.items()
        },
    )


def test_role_has_what_the_roles_that_it_inherits_have_to_any_depth() -> None:
    policy = _chain(name=("city",), city=("phone", "email"), phone=(), email=("phone",), tier=("gone",))

    def shown(*roles: str) -> list[str]:
        access = access_of(*roles, policy=policy)
        return [f for f in ("name", "city", "phone", "email", "tier") if access.ceiling("customer", f) is READ]

    assert shown("name") == ["name", "city", "phone", "email"]
    assert shown("email") == ["phone", "email"]
    assert shown("tier") == ["tier"]
    assert access_of("name", policy=policy).roles == ("name",)


def test_inheritance_in_a_circle_is_refused_and_would_end() -> None:
    policy = _chain(name=("city",), city=("phone",), phone=("name",), email=("email",), tier=("name", "gone"))

    assert [(p.template_key, p.path) for p in problems_of(policy.roles, CATALOG)] == [
        ("role_inherits_itself", ("name", "inherits", "city")),
        ("role_inherits_itself", ("city", "inherits", "phone")),
        ("role_inherits_itself", ("phone", "inherits", "name")),
        ("role_inherits_itself", ("email", "inherits", "email")),
        ("unknown_role", ("tier", "inherits", "gone")),
    ]
    assert access_of("name", policy=policy).ceiling("customer", "phone") is READ


def test_what_is_inherited_is_cut_to_the_scopes_of_a_client() -> None:
    access = access_of("sales_manager", scopes=frozenset({"leads:read"}))

    assert set(access.types) == {"lead", *FOR_EVERYONE}
    assert access.actions == frozenset()


def test_grant_shows_no_more_of_what_is_personal_than_it_says() -> None:
    rule = grant(ALL, read=[DataClass.BASIC, DataClass.CONTACT], personal=MASKED, fields={"email": READ})
    policy = with_role(RoleRule("r", "r", "r", "", {"customer": (rule,)}))

    (given,) = access_of("r", policy=policy).grants("customer")

    assert [given.level(f) for f in ("name", "phone", "email", "city")] == [MASKED, MASKED, READ, READ]


def test_grant_that_shows_one_field_also_shows_the_structure_of_the_row() -> None:
    policy = with_role(RoleRule("intern", "i", "i", "", {"customer": (grant(ALL, fields={"name": READ}),)}))

    (given,) = access_of("intern", policy=policy).grants("customer")

    structure = ("id", "version", "created_at", "updated_at", "archived_at")
    assert dict(given.levels) == dict.fromkeys((*structure, "name"), READ)


def test_grant_that_shows_nothing_gives_no_row() -> None:
    policy = with_role(RoleRule("none", "n", "n", "", {"customer": (grant(ALL, writes=["BASIC"]),)}))

    assert access_of("none", policy=policy).types == {}


def test_field_that_is_hidden_cannot_be_written() -> None:
    rule = grant(ALL, read=[DataClass.BASIC], writes=["BASIC", "CONTACT"])
    policy = with_role(RoleRule("r", "r", "r", "", {"customer": (rule,)}))

    access = access_of("r", policy=policy)

    assert access.may_write("customer", "name")
    assert not access.may_write("customer", "phone")


def _with_new_field(data_class: DataClass) -> Catalog:
    customer = CATALOG["customer"]
    added = replace(customer.fields["city"], name="shoe_size", api_name="shoeSize", info=FieldInfo(data_class))
    fields = MappingProxyType({**customer.fields, "shoe_size": added})
    return Catalog({**CATALOG.types, "customer": replace(customer, fields=fields)}, version=2)


@pytest.mark.parametrize(
    ("data_class", "expected"), [(DataClass.KYC, HIDDEN), (DataClass.INTERNAL, HIDDEN), (DataClass.BASIC, READ)]
)
def test_new_field_follows_its_class_and_is_denied_where_the_class_is(data_class: DataClass, expected: Level) -> None:
    access = effective_access(Policy(1, DEFAULT_ROLES), _with_new_field(data_class), {"sales"})

    assert access.ceiling("customer", "shoe_size") is expected


def test_full_access_reads_every_field_and_holds_every_action() -> None:
    access = full_access(CATALOG)

    for entity in CATALOG.roots:
        for path, _ in field_paths(CATALOG, entity):
            assert access.ceiling(entity.name, path) is READ
    assert access.may("backfill")
    assert not access.may_write("customer", "pool_state")


class TestScopes:
    def test_read_scope_keeps_levels_and_takes_writes_and_actions(self) -> None:
        access = access_of("erp", scopes=frozenset({"customers:read"}))

        assert access.ceiling("customer", "phone") is READ
        assert not access.may_write("customer", "phone")
        assert access.grants("contract") == ()
        assert access.actions == frozenset()

    def test_write_scope_keeps_everyday_verbs_and_not_the_bulk_one(self) -> None:
        access = access_of("erp", scopes=frozenset({"customers:write"}))

        assert access.may_write("customer", "phone")
        assert access.actions == frozenset(f"customers:{v}" for v in ("create", "update", "archive", "restore"))

    def test_sync_scope_keeps_the_bulk_verb_alone(self) -> None:
        access = access_of("erp", scopes=frozenset({"sync:contracts"}))

        assert access.may_write("contract", "number")
        assert access.actions == frozenset({"contracts:upsert"})

    def test_scope_never_gives_what_the_roles_do_not(self) -> None:
        access = access_of("erp", scopes=frozenset({"tickets:write", "backfill", "sync:leads"}))

        assert access.grants("ticket") == ()
        assert access.actions == frozenset()

    def test_action_by_its_own_name(self) -> None:
        assert access_of("crm_manager", scopes=frozenset({"backfill"})).actions == frozenset({"backfill"})

    def test_no_scope_leaves_what_everyone_sees_of_the_directory(self) -> None:
        access = access_of("admin", scopes=frozenset())

        assert set(access.types) == {"user", "team", "pipeline", "stage"}
        assert level(access, "user", "phone") is HIDDEN
        assert not access.may_write("user", "name")


def _problems(role: RoleRule) -> list[tuple[str, tuple[str | int, ...]]]:
    return [(p.template_key, p.path) for p in problems_of({role.key: role}, CATALOG)]


@pytest.mark.parametrize(
    ("role", "problem"),
    [
        (
            RoleRule("r", "", "", "", {}, frozenset({"customers:destroy"})),
            ("unknown_action", ("r", "actions", "customers:destroy")),
        ),
        (
            RoleRule("r", "", "", "", {"address": (grant(ALL, read=[DataClass.BASIC]),)}),
            ("unknown_type", ("r", "grants", "address")),
        ),
        (
            RoleRule("r", "", "", "", {"customer": (grant(ALL, read=[DataClass.BASIC], fields={"phon": READ}),)}),
            ("unknown_field", ("r", "grants", "customer", 0, "fields", "phon")),
        ),
        (
            RoleRule("r", "", "", "", {"customer": (grant(ALL, read=[DataClass.INTERNAL, DataClass.BASIC]),)}),
            ("internal_class", ("r", "grants", "customer", 0, "levels", "INTERNAL")),
        ),
        (
            RoleRule("r", "", "", "", {"customer": (grant(ALL, read=[DataClass.BASIC], writes=["field:phone"]),)}),
            ("written_but_hidden", ("r", "grants", "customer", 0, "writes", "field:phone")),
        ),
        (
            RoleRule("r", "", "", "", {"customer": (grant(ALL, read=[DataClass.BASIC], writes=["field:version"]),)}),
            ("field_not_writable", ("r", "grants", "customer", 0, "writes", "field:version")),
        ),
        (
            RoleRule("r", "", "", "", {"stage": (grant(TEAM, read=[DataClass.BASIC]),)}),
            ("row_rule_without_owner", ("r", "grants", "stage", 0, "scope")),
        ),
        (
            RoleRule(
                "r", "", "", "", {"customer": (grant(where({"owner": {"nick": {"eq": "x"}}}), read=[DataClass.BASIC]),)}
            ),
            ("unknown_field", ("r", "grants", "customer", 0, "scope", "owner", "nick")),
        ),
        (
            RoleRule("r", "", "", "", {"customer": (grant(ALL),)}),
            ("grant_without_levels", ("r", "grants", "customer", 0, "levels")),
        ),
    ],
)
def test_validation_names_the_path_of_what_is_wrong(role: RoleRule, problem: tuple[str, tuple[str | int, ...]]) -> None:
    assert _problems(role) == [problem]


def test_start_is_refused_where_the_table_does_not_fit_the_catalog() -> None:
    role = RoleRule("r", "", "", "", {"customer": (grant(ALL, read=[DataClass.BASIC], fields={"phon": READ}),)})

    with pytest.raises(CatalogError, match=r"r\.grants\.customer\.0\.fields\.phon: unknown_field"):
        require_sound({"r": role}, CATALOG)


def test_stored_predicate_that_no_longer_reads_gives_no_row() -> None:
    gone = grant(where({"shoeSize": {"eq": 42}}), read=[DataClass.BASIC])

    assert access_of("r", policy=with_role(RoleRule("r", "", "", "", {"customer": (gone,)}))).types == {}
