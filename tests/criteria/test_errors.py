"""What is wrong with a predicate is told with the path to it; rights decide which names exist."""

from typing import Any

import pytest

from crm_graph.criteria.reading import MAX_DEPTH, Reader, stored_leaf
from crm_graph.errors import CrmError
from reference.compiled import catalog, default_access


def deep(levels: int) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for _ in range(levels):
        tree = {"not": tree}
    return tree


@pytest.mark.parametrize(
    ("tree", "template", "path"),
    [
        ({"neverWas": {"eq": 1}}, "unknown_field", ("neverWas",)),
        ({"customer": {"owner": {"nam": {"eq": "a"}}}}, "unknown_field", ("customer", "owner", "nam")),
        ({"name": {"like": "a"}}, "unknown_operator", ("name", "like")),
        ({"name": {"eq": None}}, "predicate_null", ("name", "eq")),
        ({"name": "a"}, "predicate_object", ("name",)),
        ({"and": {"name": {"eq": "a"}}}, "predicate_list", ("and",)),
        ({"amount": {"gt": "much"}}, "not_a_value", ("amount", "gt")),
        ({"interactions": {"any": {}}}, "unknown_operator", ("interactions", "any")),
        ({"owner": {"id": {"eq": {"$viewer": "name"}}}}, "predicate_value", ("owner", "id", "eq")),
        ({"stage": {"category": {"in": "OPEN"}}}, "predicate_value", ("stage", "category", "in")),
        (deep(MAX_DEPTH + 1), "predicate_depth", ("not",) * (MAX_DEPTH + 1)),
    ],
)
def test_error_leads_to_what_is_wrong(tree: dict[str, Any], template: str, path: tuple[str, ...]) -> None:
    with pytest.raises(CrmError) as caught:
        Reader(catalog(), None, stored_leaf).read(catalog()["opportunity"], tree)

    assert (caught.value.template_key, caught.value.path) == (template, path)


@pytest.mark.parametrize(
    ("role", "entity", "tree"),
    [
        ("sales", "opportunity", {"cost": {"gt": "1"}}),
        ("service", "customer", {"opportunities": {"some": {}}}),
        ("service", "customer", {"wechatId": {"isNull": True}, "bankAccount": {"eq": "1"}}),
        ("finance", "customer", {"contactPoints": {"some": {"neverWas": {"eq": "1"}}}}),
        ("admin", "user", {"teams": {"some": {"parent": {"secret": {"eq": "1"}}}}}),
    ],
)
def test_name_that_rights_take_away_is_unknown(role: str, entity: str, tree: dict[str, Any]) -> None:
    with pytest.raises(CrmError) as caught:
        Reader(catalog(), default_access([role]), stored_leaf).read(catalog()[entity], tree)

    assert caught.value.template_key == "unknown_field"
