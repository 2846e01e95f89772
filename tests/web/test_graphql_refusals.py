"""Documents, variables, ids and cursors that are wrong: each is refused before anything runs, with a stable code."""

import base64
from typing import Any

import orjson
import pytest

from .conftest import Crm

COUNT = "query($w: CustomerWhere) { customers(where: $w) { totalCount } }"
PAGE = "query($f: Int) { customers(first: $f) { totalCount nodes { id } } }"
INVALID, PARSE, VARIABLES, COST = "VALIDATION_FAILED", "PARSE_FAILED", "BAD_VARIABLES", "COST_EXCEEDED"
CURSOR = (400, VARIABLES, "The cursor is not valid. Start again without it.")


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{{ customers {{ nodes {{ {} }} }} }}", "Cannot query field '{}' on type 'Customer'."),
        (
            '{{ customers(where: {{ {}: {{ eq: "1" }} }}) {{ totalCount }} }}',
            (
                "Expected value of type 'CustomerWhere' not to include unknown field '{0}',"
                ' found: {{ {0}: {{ eq: "1" }} }}.'
            ),
        ),
        (
            "{{ customers(orderBy: [{{ {}: ASC }}]) {{ totalCount }} }}",
            "Expected value of type 'CustomerOrderBy' not to include unknown field '{0}', found: {{ {0}: ASC }}.",
        ),
        (
            'mutation {{ createCustomer(input: {{ {}: "1" }}) {{ errors {{ code }} }} }}',
            "Expected value of type 'CreateCustomerInput' not to include unknown field '{0}', found: {{ {0}: \"1\" }}.",
        ),
    ],
)
async def test_a_hidden_field_is_as_unknown_as_one_that_never_was(crm: Crm, document: str, message: str) -> None:
    """Sales sees no bank details; `bankAccountt` is a slip of the pen."""
    for name in ("bankAccount", "bankAccountt"):
        answer = await crm.ask("wang", document.format(name))
        assert answer.error == (400, INVALID, message.format(name))

    seen = await crm.ask("qian", "{ customers { nodes { bankAccount } } }")
    assert seen.status == 200


@pytest.mark.parametrize("field", ["bankAccount", "bankAccountt"])
async def test_a_hidden_field_in_a_variable_is_unknown_too(crm: Crm, field: str) -> None:
    answer = await crm.ask("wang", COUNT, {"w": {field: {"eq": "1"}}})

    told = "Expected value of type 'CustomerWhere' not to include unknown field"
    assert answer.error == (
        400,
        VARIABLES,
        f"Variable '$w' has invalid value: {told} '{field}', found: {{'{field}': {{'eq': '1'}}}}.",
    )


async def test_a_mutation_that_is_not_granted_is_not_in_the_schema(crm: Crm) -> None:
    for name in ("assignLead", "assignLeed"):
        answer = await crm.ask("wang", f'mutation {{ {name}(id: "x", to: "y") {{ errors {{ code }} }} }}')
        assert answer.json["errors"][0]["message"] == f"Cannot query field '{name}' on type 'Mutation'."
        assert (answer.status, answer.json["errors"][0]["extensions"]) == (400, {"code": INVALID})
    known = await crm.ask("wang", '{ __type(name: "Mutation") { fields { name } } }')
    names = {f["name"] for f in known.data["__type"]["fields"]}
    assert {"createCustomer", "transitionLead"} <= names
    assert not {"assignLead", "upsertCustomers", "transitionTicket"} & names


async def test_who_may_change_nothing_has_no_mutations(crm: Crm) -> None:
    answer = await crm.ask("qian", '{ __type(name: "AssignLeadPayload") { name } }')
    assert answer.data == {"__type": None}


