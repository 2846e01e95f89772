"""Documents that would take long are refused before they do; what tools and people send is not."""

import gc
import time
from collections.abc import Mapping
from typing import Any

import pytest
from graphql import get_introspection_query

from crm_graph.errors import BadVariables, CostExceeded, ParseFailed, ValidationFailed
from crm_graph.messages import render
from crm_graph.resolvers.documents import read_document
from crm_graph.resolvers.operations import Operations
from crm_graph.resolvers.plan import Limits
from reference.compiled import catalog, default_access, schema_of

MIXED = default_access(["sales", "service", "finance"])
LONGEST_CPU_S = 30.0
"""Far above what any of these takes, and far below what each took without its limit or doubled once more."""


async def refusal(text: str, variables: Mapping[str, Any] | None = None) -> tuple[str, dict[str, Any]] | None:
    """Why an operation is not even compiled, and None for one that is."""
    operations = Operations(catalog(), schema_of, Limits(), max_tokens=5_000)
    schema_of(MIXED)
    began = time.process_time()
    try:
        document = await operations.document(text, MIXED)
        await operations.prepare(document, next(iter(document.operations.values())), variables or {}, MIXED)
    except (CostExceeded, ParseFailed, ValidationFailed, BadVariables) as error:
        return error.template_key, dict(error.details)
    finally:
        assert time.process_time() - began < LONGEST_CPU_S
    return None


def of_customers(selection: str) -> str:
    return f"{{ customers {{ nodes {{ {selection} }} }} }}"


def aliases(number: int, of: str = "id") -> str:
    return " ".join(f"a{i}: {of}" for i in range(number))


def chained(levels: int, body: str) -> str:
    """Fragments of which each uses the next one; `{next}` stands for it."""
    definitions = [f"fragment f{i} on Customer {{ {body.replace('{next}', f'...f{i + 1}')} }}" for i in range(levels)]
    return "\n".join([of_customers("...f0"), *definitions, f"fragment f{levels} on Customer {{ id }}"])


TWICE = "a: parent { {next} } b: parent { {next} }"


@pytest.mark.parametrize(
    ("at_the_limit", "beyond", "template", "limit"),
    [
        (of_customers(aliases(500)), of_customers(aliases(501)), "too_many_aliases", 500),
        (
            "{ " + aliases(50, "customers { totalCount }") + " }",
            "{ " + aliases(51, "customers { totalCount }") + " }",
            "too_many_root_fields",
            50,
        ),
        (
            of_customers(aliases(100, "name @include(if: true)")),
            of_customers(aliases(101, "name @include(if: true)")),
            "too_many_directives",
            100,
        ),
        ("{ __typename }", "{ __typename " + "@nope " * 6 + "}", "too_many_directives_of_one", 5),
        (
            "query(" + " ".join(f"$v{i}: Int" for i in range(100)) + ") { customers(where: { or: ["
            + " ".join(f"{{ orderCount: {{ eq: $v{i} }} }}" for i in range(100)) + "] }) { totalCount } }",
            "query(" + " ".join(f"$v{i}: Int" for i in range(101)) + ") { __typename }",
            "too_many_variables",
            100,
        ),
        (
            " ".join(f"query q{i} {{ __typename }}" for i in range(20)),
            " ".join(f"query q{i} {{ __typename }}" for i in range(21)),
            "too_many_operations",
            20,
        ),
        (of_customers("id " * 31), of_customers("id " * 32), "too_many_repeats", 30),
        (of_customers("... { id } " * 100), of_customers("... { id } " * 101), "too_many_fragments", 100),
        (chained(8, TWICE), chained(9, TWICE), "too_many_fields", 1_000),
        (
            "{ customers(where: " + "{ and: [" * 12 + "]}" * 12 + ") { totalCount } }",
            "{ customers(where: " + "{ and: [" * 50 + "]}" * 50 + ") { totalCount } }",
            "too_deep_to_parse",
            100,
        ),
    ],
)  # fmt: skip
async def test_a_document_up_to_the_limit_is_answered_and_one_beyond_is_not(
    at_the_limit: str, beyond: str, template: str, limit: int
) -> None:
    assert await refusal(at_the_limit) is None
    assert await refusal(beyond) == (template, {"limit": limit})


def test_comments_are_no_tokens() -> None:
    text = "{ # all\n a: __typename # this\n } # and that"

    assert list(read_document(text, schema_of(MIXED), 5).operations) == [""]
    with pytest.raises(CostExceeded) as caught:
        read_document(text, schema_of(MIXED), 4)
    assert (caught.value.template_key, caught.value.details) == ("too_many_tokens", {"limit": 4})
    assert render(caught.value, "zh") == "请求文档超过 4 个词法单元，请用变量传值，或分多次请求。"


