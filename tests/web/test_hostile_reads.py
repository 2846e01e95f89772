"""Documents and variables made to break something: each is refused with its code and place, or answered, and none takes
longer than a statement may.
"""

import base64
from typing import Any

import orjson
import pytest

from .conftest import Answer, Crm

INVALID, PARSE, VARIABLES, COST = "VALIDATION_FAILED", "PARSE_FAILED", "BAD_VARIABLES", "COST_EXCEEDED"
NAMED = "query($t: String) { customers(where: { name: { contains: $t } }) { totalCount } }"
WHERE = "query($w: CustomerWhere) { customers(where: $w) { totalCount } }"
PAGE = "query($f: Int) { mine: customers(first: $f) { nodes { id } } }"
AFTER = "query($a: String) { all: customers(after: $a) { nodes { id } } }"
ID = "019aaaaa-0000-7000-8100-000000000001"


async def soon(crm: Crm, document: str, variables: dict[str, Any] | None = None) -> Answer:
    """The answer, which took no longer than a statement may."""
    answer = await crm.ask("sun", document, variables)
    assert answer.response.elapsed.total_seconds() * 1_000 < crm.settings.statement_timeout_ms
    return answer


@pytest.mark.parametrize(
    ("document", "code", "message"),
    [
        ("}" * 1_000_000, COST, "The document has more than 250000 characters; send long values as variables."),
        ("{" * 200_000, COST, "The document is nested too deeply."),
        ("{a" + "(" * 200_000, COST, "The document is nested too deeply."),
        ("}" * 250_000, PARSE, "Syntax Error: Unexpected '}'."),
        ('"\\' * 125_000, PARSE, "Syntax Error: Invalid character escape sequence: '\\'."),
        ('"""' + '"\\' * 100_000, PARSE, "Syntax Error: Unterminated string."),
        ("#\n" * 100_000, COST, "The document has more than 5000 comments."),
        ("# a\n# b\n", PARSE, "Syntax Error: Unexpected <EOF>."),
        ("," * 200_000, PARSE, "Syntax Error: Unexpected <EOF>."),
        (
            "{" + " ".join(f"a{n}: __typename" for n in range(10_000)) + "}",
            COST,
            "The document has more than 5000 tokens; send values as variables, or ask in several requests.",
        ),
        (
            "{" + " ".join(f"a{n}: __typename" for n in range(1_000)) + "}",
            COST,
            "The document has more than 500 aliases.",
        ),
        ("{ customers(first: " + "9" * 10_000 + ") { totalCount } }", COST, "A number has more than 1000 digits."),
        (
            "{ customers(first: " + str(10**20) + ") { totalCount } }",
            INVALID,
            "Int cannot represent non 32-bit signed integer value: 100000000000000000000",
        ),
        (
            "{ customers(where: { totalSpent: { gt: " + "9" * 1_000 + " } }) { totalCount } }",
            INVALID,
            "A number is expected, such as 1280.50.",
        ),
        (
            "{ customers { nodes { a: name a: phone } } }",
            INVALID,
            ("Fields 'a' conflict because 'name' and 'phone' are different fields."
            " Use different aliases on the fields to fetch both if this was intentional."),
        ),
        (
            "{ a: customers(first: 1) { totalCount } a: customers(first: 2) { totalCount } }",
            INVALID,
            ("Fields 'a' conflict because they have differing arguments."
            " Use different aliases on the fields to fetch both if this was intentional."),
        ),
        (
            '{ customers(where: { createdAt: { gt: { start: "day", zone: "Mars/Olympus" } } }) { totalCount } }',
            INVALID,
            "A time zone is expected, such as Asia/Shanghai.",
        ),
        ("query($a: Int, $a: Int) { __typename }", INVALID, "There can be only one variable named '$a'."),
        (WHERE.replace("CustomerWhere", "Customer"), INVALID, "Variable '$w' cannot be non-input type 'Customer'."),
        ("{ 😀 }", PARSE, "Syntax Error: Unexpected character: U+1F600."),
        (
            '{ customers(where: { name: { eq: "\\u{110000}" } }) { totalCount } }',
            PARSE,
            "Syntax Error: Invalid Unicode escape sequence: '\\u{110000}'.",
        ),
    ],
    ids=range(21),
)  # fmt: skip
async def test_a_hostile_document_is_refused(crm: Crm, document: str, code: str, message: str) -> None:
    answer = await soon(crm, document)

    first = answer.json["errors"][0]
    assert (answer.status, first["extensions"]["code"], first["message"]) == (400, code, message)
    assert "data" not in answer.json


