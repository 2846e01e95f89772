"""What is wrong with a predicate is told with the path to it; rights decide which names exist."""

from typing import Any

import pytest

from crm_graph.criteria.reading import MAX_DEPTH, MAX_TERMS, PredicateReader, check_stored_where, stored_leaf
from crm_graph.errors import CrmError
from crm_graph.messages import render
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
        ({"amount": {"gt": "much"}}, "number_invalid", ("amount", "gt")),
        ({"interactions": {"any": {}}}, "unknown_operator", ("interactions", "any")),
        ({"owner": {"id": {"eq": {"$viewer": "name"}}}}, "predicate_value", ("owner", "id", "eq")),
        ({"name": {"eq": {"$viewer": "id"}}}, "predicate_value", ("name", "eq")),
        ({"owner": {"id": {"eq": {"$viewer": "team_ids"}}}}, "predicate_value", ("owner", "id", "eq")),
        ({"owner": {"id": {"in": {"$viewer": "id"}}}}, "predicate_value", ("owner", "id", "in")),
        ({"owner": {"id": {"isNull": {"$viewer": "id"}}}}, "predicate_value", ("owner", "id", "isNull")),
        ({"stage": {"category": {"in": "OPEN"}}}, "predicate_value", ("stage", "category", "in")),
        ({"interactions": {"count": {"isNull": True}}}, "unknown_operator", ("interactions", "count", "isNull")),
        ({"interactions": {"count": {"gte": "3"}}}, "not_an_int", ("interactions", "count", "gte")),
        ({"interactions": {"count": {"where": {"x": {}}}}}, "unknown_field", ("interactions", "count", "where", "x")),
        ({"interactions": {"count": 3}}, "predicate_object", ("interactions", "count")),
        ({"or": [{}, {"name": {"eq": 5}}]}, "not_a_text", ("or", 1, "name", "eq")),
        ({"createdAt": {"gte": {"ago": "P9999999Y"}}}, "duration_range", ("createdAt", "gte", "ago")),
        ({"expectedCloseOn": {"gte": {"ago": "PT1H"}}}, "duration_of_date", ("expectedCloseOn", "gte", "ago")),
        (
            {"expectedCloseOn": {"in": [{"start": "day", "zone": "X"}]}},
            "time_zone_invalid",
            ("expectedCloseOn", "in", 0, "zone"),
        ),
        ({"name": {"eq": {"ago": "P1D"}}}, "not_a_text", ("name", "eq")),
        (deep(MAX_DEPTH + 1), "predicate_depth", ("not",) * (MAX_DEPTH + 1)),
    ],
)
def test_error_leads_to_what_is_wrong(tree: dict[str, Any], template: str, path: tuple[str, ...]) -> None:
    with pytest.raises(CrmError) as caught:
        PredicateReader(catalog(), None, stored_leaf).read(catalog()["opportunity"], tree)

    assert (caught.value.template_key, caught.value.path) == (template, path)
    assert caught.value.code == "INVALID"


def test_everything_that_is_wrong_with_a_stored_predicate_is_found() -> None:
    tree = {
        "nmae": {"eq": "a"},
        "amount": {"gt": "much", "like": "1", "lt": None},
        "or": [{"stage": {"category": {"in": ["OPEN", "SHUT"]}}}, {"name": {"eq": "fine"}}, "not an object"],
        "customer": {"interactions": {"some": {"channle": {"eq": "CALL"}}, "count": {"gt": 1.5}, "most": {}}},
        "createdAt": {"gte": {"start": "decade"}, "lt": {"in": "tomorrow"}},
        "owner": {"id": {"eq": {"$viewer": "id"}}},
    }

    problems = check_stored_where(catalog(), catalog()["opportunity"], tree)

    assert [(p.code, ".".join(map(str, p.path)), render(p, "en")) for p in problems] == [
        ("INVALID", "nmae", "There is no such field."),
        ("INVALID", "amount.gt", "A number is expected, such as 1280.50."),
        ("INVALID", "amount.like", "There is no such operator for this field."),
        ("INVALID", "amount.lt", "Null is no condition here; use isNull."),
        ("INVALID", "or.0.stage.category.in.1", "A value of type ENUM is expected."),
        ("INVALID", "or.2", "A condition is an object."),
        ("INVALID", "customer.interactions.some.channle", "There is no such field."),
        ("INVALID", "customer.interactions.count.gt", "A whole number of at most 32 bits is expected, such as 42."),
        ("INVALID", "customer.interactions.most", "There is no such operator for this field."),
        ("INVALID", "createdAt.gte.start", "The start is one of these: hour, day, week, month, quarter, year."),
        ("INVALID", "createdAt.lt.in", "An ISO 8601 duration of whole numbers is expected, such as P90D or P1M."),
    ]


def test_a_predicate_of_too_many_terms_is_refused() -> None:
    tree = {"or": [{"name": {"eq": "a"}} for _ in range(MAX_TERMS)]}

    (problem,) = check_stored_where(catalog(), catalog()["customer"], tree)

    assert (problem.template_key, problem.path) == ("predicate_too_long", ("or", MAX_TERMS - 1, "name"))


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
        PredicateReader(catalog(), default_access([role]), stored_leaf).read(catalog()[entity], tree)

    assert caught.value.template_key == "unknown_field"
