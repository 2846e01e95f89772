"""Documents by their id: from a manifest, or registered through the API; if only these are answered, nothing else."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import orjson
import pytest

from crm_graph.app import build_app
from crm_graph.hub import open_hub
from crm_graph.resolvers.manifests import BadManifest
from crm_graph.resolvers.trusted_documents import BUILT_IN

from .conftest import Answer, Crm, serving

REGISTER = "mutation($d: [String!]!) { registerDocuments(documents: $d) { ids errors { code message path } } }"
REMOVE = "mutation($ids: [String!]!) { removeDocuments(ids: $ids) { ids errors { code message path } } }"
NOT_TRUSTED = (
    400,
    "DOCUMENT_NOT_TRUSTED",
    "This document is not known here. Name a registered one by documentId, or have yours registered.",
)
HOLDS_WITHIN_S = 2.0
"""A change of rights holds everywhere within one; the rest is for a busy machine."""
MISMATCH = (400, "PARSE_FAILED", "documentId is not the id of this query.")
MANIFEST = {"names-1": "query Names($n: Int!) { customers(first: $n) { nodes { name } } }"}


def sha(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


async def post(crm: Crm, who: str, http: httpx.AsyncClient | None = None, **body: Any) -> Answer:
    return Answer(await (http or crm.http).post("/graphql", json=body, headers=crm.headers(who)))


async def register(crm: Crm, *documents: str) -> list[str]:
    payload = (await crm.ask("sun", REGISTER, {"d": documents})).payload("registerDocuments")
    assert payload["errors"] == []
    ids: list[str] = payload["ids"]
    return ids


@asynccontextmanager
async def another_process(crm: Crm, tmp_path: Path, *, only: bool = False) -> AsyncIterator[httpx.AsyncClient]:
    """A second hub over the same database, with a manifest."""
    manifest = tmp_path / "manifest.json"
    manifest.write_bytes(orjson.dumps(MANIFEST))
    settings = crm.settings.model_copy(update={"trusted_documents": manifest, "trusted_documents_only": only})
    async with serving(build_app(settings, clock=crm.clock)) as http:
        yield http


async def test_a_registered_document_is_asked_for_by_its_id(crm: Crm) -> None:
    text = "query Q($n: Int!) { customers(first: $n) { nodes { id } } }"
    (id_,) = await register(crm, text)

    by_post = await post(crm, "wang", documentId=id_, variables={"n": 0})
    query_string = urlencode({"documentId": id_, "variables": '{"n":0}', "operationName": "Q"})
    by_get = Answer(await crm.http.get(f"/graphql?{query_string}", headers=crm.headers("wang")))

    assert id_ == sha(text)
    assert by_post.data == by_get.data == {"customers": {"nodes": []}}


async def test_registering_again_changes_nothing(crm: Crm) -> None:
    text = "query Again { __typename }"
    first = await register(crm, text)
    row = await crm.database.fetchrow("SELECT * FROM trusted_documents WHERE id = $1", first[0])
    again = await register(crm, text, text)

    assert row is not None
    assert (row["text"], row["registered_by_id"]) == (text, crm.users["sun"])
    assert again == [*first, *first]
    assert await crm.database.fetchrow("SELECT * FROM trusted_documents WHERE id = $1", first[0]) == row


async def test_wrong_documents_refuse_all_and_are_told_by_index(crm: Crm) -> None:
    before = await crm.count("trusted_documents")
    documents = ["query Fine { __typename }", "{ customers { nodes { nope } } }", "{", "# " + "x" * 100_000]

    payload = (await crm.ask("sun", REGISTER, {"d": documents})).payload("registerDocuments")
    alone = (await crm.ask("sun", REGISTER, {"d": ["{"]})).payload("registerDocuments")

    assert payload == {
        "ids": None,
        "errors": [
            {
                "code": "INVALID",
                "message": "The document is not valid (Cannot query field 'nope' on type 'Customer').",
                "path": ["documents", "1"],
            },
            {
                "code": "INVALID",
                "message": "The document is not valid (Syntax Error: Expected Name, found <EOF>).",
                "path": ["documents", "2"],
            },
            {"code": "INVALID", "message": "The text may have at most 100000 characters.", "path": ["documents", "3"]},
        ],
    }
    assert [error["path"] for error in alone["errors"]] == [["documents", "0"]]
    assert await crm.count("trusted_documents") == before


async def test_at_most_a_hundred_are_taken_at_once(crm: Crm) -> None:
    documents = [f"query Q{n} {{ __typename }}" for n in range(101)]

    assert (await crm.ask("sun", REGISTER, {"d": documents})).refusals("registerDocuments") == [
        ("LIMIT_REACHED", ["documents"])
    ]
    assert (await crm.ask("sun", REMOVE, {"ids": documents})).refusals("removeDocuments") == [
        ("LIMIT_REACHED", ["ids"])
    ]


async def test_there_is_a_limit_in_all(crm: Crm) -> None:
    await crm.database.execute(
        "INSERT INTO trusted_documents SELECT 'full ' || n, '', now(), $1 FROM generate_series(1, 10000) n",
        crm.users["sun"],
    )
    try:
        answer = await crm.ask("sun", REGISTER, {"d": ["query OneTooMany { __typename }"]})
        assert answer.refusals("registerDocuments") == [("LIMIT_REACHED", ["documents"])]
    finally:
        await crm.database.execute("DELETE FROM trusted_documents WHERE id LIKE 'full %'")


@pytest.mark.parametrize("who", ["wang", "zhao", "qian", "erp"])
async def test_who_may_not_register_has_no_such_mutation(crm: Crm, who: str) -> None:
    for document, field in ((REGISTER, "registerDocuments"), (REMOVE, "removeDocuments")):
        errors = (await crm.ask(who, document, {"d": [], "ids": []})).json["errors"]
        assert f"Cannot query field '{field}' on type 'Mutation'." in [e["message"] for e in errors] or who == "erp"
        assert {e["extensions"]["code"] for e in errors} == {"VALIDATION_FAILED"}


@pytest.mark.parametrize("who", ["wang", "zhao", "qian", "erp"])
async def test_who_may_not_register_is_told_the_same_whatever_the_document_is(crm: Crm, who: str) -> None:
    hidden, never_was = (f"{{ customers {{ nodes {{ {name} }} }} }}" for name in ("bankAccount", "neverWas"))
    lists = [[], [hidden], [never_was], ["{"], ["x" * 100_001], [hidden] * 101]
    built_in = "x-crm-graph:registerDocuments"

    by_text = [await post(crm, who, query=REGISTER, variables={"d": documents}) for documents in lists]
    by_id = [await post(crm, who, documentId=built_in, variables={"documents": documents}) for documents in lists]

    for answers in (by_text, by_id):
        assert [(a.status, a.response.content) for a in answers] == [(400, answers[0].response.content)] * len(lists)


async def test_who_may_register_is_told_by_the_full_schema(crm: Crm) -> None:
    names = ("bankAccount", "neverWas")
    hidden, never_was = (f"{{ customers(first: 0) {{ nodes {{ {name} }} }} }}" for name in names)

    assert await register(crm, hidden) == [sha(hidden)]
    assert (await crm.ask("sun", REGISTER, {"d": [never_was]})).refusals("registerDocuments") == [
        ("INVALID", ["documents", "0"])
    ]


async def test_rights_are_those_of_who_asks(crm: Crm) -> None:
    (id_,) = await register(crm, "{ customers(first: 0) { nodes { bankAccount } } }")

    assert (await post(crm, "qian", documentId=id_)).data == {"customers": {"nodes": []}}
    assert (await post(crm, "sun", documentId=id_)).error == (
        400,
        "VALIDATION_FAILED",
        "Cannot query field 'bankAccount' on type 'Customer'.",
    )


async def test_a_trusted_mutation_needs_post(crm: Crm) -> None:
    (id_,) = await register(crm, 'mutation { archiveCustomer(id: "x") { errors { code } } }')

    answer = Answer(await crm.http.get(f"/graphql?documentId={id_}", headers=crm.headers("sun")))

    assert answer.error[:2] == (405, "METHOD_NOT_ALLOWED")


@pytest.mark.parametrize("id_", [sha("nobody registered this"), "names-1", "", "sha256:", "sha256:" + "A" * 64, "\0"])
async def test_an_unknown_id_is_not_trusted(crm: Crm, id_: str) -> None:
    assert (await post(crm, "sun", documentId=id_)).error == NOT_TRUSTED
    assert (await post(crm, "sun", documentId=id_)).error == NOT_TRUSTED


async def test_id_and_text_must_agree(crm: Crm) -> None:
    text, other = "query Both { __typename }", "query  Both { __typename }"
    (id_,) = await register(crm, text)
    fresh = "query NotRegistered { __typename }"

    assert (await post(crm, "sun", documentId=id_, query=text)).data == {"__typename": "Query"}
    assert (await post(crm, "sun", documentId=id_, query=other)).error == MISMATCH
    assert (await post(crm, "sun", documentId=sha(fresh), query=fresh)).data == {"__typename": "Query"}
    assert (await post(crm, "sun", documentId=sha(other), query=fresh)).error == MISMATCH
    assert (await post(crm, "sun", documentId="unknown", query=fresh)).error == NOT_TRUSTED


async def test_sending_a_text_with_its_id_registers_nothing(crm: Crm) -> None:
    text = "query Apq { __typename }"
    await post(crm, "sun", documentId=sha(text), query=text)

    assert (await post(crm, "sun", documentId=sha(text))).error == NOT_TRUSTED


@pytest.mark.parametrize("wrong", [5, False, ["x"], {"id": "x"}])
async def test_an_id_is_a_string(crm: Crm, wrong: Any) -> None:
    assert (await post(crm, "sun", documentId=wrong)).error == (400, "PARSE_FAILED", "documentId is a string.")
    assert (await post(crm, "sun", documentId="x", query=wrong)).error == (400, "PARSE_FAILED", "query is a string.")


async def test_nothing_is_said_of_documents_without_a_token(crm: Crm) -> None:
    (id_,) = await register(crm, "query Secret { __typename }")

    for asked in (id_, sha("unknown")):
        response = await crm.http.post("/graphql", json={"documentId": asked})
        assert Answer(response).error[:2] == (401, "UNAUTHENTICATED")


async def test_what_one_process_registers_and_removes_holds_in_all(crm: Crm, tmp_path: Path) -> None:
    text = "query Everywhere { __typename }"
    async with another_process(crm, tmp_path) as other:
        (id_,) = await register(crm, text)
        assert (await post(crm, "wang", other, documentId=id_)).data == {"__typename": "Query"}

        removed = await crm.ask("sun", REMOVE, {"ids": [id_, id_, sha("never was")]})
        assert removed.payload("removeDocuments") == {"ids": [id_], "errors": []}
        async with asyncio.timeout(HOLDS_WITHIN_S):
            for http in (crm.http, other):
                while (answer := await post(crm, "wang", http, documentId=id_)).status == 200:
                    pass
                assert answer.error == NOT_TRUSTED


async def test_a_manifest_is_known_from_the_start(crm: Crm, tmp_path: Path) -> None:
    async with another_process(crm, tmp_path) as http:
        known = await post(crm, "wang", http, documentId="names-1", variables={"n": 0})
        usual = await post(crm, "wang", http, query="{ __typename }")

    assert (known.data, usual.data) == ({"customers": {"nodes": []}}, {"__typename": "Query"})


async def test_where_only_trusted_documents_are_answered_nothing_else_is(crm: Crm, tmp_path: Path) -> None:
    introspection = "{ __schema { queryType { name } } }"
    trusted = MANIFEST["names-1"]
    async with another_process(crm, tmp_path, only=True) as http:
        assert (await post(crm, "wang", http, documentId="names-1", variables={"n": 0})).status == 200
        assert (await post(crm, "wang", http, documentId="names-1", query=trusted, variables={"n": 0})).status == 200
        for query in (introspection, trusted, "{ __typename }", "nonsense"):
            assert (await post(crm, "wang", http, query=query)).error == NOT_TRUSTED
            assert (await post(crm, "wang", http, query=query, documentId=sha(query))).error == NOT_TRUSTED
        json = {**crm.headers("wang"), "Accept": "application/json"}
        as_json = Answer(await http.post("/graphql", json={"query": introspection}, headers=json))
        assert as_json.error == (200, *NOT_TRUSTED[1:])


async def test_a_first_document_can_be_registered_where_only_trusted_ones_are_answered(
    crm: Crm, tmp_path: Path
) -> None:
    text = "query First { __typename }"
    async with another_process(crm, tmp_path, only=True) as http:
        add, take = BUILT_IN
        asked: Sequence[tuple[str, dict[str, Any]]] = ((add, {"documents": [text]}), (take, {"ids": [sha(text)]}))
        for id_, variables in asked:
            payload = await post(crm, "sun", http, documentId=id_, variables=variables)
            assert payload.json["data"][id_.partition(":")[2]] == {"ids": [sha(text)], "errors": []}
            refused = await post(crm, "wang", http, documentId=id_, variables=variables)
            assert refused.error[:2] == (400, "VALIDATION_FAILED")


async def test_a_bad_manifest_keeps_the_hub_from_starting(crm: Crm, tmp_path: Path) -> None:
    manifest = tmp_path / "bad.json"
    manifest.write_text('{"a": "{ nodes"}')
    settings = crm.settings.model_copy(update={"trusted_documents": manifest})

    with pytest.raises(BadManifest, match=r"bad\.json: entry 'a': Syntax Error: Expected Name, found <EOF>\."):
        async with open_hub(settings):
            pass


async def test_who_registered_and_removed_a_document_is_in_the_log(crm: Crm) -> None:
    text = "query Logged { customers(first: 1) { nodes { id } } }"
    (id_,) = await register(crm, text)
    await register(crm, text)
    assert (await crm.ask("sun", REMOVE, {"ids": [id_, "sha256:none"]})).payload("removeDocuments")["ids"] == [id_]
    events = await crm.database.fetch(
        "SELECT type, actor_id, before::text AS before, after::text AS after FROM events"
        " WHERE entity_type = 'trusted_document' AND before ->> 'id' = $1 OR after ->> 'id' = $1 ORDER BY id",
        id_,
    )
    assert [(e["type"], e["actor_id"], orjson.loads(e["before"]), orjson.loads(e["after"])) for e in events] == [
        ("trusted_document.registered", crm.users["sun"], {}, {"id": id_, "text": text}),
        ("trusted_document.removed", crm.users["sun"], {"id": id_, "text": text}, {}),
    ]