@pytest.mark.parametrize(
    ("document", "variables", "message", "place"),
    [
        (PAGE, {"f": -1}, "first must lie between 0 and 200.", ["f"]),
        (PAGE, {"f": "1"}, "Variable '$f' has invalid value: Int cannot represent non-integer value: '1'", None),
        (
            NAMED,
            {"t": "x" * 100_000},
            "A text of at most 10000 characters is expected, without the character NUL.",
            ["t"],
        ),
        (NAMED, {"t": "a\0b"}, "A text of at most 10000 characters is expected, without the character NUL.", ["t"]),
        (
            "query($t: ID!) { node(id: $t) { id } }",
            {"t": "x" * 100_000},
            "An id is expected, as answers give it.",
            ["t"],
        ),
        (
            "query($i: [ID!]) { customers(where: { id: { in: $i } }) { totalCount } }",
            {"i": [ID] * 10_000},
            "A list may have at most 5000 values.",
            ["i"],
        ),
        (
            "query($i: [ID!]!) { nodes(ids: $i) { id } }",
            {"i": [ID] * 10_000},
            "A list may have at most 200 values.",
            ["i"],
        ),
        (
            WHERE,
            {"w": {"and": [[[[{}]]]]}},
            (
                "Variable '$w' has invalid value at .and[0]:"
                " Expected value of type 'CustomerWhere' to be an object, found: [[[...]]]."
            ),
            None,
        ),
        (
            WHERE,
            {"w": "x"},
            "Variable '$w' has invalid value: Expected value of type 'CustomerWhere' to be an object, found: 'x'.",
            None,
        ),
        (
            WHERE,
            {"w": {"createdAt": {"gt": {"start": "day", "zone": "Mars/Olympus"}}}},
            "Variable '$w' has invalid value at .createdAt.gt: A time zone is expected, such as Asia/Shanghai.",
            None,
        ),
        (
            "query($b: Boolean!) { __typename @include(if: $b) }",
            {"b": "true"},
            "Variable '$b' has invalid value: Boolean cannot represent a non boolean value: 'true'",
            None,
        ),
        (
            "query($w: ID!) { customer(id: $w) { id } }",
            {},
            "Variable '$w' has invalid value: Expected a value of non-null type 'ID!' to be provided.",
            None,
        ),
    ],
    ids=range(12),
)
async def test_a_hostile_variable_is_refused_with_its_place(
    crm: Crm, document: str, variables: dict[str, Any], message: str, place: list[str] | None
) -> None:
    answer = await soon(crm, document, variables)

    assert answer.error == (400, VARIABLES, message)
    assert answer.json["errors"][0]["extensions"].get("argument") == place


