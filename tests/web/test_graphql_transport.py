"""GraphQL over HTTP, by the current draft: media types, methods, bodies, status codes, credentials."""

import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import httpx
import orjson
import pytest

from crm_graph.permissions.keys import KeyRing
from crm_graph.permissions.tokens import TokenTerms, issue_user_token

from .conftest import MAX_BODY_BYTES, RESPONSE_JSON, START, Answer, Crm

JSON = "application/json"
CHARSET = "; charset=utf-8"
TYPENAME = b'{"query":"{ __typename }"}'
UNAUTHENTICATED = (401, "UNAUTHENTICATED", "A valid access token is needed.")


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        (RESPONSE_JSON, RESPONSE_JSON),
        (JSON, JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        ("", JSON),
        (f"{RESPONSE_JSON}; charset=utf-8, {JSON}; charset=utf-8", RESPONSE_JSON),
        (f"{RESPONSE_JSON}, {JSON};q=0.9", RESPONSE_JSON),
        (f"{JSON};q=0.9, {RESPONSE_JSON}", RESPONSE_JSON),
        (f"{JSON}, {RESPONSE_JSON}", JSON),
        (f"{JSON};q=0, */*", RESPONSE_JSON),
        ("APPLICATION/JSON", JSON),
        ("text/plain, */*;q=0.1", JSON),
    ],
)
async def test_answers_in_the_media_type_that_is_liked_best(crm: Crm, accept: str, answered: str) -> None:
    answer = await crm.post(TYPENAME, Accept=accept)

    assert answer.response.headers["content-type"] == answered + CHARSET
    assert answer.data == {"__typename": "Query"}


async def test_answers_application_json_where_nothing_is_accepted_expressly(crm: Crm) -> None:
    request = crm.http.build_request("POST", "/graphql", content=TYPENAME, headers={"Content-Type": JSON})
    request.headers["Authorization"] = crm.headers("sun")["Authorization"]
    del request.headers["Accept"]

    response = await crm.http.send(request)

    assert (response.status_code, response.headers["content-type"]) == (200, JSON + CHARSET)


@pytest.mark.parametrize("accept", ["text/plain", "text/html", "image/*", f"{JSON};q=0", "application/xml, text/csv"])
async def test_refuses_what_it_cannot_answer_in(crm: Crm, accept: str) -> None:
    answer = await crm.post(TYPENAME, Accept=accept)

    assert answer.error == (406, "NOT_ACCEPTABLE", "Accept application/graphql-response+json or application/json.")


