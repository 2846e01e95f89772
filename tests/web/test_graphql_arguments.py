"""What is wrong with an argument is led to, wherever it stands, and told in the reader's language."""

import pytest

from .conftest import Crm


@pytest.mark.parametrize(
    ("document", "argument"),
    [
        ("{ customers(first: -1) { totalCount } }", ["customers", "first"]),
        ("{ all: customers(last: 201) { totalCount } }", ["all", "last"]),
        ("{ customers(offset: 10001) { totalCount } }", ["customers", "offset"]),
        ('{ customers(after: "x") { totalCount } }', ["customers", "after"]),
        ('{ customers { nodes { leads(before: "x") { totalCount } } } }', ["leads", "before"]),
        ("{ customers { nodes { timeline(first: 201) { nodes { id } } } } }", ["timeline", "first"]),
        ('{ node(id: "x") { id } }', ["node", "id"]),
        ('{ customer(id: "x") { id } }', ["customer", "id"]),
        (
            '{ customer(externalRef: { source: "\\u0000", externalId: "1" }) { id } }',
            ["customer", "externalRef", "source"],
        ),
        ("{ customersAggregate(first: 1001) { groupsCapped } }", ["customersAggregate", "first"]),
        (
            '{ customersAggregate(groupBy: [{ createdAt: { by: DAY, zone: "Mars/Base" } }]) { groupsCapped } }',
            ["customersAggregate", "groupBy", "0", "createdAt", "zone"],
        ),
        (f'{{ customers(search: "{"x" * 201}") {{ totalCount }} }}', ["customers", "search"]),
        (f'{{ search(text: "{"x" * 201}") {{ hits {{ type }} }} }}', ["search", "text"]),
        ("query($n: Int = 300) { customers(first: $n) { totalCount } }", ["customers", "first"]),
    ],
)
async def test_a_value_in_the_document_is_led_to(crm: Crm, document: str, argument: list[str]) -> None:
    answer = await crm.ask("sun", document)

    (error,) = answer.json["errors"]
    assert (answer.status, error["extensions"]) == (400, {"code": "BAD_VARIABLES", "argument": argument})


async def test_a_value_of_a_variable_is_led_to(crm: Crm) -> None:
    query = "query($n: Int) { customers(first: $n) { totalCount } }"

    answers = [await crm.ask("sun", query, {"n": 201}), await crm.ask("sun", query, {"n": 201})]

    assert [a.json["errors"][0]["extensions"]["argument"] for a in answers] == [["n"], ["n"]]


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ('createdAt: { gte: "2026-11-22" }', "应为日期时间，例如 2026-11-22T09:30:00+08:00。"),
        ('createdAt: { gte: { start: "day", zone: "Mars/Base" } }', "应为时区，例如 Asia/Shanghai。"),
        ('creditLimit: { gte: "viel" }', "应为数字，例如 1280.50。"),
    ],
)
async def test_scalars_of_ours_are_refused_in_chinese(crm: Crm, condition: str, message: str) -> None:
    answer = await crm.ask("sun", f"{{ customers(where: {{ {condition} }}) {{ totalCount }} }}", Accept_Language="zh")

    assert answer.error == (400, "VALIDATION_FAILED", message)


async def test_a_scalar_in_a_variable_is_refused_in_chinese(crm: Crm) -> None:
    query = "query($since: DateTime) { customers(where: { createdAt: { gte: $since } }) { totalCount } }"

    answer = await crm.ask("sun", query, {"since": "gestern"}, Accept_Language="zh")

    told = "Variable '$since' has invalid value: 应为日期时间，例如 2026-11-22T09:30:00+08:00。"
    assert answer.error == (400, "BAD_VARIABLES", told)


async def test_a_type_without_external_refs_asks_for_an_id_alone(crm: Crm) -> None:
    answers = [await crm.ask("sun", f"{{ {field} {{ id }} }}") for field in ("user", "customer")]

    assert [answer.error[2] for answer in answers] == ["Give an id.", "Give either id or externalRef."]