@pytest.mark.parametrize(
    ("document", "name", "code", "message"),
    [
        ("", None, PARSE, "Syntax Error: Unexpected <EOF>."),
        ("# only a comment", None, PARSE, "Syntax Error: Unexpected <EOF>."),
        ("{", None, PARSE, "Syntax Error: Expected Name, found <EOF>."),
        ("{ customers { } }", None, PARSE, "Syntax Error: Expected Name, found '}'."),
        ("{ a \0 }", None, PARSE, "Syntax Error: Unexpected character: U+0000."),
        (
            '{ customers(where: { name: { eq: "a\\uD800b" } }) { totalCount } }',
            None,
            PARSE,
            "Syntax Error: Invalid Unicode escape sequence: '\\uD800'.",
        ),
        (
            "{" + " a: __typename" * 1700 + "}",
            None,
            COST,
            "The document has more than 5000 tokens; send values as variables, or ask in several requests.",
        ),
        (
            "{ customers " + "{ nodes { interactions " * 100 + "{ totalCount }" + "} }" * 100 + "}",
            None,
            COST,
            "The document is nested too deeply.",
        ),
        (
            "{ customers(where: " + "{ and: [" * 200 + "{}" + "] }" * 200 + ") { totalCount } }",
            None,
            COST,
            "The document is nested too deeply.",
        ),
        (
            "{ customers " + "{ nodes { parent { subsidiaries " * 8 + "{ totalCount }" + "} } }" * 8 + "}",
            None,
            COST,
            "The query is nested deeper than 15 levels.",
        ),
        (
            "{ customers { nodes { ...A } } } fragment A on Customer { ...B } fragment B on Customer { ...A }",
            None,
            INVALID,
            "Cannot spread fragment 'A' within itself via 'B'.",
        ),
        (
            "query A { __typename } query A { __typename }",
            "A",
            INVALID,
            "There can be only one operation named 'A'.",
        ),
        ("query A { __typename }", "C", INVALID, "Name an operation that the document has."),
        (
            "query A { __typename } query B { __typename }",
            None,
            INVALID,
            "Name an operation that the document has.",
        ),
        ("fragment F on Query { __typename }", None, INVALID, "Fragment 'F' is never used."),
        ("type A { b: Int } { __typename }", None, INVALID, "The 'A' definition is not executable."),
        (
            "subscription { __typename }",
            None,
            INVALID,
            "The subscription operation is not supported by the schema.",
        ),
        ("{ __typename @nope }", None, INVALID, "Unknown directive '@nope'."),
        ("{ customers(first: 1, last: 1) { totalCount } }", None, INVALID, "Give first or last, not both."),
        (
            '{ customers(offset: 1, after: "x") { totalCount } }',
            None,
            INVALID,
            "Give an offset or a cursor, not both.",
        ),
        ("{ customer { id } }", None, INVALID, "Give either id or externalRef."),
        (
            "{ customers(first: 99999999999) { nodes { id } } }",
            None,
            INVALID,
            "Int cannot represent non 32-bit signed integer value: 99999999999",
        ),
        ("{ customers(first: -1) { nodes { id } } }", None, VARIABLES, "first must lie between 0 and 200."),
        ("{ customers(last: 201) { nodes { id } } }", None, VARIABLES, "last must lie between 0 and 200."),
        (
            "{ customers(offset: 10001) { nodes { id } } }",
            None,
            VARIABLES,
            "offset must lie between 0 and 10000.",
        ),
        (
            "{__schema{types{fields{type{fields{type{fields{type{fields{name}}}}}}}}}}",
            None,
            INVALID,
            "Maximum introspection depth exceeded",
        ),
    ],
)
async def test_a_document_that_cannot_run_is_refused(
    crm: Crm, document: str, name: str | None, code: str, message: str
) -> None:
    answer = await crm.ask("sun", document, name=name)
    as_json = await crm.ask("sun", document, name=name, Accept="application/json")

    assert answer.error == (400, code, message)
    assert as_json.error == (200, code, message)
    assert all(error.get("locations", True) for error in answer.json["errors"])


async def test_fragments_that_double_at_every_step_are_collected_once(crm: Crm) -> None:
    steps = " ".join(f"fragment f{n} on Customer {{ ...f{n + 1} ...f{n + 1} }}" for n in range(40))

    answer = await crm.ask(
        "sun", f"{{ customers(first: 0) {{ nodes {{ ...f0 }} }} }} {steps} fragment f40 on Customer {{ id }}"
    )

    assert answer.data == {"customers": {"nodes": []}}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("x", "Variable '$f' has invalid value: Int cannot represent non-integer value: 'x'"),
        (1.5, "Variable '$f' has invalid value: Int cannot represent non-integer value: 1.5"),
        (True, "Variable '$f' has invalid value: Int cannot represent non-integer value: True"),
        ([1], "Variable '$f' has invalid value: Int cannot represent non-integer value: [1]"),
        (2**31, "Variable '$f' has invalid value: Int cannot represent non 32-bit signed integer value: 2147483648"),
        (-1, "first must lie between 0 and 200."),
        (201, "first must lie between 0 and 200."),
    ],
)
async def test_a_wrong_variable_is_told_alike_before_and_after_the_operation_was_prepared(
    crm: Crm, value: Any, message: str
) -> None:
    fresh = f"# {value!r}\n{PAGE}"
    cold = await crm.ask("sun", fresh, {"f": value})
    assert (await crm.ask("sun", fresh, {"f": 1})).status == 200
    warm = await crm.ask("sun", fresh, {"f": value})

    assert cold.error == (400, VARIABLES, message)
    assert warm.response.content == cold.response.content