@pytest.mark.parametrize("media", [JSON, RESPONSE_JSON])
@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "The body is not JSON in UTF-8."),
        (b"NONSENSE", "The body is not JSON in UTF-8."),
        (b'{"query":', "The body is not JSON in UTF-8."),
        (b'{"query":"{ __typename }"} x', "The body is not JSON in UTF-8."),
        (b'{"query":"\xff"}', "The body is not JSON in UTF-8."),
        (rb'{"query":"\ud800"}', "The body is not JSON in UTF-8."),
        (b'{"query":"{ __typename }","variables":{"a":NaN}}', "The body is not JSON in UTF-8."),
        (b"[" * 5000, "The body is not JSON in UTF-8."),
        (b"[]", "Send one request at a time, as a JSON object."),
        (b'[{"query":"{ __typename }"}]', "Send one request at a time, as a JSON object."),
        (b'"{ __typename }"', "The body is a JSON object that holds query."),
        (b"null", "The body is a JSON object that holds query."),
        (b"{}", "query is a string."),
        (b'{"qeury":"{ __typename }"}', "query is a string."),
        (b'{"query":null}', "query is a string."),
        (b'{"query":{"obj":"ect"}}', "query is a string."),
        (b'{"query":0}', "query is a string."),
        (b'{"query":false}', "query is a string."),
        (b'{"query":["array"]}', "query is a string."),
        (b'{"query":"{ __typename }","operationName":{"obj":"ect"}}', "operationName is a string."),
        (b'{"query":"{ __typename }","operationName":0}', "operationName is a string."),
        (b'{"query":"{ __typename }","operationName":false}', "operationName is a string."),
        (b'{"query":"{ __typename }","operationName":["array"]}', "operationName is a string."),
        (b'{"query":"{ __typename }","variables":"string"}', "variables is a JSON object."),
        (b'{"query":"{ __typename }","variables":0}', "variables is a JSON object."),
        (b'{"query":"{ __typename }","variables":false}', "variables is a JSON object."),
        (b'{"query":"{ __typename }","variables":["array"]}', "variables is a JSON object."),
        (b'{"query":"{ __typename }","extensions":"string"}', "extensions is a JSON object."),
        (b'{"query":"{ __typename }","extensions":0}', "extensions is a JSON object."),
        (b'{"query":"{ __typename }","extensions":false}', "extensions is a JSON object."),
        (b'{"query":"{ __typename }","extensions":["array"]}', "extensions is a JSON object."),
    ],
)
async def test_what_is_no_graphql_request_is_400_in_every_media_type(
    crm: Crm, media: str, body: bytes, message: str
) -> None:
    answer = await crm.post(body, Accept=media)

    assert answer.error == (400, "PARSE_FAILED", message)
    assert answer.response.headers["content-type"] == media + CHARSET


@pytest.mark.parametrize("media", [JSON, RESPONSE_JSON])
@pytest.mark.parametrize("parameter", ["variables", "operationName", "extensions"])
async def test_null_is_like_a_parameter_that_was_not_given(crm: Crm, media: str, parameter: str) -> None:
    answer = await crm.post(orjson.dumps({"query": "{ __typename }", parameter: None}), Accept=media)

    assert answer.data == {"__typename": "Query"}


async def test_extensions_and_an_empty_operation_name_are_allowed(crm: Crm) -> None:
    body = {"query": "query Q { __typename }", "operationName": "", "extensions": {"some": "value"}}

    assert (await crm.post(orjson.dumps(body))).data == {"__typename": "Query"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": JSON}, 200),
        ({"Content-Type": "application/json;charset=UTF-8"}, 200),
        ({"Content-Type": 'Application/JSON; charset="utf-8"'}, 200),
        ({"Content-Type": "application/json; charset=utf-16"}, 415),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 415),
        ({"Content-Type": "application/graphql"}, 415),
        ({"Content-Type": ""}, 415),
        ({"Content-Type": JSON, "Content-Encoding": "gzip"}, 415),
    ],
)
async def test_bodies_are_plain_json(crm: Crm, headers: dict[str, str], status: int) -> None:
    answer = Answer(await crm.http.post("/graphql", content=TYPENAME, headers={**crm.headers("sun"), **headers}))

    assert answer.status == status
    if status == 415:
        assert answer.error == (415, "UNSUPPORTED_MEDIA_TYPE", "Send the body as application/json, not compressed.")
        assert answer.response.headers["accept-post"] == JSON


async def test_a_post_without_a_content_type_is_refused(crm: Crm) -> None:
    answer = Answer(await crm.http.post("/graphql", content=TYPENAME, headers=crm.headers("sun")))

    assert answer.error[:2] == (415, "UNSUPPORTED_MEDIA_TYPE")


async def test_too_large_a_body_is_refused_by_its_length_and_by_its_bytes(crm: Crm) -> None:
    body = b'{"query":"{ __typename }","extensions":{"x":"' + b"x" * MAX_BODY_BYTES + b'"}}'
    message = f"The body may have at most {MAX_BODY_BYTES} bytes."

    async def chunks() -> Any:
        for start in range(0, len(body), 1 << 20):
            yield body[start : start + (1 << 20)]

    told = await crm.post(body)
    streamed = Answer(
        await crm.http.post("/graphql", content=chunks(), headers={"Content-Type": JSON, **crm.headers("sun")})
    )

    assert told.error == (413, "CONTENT_TOO_LARGE", message)
    assert streamed.error == (413, "CONTENT_TOO_LARGE", message)


