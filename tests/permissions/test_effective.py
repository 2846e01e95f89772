"""What becomes of roles: unions of grants, inheritance, scopes of clients, default deny."""

from dataclasses import replace
from types import MappingProxyType

import pytest

from crm_graph.access import EVERY_ROW, Level
from crm_graph.catalog import Catalog
from crm_graph.models.fields import DataClass, FieldInfo
from crm_graph.permissions.effective import STRUCTURE, effective_access, field_paths, full_access
from crm_graph.permissions.policy import DEFAULT_ROLES
from crm_graph.permissions.rules import ALL, OWN, Policy, RoleRule, grant
from crm_graph.permissions.validation import problems_of

from .granting import CATALOG, FOR_EVERYONE, HIDDEN, MASKED, READ, access_of, with_role


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

    def test_no_scope_leaves_a_client_its_own_account(self) -> None:
        access = access_of("admin", scopes=frozenset())

        (account,) = access.grants("user")
        assert (set(access.types), access.actions) == ({"user"}, frozenset())
        assert (account.scope, account.level("username"), account.writes) == (OWN, READ, frozenset())

    def test_records_keep_what_their_owner_team_and_stage_are_called(self) -> None:
        access = access_of("sales", scopes=frozenset({"leads:read"}))

        (user, account), (team,) = access.grants("user"), access.grants("team")
        assert (user.scope, set(user.levels)) == (EVERY_ROW, {"name", *STRUCTURE})
        assert (account.scope, account.level("username")) == (OWN, READ)
        assert set(team.levels) == {"key", "name", *STRUCTURE}
        assert access.types["stage"] == access_of("sales").types["stage"]
        assert access.types["pipeline"] == access_of("sales").types["pipeline"]

    def test_records_without_stages_lead_to_none(self) -> None:
        assert set(access_of("sales", scopes=frozenset({"interactions:read"})).types) == {"interaction", "user", "team"}

    def test_scope_of_its_own_keeps_what_everyone_sees_of_users(self) -> None:
        access = access_of("sales", scopes=frozenset({"leads:read", "users:read"}))

        assert access.types["user"] == access_of("sales").types["user"]
        assert access.ceiling("team", "path") is HIDDEN
        assert not access.may_write("user", "name")