@pytest.mark.parametrize(
    ("where", "code", "message"),
    [
        (
            {"name": {"eq": "a\0b"}},
            VARIABLES,
            "A text of at most 10000 characters is expected, without the character NUL.",
        ),
        (
            {"name": {"eq": "x" * 10_001}},
            VARIABLES,
            "A text of at most 10000 characters is expected, without the character NUL.",
        ),
        ({"name": {"in": ["x"] * 5_001}}, VARIABLES, "A list may have at most 5000 values."),
        ({"id": {"eq": "x"}}, VARIABLES, "An id is expected, as answers give it."),
        ({"name": {"eq": None}}, INVALID, "Null is no condition here; use isNull."),
        ({"name": None}, INVALID, "A condition is an object."),
        ({"and": None}, INVALID, "A list of conditions is expected."),
        (
            {"name": {"eq": 5}},
            VARIABLES,
            "Variable '$w' has invalid value at .name.eq: String cannot represent a non string value: 5",
        ),
        (
            {"name": {"in": ["a", 1]}},
            VARIABLES,
            "Variable '$w' has invalid value at .name.in[1]: String cannot represent a non string value: 1",
        ),
        (
            {"orderCount": {"gt": 2**63}},
            VARIABLES,
            (
                "Variable '$w' has invalid value at .orderCount.gt:"
                " Int cannot represent non 32-bit signed integer value: 9223372036854775808"
            ),
        ),
        (
            {"annualRevenue": {"gt": "NaN"}},
            VARIABLES,
            "Variable '$w' has invalid value at .annualRevenue.gt: A number is expected, such as 1280.50.",
        ),
        (
            {"createdAt": {"gt": "2026-13-01T00:00:00Z"}},
            VARIABLES,
            (
                "Variable '$w' has invalid value at .createdAt.gt:"
                " A date and time is expected, such as 2026-11-22T09:30:00+08:00."
            ),
        ),
        (
            {"kind": {"eq": "NOPE"}},
            VARIABLES,
            "Variable '$w' has invalid value at .kind.eq: Value 'NOPE' does not exist in 'CustomerKind' enum.",
        ),
        (
            {"name": {"like": "x"}},
            VARIABLES,
            (
                "Variable '$w' has invalid value at .name:"
                " Expected value of type 'StringFilter' not to include unknown field 'like', found: {'like': 'x'}."
            ),
        ),
    ],
)
async def test_a_condition_that_does_not_fit_is_refused(
    crm: Crm, where: dict[str, Any], code: str, message: str
) -> None:
    assert (await crm.ask("sun", COUNT, {"w": where})).error == (400, code, message)


@pytest.mark.parametrize(
    "where",
    [
        {"name": {"eq": "😀👩‍👩‍👧 王"}},
        {"name": {"contains": "%_\\"}},
        {"name": {"in": ["x"] * 5_000}},
        {"name": {"in": []}},
        {"annualRevenue": {"gt": 2**63}},
        {"annualRevenue": {"gt": "1e90"}},
        {"orderCount": {"gt": 2**31 - 1}},
    ],
)
async def test_odd_values_that_fit_find_nothing(crm: Crm, where: dict[str, Any]) -> None:
    assert (await crm.ask("sun", COUNT, {"w": where})).data == {"customers": {"totalCount": 0}}


@pytest.mark.parametrize("levels", [20, 100, 400, 1000])
async def test_variables_of_any_depth_are_refused_and_told_apart_from_our_own_failures(crm: Crm, levels: int) -> None:
    deep = b'{"not":' * levels + b"{}" + b"}" * levels

    answer = await crm.post(b'{"query":' + orjson.dumps(COUNT) + b',"variables":{"w":' + deep + b"}}")

    assert answer.error[:2] in {(400, INVALID), (400, VARIABLES), (400, COST), (400, PARSE)}


async def test_an_id_of_another_type_is_told_from_no_id_at_all(crm: Crm) -> None:
    lead = await crm.make("sun", "lead", name="展会线索", phone="13800138002")
    by_id = "query($id: ID!) { customer(id: $id) { id } }"

    of_lead = await crm.ask("sun", by_id, {"id": lead["id"]})
    assert of_lead.error == (400, VARIABLES, "This is not the id of a record of type Customer.")
    for malformed in ("x", "", lead["id"].replace("-", ""), f"{{{lead['id']}}}", "0" * 36, "\0" * 36, 1, 2**70):
        answer = await crm.ask("sun", by_id, {"id": malformed})
        assert answer.error == (400, VARIABLES, "An id is expected, as answers give it.")
    node = await crm.ask("sun", "query($id: ID!) { node(id: $id) { id } }", {"id": _other(lead["id"])})
    assert node.data == {"node": None}