async def get(crm: Crm, **parameters: str) -> Answer:
    return Answer(await crm.http.get("/graphql?" + urlencode(parameters), headers=crm.headers("sun")))


async def test_queries_can_be_asked_by_get(crm: Crm) -> None:
    made = await crm.make("sun", "customer", name="北京华联", kind="ORGANIZATION")
    query = "query A { __typename } query B($id: ID!) { customer(id: $id) { name } }"

    answer = await get(crm, query=query, operationName="B", variables=orjson.dumps({"id": made["id"]}).decode())

    assert answer.data == {"customer": {"name": "北京华联"}}


@pytest.mark.parametrize("empty", ["operationName", "variables", "extensions"])
async def test_empty_parameters_of_a_get_are_none(crm: Crm, empty: str) -> None:
    assert (await get(crm, query="{ __typename }", **{empty: ""})).data == {"__typename": "Query"}


@pytest.mark.parametrize(
    ("query_string", "message"),
    [
        ("variables=%7B%7D", "query is a string."),
        ("query=%7B__typename%7D&variables=nonsense", "variables is a JSON object."),
        ("query=%7B__typename%7D&variables=%5B%5D", "variables is a JSON object."),
        ("query=%7B__typename%7D&extensions=7", "extensions is a JSON object."),
        ("query=%FF", "The query string cannot be read."),
        ("&".join(f"p{n}=1" for n in range(11)), "The query string cannot be read."),
    ],
)
async def test_a_get_that_is_no_graphql_request_is_400(crm: Crm, query_string: str, message: str) -> None:
    answer = Answer(await crm.http.get(f"/graphql?{query_string}", headers=crm.headers("sun")))

    assert answer.error == (400, "PARSE_FAILED", message)


async def test_a_mutation_needs_post(crm: Crm) -> None:
    before = await crm.count("customers")
    answer = await get(crm, query='mutation { createCustomer(input: {name: "x", kind: PERSON}) { errors { code } } }')

    assert answer.error == (405, "METHOD_NOT_ALLOWED", "Use POST for this request.")
    assert answer.response.headers["allow"] == "POST"
    assert await crm.count("customers") == before


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_other_methods_are_not_allowed(crm: Crm, method: str) -> None:
    answer = Answer(await crm.http.request(method, "/graphql", content=TYPENAME, headers=crm.headers("sun")))

    assert answer.error == (405, "METHOD_NOT_ALLOWED", "Use GET, POST for this request.")
    assert answer.response.headers["allow"] == "GET, POST"


async def test_answers_are_of_one_asker_and_are_not_kept(crm: Crm) -> None:
    assert (await crm.post(TYPENAME)).response.headers["cache-control"] == "no-store"


async def test_a_page_for_people_is_served_to_browsers_only(crm: Crm) -> None:
    page = await crm.http.get("/graphql", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})

    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")


def _forged(crm: Crm) -> str:
    """The claims of another user under the signature of one's own token."""
    head, claims, signature = crm.token("chen").split(".")
    data = orjson.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    data["sub"] = str(crm.users["root"])
    return ".".join([head, base64.urlsafe_b64encode(orjson.dumps(data)).decode().rstrip("="), signature])


def _unsigned(crm: Crm) -> str:
    _, claims, _ = crm.token("chen").split(".")
    head = base64.urlsafe_b64encode(b'{"alg":"none","typ":"at+jwt"}').decode().rstrip("=")
    return f"{head}.{claims}."


def _of_audience(crm: Crm) -> str:
    terms = TokenTerms(crm.terms.issuer, "another-service", 900)
    return issue_user_token(terms, crm.keys, crm.users["sun"], now=crm.clock())