@pytest.mark.parametrize("levels", [12, 40, 90])
async def test_fragments_that_double_at_each_level_merge_into_one(levels: int) -> None:
    assert await refusal(chained(levels // 2, "{next} {next}")) is None


@pytest.mark.parametrize(
    ("text", "template"),
    [
        (chained(12, "a: parent { {next} } b: parent { {next} } c: parent { {next} }"), "too_many_fields"),
        (chained(24, "{next} parent { {next} } parent { {next} }"), "too_deep"),
        (chained(24, "{next} parent { {next} }"), "too_deep"),
        (of_customers("parent { " * 6 + "parent { id } " * 32 + "}" * 6), "too_many_repeats"),
        ('{ node(id: "x") { ' + aliases(400) + " } }", "too_many_fields"),
        ("{ a" * 2_000, "too_deep_to_parse"),
        ("query($a: Int = " + "[" * 2_000, "too_deep_to_parse"),
        ("{ " + "x " * 4_999, "parse_failed"),
        ("{ " + "x " * 5_000, "too_many_tokens"),
        (
            of_customers("...a") + " fragment a on Customer { ...b } fragment b on Customer { ...a }",
            "validation_failed",
        ),
        (of_customers("...a") + " fragment a on Customer { parent { ...a } }", "validation_failed"),
    ],
)
async def test_what_would_explode_is_refused_in_time(text: str, template: str) -> None:
    found = await refusal(text)

    assert found is not None
    assert found[0] == template


async def test_brackets_in_texts_and_comments_are_none() -> None:
    brackets = "[" * 200
    texts = (f'"\\"{brackets}"', f'"""{brackets} " \\""" """')
    conditions = " ".join(f"{{ name: {{ eq: {text} }} }}" for text in texts)

    assert await refusal(f"{{ customers(where: {{ or: [{conditions}] }}) {{ # {brackets}\n totalCount }} }}") is None


LISTS = "fields { name type { name ofType { name } } }"


@pytest.mark.parametrize(
    "query",
    [
        get_introspection_query(),
        get_introspection_query(
            descriptions=True,
            specified_by_url=True,
            directive_is_repeatable=True,
            schema_description=True,
            input_value_deprecation=True,
        ),
        '{ __type(name: "Customer") { fields { name args { name type { name } } type { kind ofType { name } } } } }',
        "{ __schema { types { name " + LISTS + " } } }",
    ],
)
async def test_what_tools_ask_of_the_schema_is_answered(query: str) -> None:
    assert await refusal(query) is None


@pytest.mark.parametrize(
    ("query", "template"),
    [
        ("{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }", "validation_failed"),
        (
            "{ "
            + aliases(50, "__schema { types { inputFields { name type { name ofType { name } } } " + LISTS + " } }")
            + " }",
            "introspection_too_large",
        ),
        ("{ __schema { types { " + aliases(300, "fields { name type { name } }") + " } } }", "introspection_too_large"),
        (
            "{ __schema { types { fields { args { ...a } type { fields { ...f ...f } } } } } }"
            " fragment a on __InputValue { " + aliases(50, "type { inputFields { ...i } }") + " }"
            " fragment i on __InputValue { " + aliases(50, "type { name kind }") + " }"
            " fragment f on __Field { " + aliases(50, "type { name }") + " }",
            "introspection_too_large",
        ),
    ],
)
async def test_introspection_much_larger_than_the_schema_is_refused(query: str, template: str) -> None:
    found = await refusal(query)

    assert found is not None
    assert found[0] == template


async def test_a_list_longer_than_any_is_refused_before_it_is_read() -> None:
    query = "query($i: [ID!]) { customers(where: { id: { in: $i } }) { totalCount } }"

    assert await refusal(query, {"i": ["x"] * 20_001}) == ("list_too_long", {"limit": 20_000})


async def test_a_document_that_is_forgotten_leaves_nothing_to_the_collector() -> None:
    operations = Operations(catalog(), schema_of, Limits(), max_tokens=5_000)
    text = "query($n: Int!) { customers(first: $n) { nodes { id name interactions { nodes { id } } } } }"
    document = await operations.document(text, MIXED)
    await operations.prepare(document, document.operation(None), {"n": 5}, MIXED)
    gc.collect()
    gc.disable()
    try:
        del document, operations
        assert gc.collect() == 0
    finally:
        gc.enable()