async def end_of(crm: Crm, order: str) -> tuple[str, list[Any]]:
    """A cursor in an order, and what is inside."""
    document = f"{{ customers(first: 1, orderBy: [{order}]) {{ pageInfo {{ endCursor }} }} }}"
    cursor: str = (await crm.ask("sun", document)).data["customers"]["pageInfo"]["endCursor"]
    return cursor, orjson.loads(base64.b64decode(cursor))


def forged(*parts: Any) -> str:
    return base64.b64encode(orjson.dumps(parts)).decode()


async def test_a_cursor_of_the_longest_texts_continues_its_order(crm: Crm) -> None:
    customer = await crm.make("sun", "customer", kind="PERSON", name="𠀀" * 200, website=f"https://{'a' * 400}.cn")
    subject = "𠀀" * 499
    for end in "甲乙":
        await crm.make("sun", "ticket", subject=subject + end, customerId=customer["id"], serialNumber="𠀀" * 64)
    order = "[{ customer: { name: ASC, website: ASC } }, { subject: ASC }, { serialNumber: ASC }]"
    document = (
        "query($w: TicketWhere, $a: String) {"
        f" tickets(where: $w, first: 1, after: $a, orderBy: {order})"
        " { nodes { subject } pageInfo { endCursor } } }"
    )
    variables = {"w": {"customer": {"id": {"eq": customer["id"]}}}, "a": None}
    first = (await crm.ask("sun", document, variables)).data["tickets"]
    second = (await crm.ask("sun", document, {**variables, "a": first["pageInfo"]["endCursor"]})).data["tickets"]
    assert {page["nodes"][0]["subject"] for page in (first, second)} == {subject + "甲", subject + "乙"}


async def test_a_cursor_continues_the_order_that_it_was_made_in_alone(crm: Crm) -> None:
    await crm.make("sun", "customer", name="上海百联", kind="ORGANIZATION")
    cursor, _ = await end_of(crm, "{ name: ASC }")
    other = (400, VARIABLES, "The cursor belongs to another order. Start again without it.")

    for entity, order in (
        ("customers", "{ shortName: ASC }"),
        ("customers", "{ name: DESC }"),
        ("leads", "{ name: ASC }"),
    ):
        document = f"query($a: String) {{ {entity}(after: $a, orderBy: [{order}]) {{ nodes {{ id }} }} }}"
        assert (await crm.ask("sun", document, {"a": cursor})).error == other
    for garbage in ("garbage", "", "e30=", cursor[:-4], "x" * 50_000, "W1tb" * 7_000, cursor + "\0"):
        document = "query($a: String) { customers(after: $a, orderBy: [{ name: ASC }]) { nodes { id } } }"
        assert (await crm.ask("sun", document, {"a": garbage})).error == CURSOR


@pytest.mark.parametrize(
    ("field", "key"),
    [
        ("createdAt", "2026-01-01"),
        ("createdAt", "0001-01-01T00:00:00+14:00"),
        ("createdAt", "infinity"),
        ("annualRevenue", "NaN"),
        ("annualRevenue", "1e999999"),
        ("annualRevenue", "9" * 200),
        ("orderCount", "2147483648"),
        ("orderCount", "9" * 3_000),
        ("lastPurchaseOn", "infinity"),
        ("kind", "NOPE"),
        ("name", "a\0b"),
        ("name", ["a"]),
        ("name", 5),
    ],
)
async def test_a_made_up_cursor_is_refused(crm: Crm, field: str, key: Any) -> None:
    await crm.make("sun", "customer", name="广州友谊", kind="ORGANIZATION")
    _, (signature, _, id_) = await end_of(crm, f"{{ {field}: ASC }}")
    document = f"query($a: String) {{ customers(after: $a, orderBy: [{{ {field}: ASC }}]) {{ nodes {{ id }} }} }}"

    assert (await crm.ask("sun", document, {"a": forged(signature, key, id_)})).error == CURSOR
    assert (await crm.ask("sun", document, {"a": forged(signature, None, "x")})).error == CURSOR
    assert (await crm.ask("sun", document, {"a": forged(signature, None)})).error == CURSOR


async def test_arguments_that_are_refused_are_told_in_chinese(crm: Crm) -> None:
    answer = await crm.ask("sun", PAGE, {"f": 500}, Accept_Language="zh-CN")

    assert answer.error == (400, VARIABLES, "first 必须在 0 与 200 之间。")


def _other(id_: str) -> str:
    """An id of the same type that nothing has."""
    return id_[:-1] + ("1" if id_.endswith("0") else "0")