async def test_a_cursor_of_something_else_is_refused(crm: Crm) -> None:
    await crm.make("sun", "customer", name="游标", kind="PERSON")
    await crm.make("sun", "lead", name="线索", phone="13800138002")
    first = "{{ {}(first: 1{}) {{ pageInfo {{ endCursor }} }} }}"
    ends = [
        (await crm.ask("sun", first.format(name, order))).data[name]["pageInfo"]["endCursor"]
        for name, order in (("leads", ""), ("customers", ", orderBy: [{ name: ASC }]"), ("customers", ""))
    ]
    leads, by_name, own = ends

    for cursor in (leads, by_name):
        answer = await soon(crm, AFTER, {"a": cursor})
        assert answer.error == (400, VARIABLES, "The cursor belongs to another order. Start again without it.")
        assert answer.json["errors"][0]["extensions"]["argument"] == ["a"]
    garbage = (
        b"\0\xff garbage",
        b'{"a":1}',
        b"[" * 500 + b"]" * 500,
        b"[1,2," + b"9" * 5_000 + b"]",
        b"[]",
        b"[1e999]",
    )
    for cursor in (own[: len(own) // 2], *(base64.b64encode(raw).decode() for raw in garbage)):
        answer = await soon(crm, AFTER, {"a": cursor})
        assert answer.error == (400, VARIABLES, "The cursor is not valid. Start again without it.")


async def test_first_and_last_in_variables_are_refused_together(crm: Crm) -> None:
    answer = await soon(crm, "query($n: Int) { all: customers(first: $n, last: $n) { nodes { id } } }", {"n": 1})

    assert answer.error == (400, INVALID, "Give first or last, not both.")
    assert answer.json["errors"][0]["extensions"]["argument"] == ["all"]


@pytest.mark.parametrize(
    "text", ["(a+)+$" * 1_000, "%" * 10_000, "_" * 10_000, "\\" * 10_000, "😀" * 10_000, "\u202e", "\ufeff"]
)
@pytest.mark.parametrize("operator", ["contains", "containsInsensitive", "startsWith", "endsWithInsensitive"])
async def test_text_is_taken_as_it_stands(crm: Crm, operator: str, text: str) -> None:
    answer = await soon(crm, WHERE, {"w": {"name": {operator: text}}})

    assert answer.data == {"customers": {"totalCount": 0}}


@pytest.mark.parametrize(
    "document", ["\ufeff{ __typename }", "," * 200_000 + "{ __typename }", "#" * 200_000 + "\n{ __typename }"]
)
async def test_what_graphql_ignores_is_ignored(crm: Crm, document: str) -> None:
    assert (await soon(crm, document)).data == {"__typename": "Query"}


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (b"\xef\xbb\xbf" + orjson.dumps({"query": "{ __typename }"}), PARSE, "The body is not JSON in UTF-8."),
        ('{"query":"{ __typename }"}'.encode("utf-16"), PARSE, "The body is not JSON in UTF-8."),
        (b'{"query":' + b"[" * 100_000 + b"]" * 100_000 + b"}", PARSE, "The body is not JSON in UTF-8."),
        (b'{"query":"{ __typename }","variables":[]}', PARSE, "variables is a JSON object."),
        (b'{"query":"{ __typename }","operationName":5}', PARSE, "operationName is a string."),
        (b'{"query":"{ __typename }","operationName":"Nope"}', INVALID, "Name an operation that the document has."),
        (b'{"query":5}', PARSE, "query is a string."),
        (b"null", PARSE, "The body is a JSON object that holds query."),
        (b"", PARSE, "The body is not JSON in UTF-8."),
    ],
)
async def test_a_hostile_body_is_refused(crm: Crm, body: bytes, code: str, message: str) -> None:
    assert (await crm.post(body)).error == (400, code, message)


async def test_more_objects_and_lists_than_are_parsed_are_refused(crm: Crm) -> None:
    def body(containers: int) -> bytes:
        value = b",".join([b"{}", b"[]"] * (containers // 2))
        return b'{"query":"{__typename}","variables":{"v":[' + value + b"]}}"

    around = 1 + 1 + 1 + 1
    most, over = body(250_000 - around), body(250_000 - around + 2)
    answers = [await crm.post(over), await crm.post(over, Accept_Language="zh")]

    assert (await crm.post(most)).data == {"__typename": "Query"}
    assert [answer.error for answer in answers] == [
        (400, COST, "The request has more than 250000 JSON objects and lists; send it in several requests."),
        (400, COST, "请求中的 JSON 对象和数组超过 250000 个，请分多次发送。"),
    ]
    assert answers[0].json["errors"][0]["extensions"]["details"] == {"limit": 250_000}


async def test_more_values_than_are_parsed_are_refused(crm: Crm) -> None:
    def body(commas: int) -> bytes:
        return b'{"query":"{__typename}","variables":{"v":[1' + b",1" * (commas - 1) + b"]}}"

    answers = [await crm.post(body(2_000_001)), await crm.post(body(2_000_001), Accept_Language="zh")]

    assert (await crm.post(body(2_000_000))).data == {"__typename": "Query"}
    assert [answer.error for answer in answers] == [
        (400, COST, "The request has more than 2000000 values; send it in several requests."),
        (400, COST, "请求中的值超过 2000000 个，请分多次发送。"),
    ]
    assert answers[0].json["errors"][0]["extensions"]["details"] == {"limit": 2_000_000}


async def test_variables_that_are_too_deep_are_told_so(crm: Crm) -> None:
    def body(levels: int) -> bytes:
        value = b"[" * (levels - 1) + b"]" * (levels - 1)
        return b'{"query":"{__typename}","variables":{"v":' + value + b"}}"

    answers = [await crm.post(body(400)), await crm.post(body(255), Accept_Language="zh")]

    assert (await crm.post(body(254))).data == {"__typename": "Query"}
    assert [answer.error for answer in answers] == [
        (400, COST, "The variables are nested deeper than 254 levels."),
        (400, COST, "变量嵌套超过 254 层。"),
    ]
    assert answers[0].json["errors"][0]["extensions"]["details"] == {"limit": 254}
