"""What validation refuses of roles, by the path to it."""

import pytest

from crm_graph.catalog import CatalogError
from crm_graph.models.fields import DataClass
from crm_graph.permissions.rules import ALL, TEAM, RoleRule, grant, where
from crm_graph.permissions.validation import problems_of, require_sound

from .granting import CATALOG, READ, access_of, with_role


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
