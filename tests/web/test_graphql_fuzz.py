"""Generated documents against the running server: each is answered soon, and as the reference answers, or refused by a
code of the contract.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from random import Random
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import assume, given
from hypothesis import strategies as st
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import positive_data_acceptance

from crm_graph.permissions.policy import DEFAULT_ROLES
from crm_graph.permissions.rules import EVERYONE
from crm_graph.proof.datasets import Dataset
from crm_graph.proof.engine import principal_of
from crm_graph.proof.operations.drafts import LEFT_OUT
from crm_graph.proof.rows import insert, load
from crm_graph.proof.view import View
from crm_graph.resolvers.plan import Limits
from reference.compiled import catalog, default_access, schema_of
from reference.cursors import difference
from reference.interpreter import Interpreter
from reference.settings import EFFORT, tried

from .conftest import PEOPLE, Answer, Crm, opened, settings_of_own_database
from .fuzzing import hostile_mutations, hostile_queries, ordinary_queries, scalars

REFUSED = {"PARSE_FAILED", "VALIDATION_FAILED", "BAD_VARIABLES", "COST_EXCEEDED"}
CORRECTABLE = {
    "INVALID", "REQUIRED", "NOT_FOUND", "CONFLICT", "STAGE_NOT_ALLOWED", "DUPLICATE", "LIMIT_REACHED", "MASKED_VALUE",
    "RULE_VIOLATED",
}  # fmt: skip
WHO = ("sun", "wang", "zhao", "qian", "root", "zhou")
ROLES = sorted(set(DEFAULT_ROLES) - {EVERYONE})
QUERIES, MUTATIONS, COMPARED = 22, 20, 12


@pytest.fixture(scope="session")
async def fuzzed(
    cluster_address: str, worker_id: str, tmp_path_factory: pytest.TempPathFactory, _plain_logs: None
) -> AsyncIterator[Crm]:
    """A hub of its own with random records, which mutations may do anything to; one who has some of them holds each
    role.
    """
    settings = await settings_of_own_database(cluster_address, worker_id, "fuzz", tmp_path_factory.mktemp("fuzz"))
    async with opened(settings) as hub:
        made = Dataset(Random(20), catalog(), 14).build()
        for pipeline in made["pipelines"]:
            pipeline["is_default"] = False
        holders = made["users"][: len(ROLES)]
        for role, user in zip(ROLES, holders, strict=True):
            user.update(status="ACTIVE", archived_at=None, token_epoch=0)
            hub.users[holder_of(role)] = user["id"]
        await insert(hub.database, made)
        await hub.database.executemany(_HOLDS, [(hub.users[holder_of(role)], role) for role in ROLES])
        yield hub


_HOLDS = "INSERT INTO user_roles (user_id, role_id) SELECT $1, id FROM roles WHERE key = $2"


def holder_of(role: str) -> str:
    """The name of who holds a role and has random records."""
    return f"holder of {role}"


async def known_ids(crm: Crm) -> list[str]:
    """Ids of some records of each type, and of people."""
    tables = await load(crm.database)
    found = [str(row["id"]) for entity in catalog().roots for row in tables[entity.table][:3]]
    return [*found, *(str(id_) for id_ in crm.users.values())]


class Fuzz:
    """Asks as one of the people, in a thread beside the server, and counts what became of each document."""

    def __init__(self, crm: Crm, who: str) -> None:
        self._settings = crm.settings
        self._who = who
        self._http = httpx.Client(base_url=crm.http.base_url, headers=crm.headers(who), timeout=60)
        self.outcomes = Counter[str]()

    async def run(self, examples: int, documents: st.SearchStrategy[str], each: Callable[[str], str]) -> Counter[str]:
        """Try so many documents, and give how many had each outcome."""

        @tried(examples)
        @given(document=documents)
        def attempt(document: str) -> None:
            self.outcomes[each(document)] += 1

        with self._http:
            await asyncio.to_thread(attempt)
        return self.outcomes

    def ask(self, document: str) -> Answer:
        """The answer of the server, which came soon. Fails for a status or a shape that no answer may have."""
        headers = {"Content-Type": "application/json"}
        answer = Answer(self._http.post("/graphql", content=json.dumps({"query": document}), headers=headers))
        assert answer.response.elapsed.total_seconds() * 1_000 <= self._settings.statement_timeout_ms, document
        return answer

    def read(self, document: str) -> str:
        """Ask a query; `ANSWERED`, or the code that it was refused by."""
        answer = self.ask(document)
        told = self.told(document, answer)
        if "errors" not in answer.json:
            assert answer.status == 200, told
            return "ANSWERED"
        assert answer.status == 400, told
        assert "data" not in answer.json, told
        (code,) = {error["extensions"]["code"] for error in answer.json["errors"]}
        assert code in REFUSED, told
        assert all(error["message"] for error in answer.json["errors"]), told
        return str(code)

    def change(self, document: str) -> str:
        """Send a mutation; `CHANGED`, the code that a field of it was refused by, or that of the whole."""
        answer = self.ask(document)
        told = self.told(document, answer)
        assert answer.status in (200, 294, 400), told
        refused = {error["extensions"]["code"] for error in answer.json.get("errors", ())}
        assert refused <= REFUSED, told
        payloads = [payload for payload in (answer.json.get("data") or {}).values() if payload is not None]
        wrong = [error["code"] for payload in payloads for error in payload["refused"]]
        assert set(wrong) <= CORRECTABLE, told
        return str([*refused, *wrong, "CHANGED"][0])

    def told(self, document: str, answer: Answer) -> str:
        return f"{self._who} asked {document[:4_000]}\nand was told {answer.status} {answer.response.text[:2_000]}"


@pytest.mark.parametrize("who", WHO)
async def test_any_query_is_answered_or_refused_by_a_code(who: str, fuzzed: Crm) -> None:
    documents = hostile_queries(schema_of(default_access([PEOPLE[who][0]])), await known_ids(fuzzed))
    fuzz = Fuzz(fuzzed, who)

    outcomes = await fuzz.run(QUERIES, documents, fuzz.read)

    assert outcomes.total() == QUERIES * EFFORT
    assert len(outcomes) >= 2


@pytest.mark.parametrize("who", ["sun", "wang", "zhao", "zhou"])
async def test_any_mutation_is_done_or_refused_by_a_code(who: str, fuzzed: Crm) -> None:
    documents = hostile_mutations(schema_of(default_access([PEOPLE[who][0]])), await known_ids(fuzzed))
    fuzz = Fuzz(fuzzed, who)

    outcomes = await fuzz.run(MUTATIONS, documents, fuzz.change)

    assert outcomes.total() == MUTATIONS * EFFORT
    assert set(outcomes) & CORRECTABLE


@pytest.mark.parametrize("role", ROLES)
async def test_a_query_of_the_schema_is_answered_as_the_reference_answers(role: str, fuzzed: Crm) -> None:
    access, tables = default_access([role]), await load(fuzzed.database)
    schema, who = schema_of(access), principal_of(tables, fuzzed.users[holder_of(role)], access)
    assert schema.query_type is not None
    reference = Interpreter(schema, View(catalog(), tables, who, access), Limits())
    lists = [entity.api_plural for entity in catalog().roots]
    wanted = ["node", "nodes", *lists, *(f"{name}Aggregate" for name in lists)]
    roots = [name for name in wanted if name in schema.query_type.fields]
    fuzz, seen = Fuzz(fuzzed, holder_of(role)), set[str]()

    def same(document: str) -> str:
        assume(document not in seen)
        outcome = fuzz.read(document)
        if outcome == "ANSWERED":
            found = difference(fuzz.ask(document).data, reference.answer(document, {}))
            assert found is None, f"{found}\n{document}"
        seen.add(document)
        return outcome

    ids = await known_ids(fuzzed)
    documents = st.sampled_from(roots).flatmap(lambda root: ordinary_queries(schema, ids, [root], LEFT_OUT))
    outcomes = await fuzz.run(COMPARED, documents, same)

    assert outcomes.total() == COMPARED * EFFORT
    assert outcomes["ANSWERED"] >= COMPARED // 2 * EFFORT


async def test_schemathesis_finds_nothing(fuzzed: Crm) -> None:
    """Its own checks, but for the one that takes every refusal of a valid document for a fault."""
    for name, values in scalars(await known_ids(fuzzed), hostile=True).items():
        schemathesis.graphql.scalar(name, values)
    url = str(fuzzed.http.base_url.join("/graphql"))
    asked = Counter[str]()

    def run() -> None:
        schema = schemathesis.graphql.from_url(url, headers=fuzzed.headers("sun"))
        for found in schema.get_all_operations():
            assert isinstance(found, Ok)
            operation = found.ok()

            @tried(1)
            @given(case=operation.as_strategy())
            def attempt(case: Any) -> None:
                headers = fuzzed.headers("sun")
                answer = case.call_and_validate(headers=headers, excluded_checks=[positive_data_acceptance])
                asked[str(answer.status_code)] += 1

            attempt()

    await asyncio.to_thread(run)

    assert set(asked) == {"200", "400"}