def _of_issuer(crm: Crm) -> str:
    terms = TokenTerms("https://elsewhere.example.com", crm.terms.audience, 900)
    return issue_user_token(terms, crm.keys, crm.users["sun"], now=crm.clock())


def _of_another_key(crm: Crm) -> str:
    keys = KeyRing(crm.keys.signing, "unknown", {})
    return issue_user_token(crm.terms, keys, crm.users["sun"], now=crm.clock())


def _expired(crm: Crm) -> str:
    return crm.token("sun", now=START - timedelta(days=1))


WRONG_TOKENS: dict[str, Callable[[Crm], str]] = {
    "expired": _expired,
    "of another audience": _of_audience,
    "of another issuer": _of_issuer,
    "of a key that is not ours": _of_another_key,
    "claims changed": _forged,
    "unsigned": _unsigned,
    "garbage": lambda _: "garbage",
    "two dots": lambda _: "..",
    "not ascii": lambda _: "t\xf6ken",
    "very long": lambda crm: crm.token("sun") + "A" * 20_000,
}


@pytest.mark.parametrize("media", [JSON, RESPONSE_JSON])
@pytest.mark.parametrize("kind", WRONG_TOKENS)
async def test_a_token_that_is_not_valid_is_refused_alike_whatever_is_wrong(crm: Crm, kind: str, media: str) -> None:
    authorization = b"Bearer " + WRONG_TOKENS[kind](crm).encode("latin-1")
    headers: list[tuple[bytes, bytes]] = [(b"authorization", authorization), (b"accept", media.encode())]

    answer = Answer(
        await crm.http.post("/graphql", content=TYPENAME, headers=[*headers, (b"content-type", JSON.encode())])
    )

    assert answer.error == UNAUTHENTICATED
    assert answer.response.headers["www-authenticate"] == 'Bearer error="invalid_token"'


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_without_a_token_nothing_is_answered(crm: Crm, method: str) -> None:
    response = await crm.http.request(method, "/graphql", params={"query": "{ __typename }"}, content=b"NONSENSE")

    assert Answer(response).error == UNAUTHENTICATED
    assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("authorization", ["Basic c3VuOnN1bg==", "Bearer", "token"])
async def test_other_credentials_are_no_token(crm: Crm, authorization: str) -> None:
    headers = {"Authorization": authorization, "Content-Type": JSON}

    answer = Answer(await crm.http.post("/graphql", content=TYPENAME, headers=headers))

    assert answer.error == UNAUTHENTICATED
    assert answer.response.headers["www-authenticate"] == "Bearer"


async def test_the_scheme_has_no_case(crm: Crm) -> None:
    headers = {"Authorization": f"bearer {crm.token('sun')}", "Content-Type": JSON}

    assert (await crm.http.post("/graphql", content=TYPENAME, headers=headers)).status_code == 200


@pytest.mark.parametrize(
    ("language", "message"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "请求体不是 UTF-8 编码的 JSON。"),
        ("en-GB,zh;q=0.5", "The body is not JSON in UTF-8."),
        ("fr", "The body is not JSON in UTF-8."),
    ],
)
async def test_refusals_speak_the_language_of_the_request(crm: Crm, language: str, message: str) -> None:
    assert (await crm.post(b"x", Accept_Language=language)).error == (400, "PARSE_FAILED", message)


async def test_a_refused_token_is_told_in_chinese_too(crm: Crm) -> None:
    response = await crm.http.post("/graphql", content=TYPENAME, headers={"Accept-Language": "zh-CN"})

    assert Answer(response).error == (401, "UNAUTHENTICATED", "需要有效的访问令牌。")


async def test_head_is_no_query(crm: Crm) -> None:
    response: httpx.Response = await crm.http.head("/graphql?query=%7B__typename%7D", headers=crm.headers("sun"))

    assert (response.status_code, response.content) == (405, b"")
