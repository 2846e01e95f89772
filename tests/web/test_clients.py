"""Clients that others wrote, on the running hub and on its SDL: the audits of GraphQL over HTTP, gql, Apollo Client,
Relay's compiler and graphql-codegen. The node side stands in `tests/clients`.
"""

import asyncio
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
from gql import Client, gql
from gql.dsl import DSLQuery, DSLSchema, dsl_gql
from gql.transport.exceptions import TransportQueryError
from gql.transport.httpx import HTTPXAsyncTransport
from graphql import GraphQLError

from crm_graph.app import build_app

from .conftest import Answer, Crm, serving

ROOT = Path(__file__).parents[2]
CLIENTS = ROOT / "tests" / "clients"
MODULES = CLIENTS / "node_modules"
SDL = ROOT / "schema.graphql"
WITHIN_S = 120
MISSING = "the reference clients are not installed: install Node.js 20 or newer with npm, then run `make clients`"


async def node(script: str, *arguments: str, cwd: Path = CLIENTS, given: Mapping[str, str] | None = None) -> str:
    """What a script of `tests/clients` prints; its failure is the test's."""
    found = shutil.which("node")
    if found is None or not (MODULES / ".installed").exists():
        pytest.fail(MISSING)
    process = await asyncio.create_subprocess_exec(
        found,
        CLIENTS / script,
        *arguments,
        cwd=cwd,
        env={"PATH": os.defpath, **(given or {})},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(WITHIN_S):
        out, err = await process.communicate()
    assert process.returncode == 0, out.decode() + err.decode()
    return out.decode()


def address(crm: Crm, who: str) -> dict[str, str]:
    return {"URL": str(crm.http.base_url.join("/graphql")), "TOKEN": crm.token(who)}


async def shops(crm: Crm, prefix: str, count: int) -> list[str]:
    """Customers of a name of their own; gives their ids."""
    made = [
        await crm.make("sun", "customer", kind="ORGANIZATION", name=f"{prefix}{n}", city="杭州") for n in range(count)
    ]
    return [customer["id"] for customer in made]


async def test_every_audit_of_graphql_over_http_is_ok(crm: Crm) -> None:
    results = orjson.loads(await node("audit.mjs", given=address(crm, "sun")))

    assert len(results) > 50
    assert [result for result in results if result["status"] != "ok"] == []


async def test_apollo_client_pages_caches_and_tells_errors_apart(crm: Crm) -> None:
    ids = await shops(crm, "阿波罗", 5)

    seen = orjson.loads(await node("apollo.mjs", given={**address(crm, "sun"), "PREFIX": "阿波罗"}))

    assert seen == {
        "firstPage": ["阿波罗0", "阿波罗1"],
        "total": 5,
        "allPages": [f"阿波罗{n}" for n in range(5)],
        "cachedAs": 5,
        "changed": "苏州",
        "cityInTheList": "苏州",
        "refused": [{"code": "INVALID", "path": ["city"]}],
        "node": {"__typename": "Customer", "id": ids[0], "name": "阿波罗0", "city": "苏州"},
        "unknownField": ["VALIDATION_FAILED"],
        "badVariable": ["BAD_VARIABLES"],
    }


async def test_gql_fetches_the_schema_of_its_role_and_checks_documents_by_it(crm: Crm) -> None:
    await shops(crm, "吉尔", 2)
    transport = HTTPXAsyncTransport(str(crm.http.base_url.join("/graphql")), headers=crm.headers("sun"))
    query = gql("query($p: String!) { customers(where: { name: { startsWith: $p } }) { totalCount } }")
    query.variable_values = {"p": "吉尔"}

    async with Client(transport=transport, fetch_schema_from_transport=True) as session:
        counted = await session.execute(query)
        with pytest.raises(GraphQLError, match="Cannot query field 'bankAccount' on type 'Customer'"):
            await session.execute(gql("{ customers { nodes { bankAccount } } }"))
        with pytest.raises(TransportQueryError) as refused:
            await session.execute(gql('{ customer(id: "x") { id } }'))
        assert session.client.schema is not None
        by_name = DSLSchema(session.client.schema)
        where = {"name": {"eq": "吉尔1"}}
        built = by_name.Query.customers(where=where).select(
            by_name.CustomerConnection.nodes.select(by_name.Customer.name)
        )
        found = await session.execute(dsl_gql(DSLQuery(built)))

    assert counted == {"customers": {"totalCount": 2}}
    assert [error["extensions"]["code"] for error in refused.value.errors or []] == ["BAD_VARIABLES"]
    assert found == {"customers": {"nodes": [{"name": "吉尔1"}]}}


async def test_what_relays_compiler_makes_of_the_sdl_runs_by_document_id(crm: Crm, tmp_path: Path) -> None:
    (shop, *_) = await shops(crm, "接力", 3)
    for n in range(3):
        await crm.make(
            "sun",
            "interaction",
            customerId=shop,
            channel="CALL",
            subject=f"来电{n}",
            occurredAt=f"2026-11-20T0{n}:00:00Z",
        )
    project = tmp_path / "relay"
    shutil.copytree(CLIENTS / "relay", project)
    shutil.copy(SDL, project)
    (project / "__generated__").mkdir()
    (project / "persisted.json").write_text("{}")

    await node("node_modules/relay-compiler/cli.js", "relay.config.json", cwd=project)

    ids = {text.split("(")[0].removeprefix("query "): id_ for id_, text in _json(project / "persisted.json").items()}
    settings = crm.settings.model_copy(
        update={"trusted_documents": project / "persisted.json", "trusted_documents_only": True}
    )
    async with serving(build_app(settings, clock=crm.clock)) as http:

        async def ask(name: str, **variables: Any) -> Any:
            body = {"documentId": ids[name], "variables": variables}
            return Answer(await http.post("/graphql", json=body, headers=crm.headers("sun"))).data

        first = (await ask("customersPageQuery", prefix="接力"))["customers"]
        rest = await ask("customersListPaginationQuery", prefix="接力", cursor=first["pageInfo"]["endCursor"])
        calls = first["edges"][0]["node"]["interactions"]
        more = await ask("customersInteractionsPaginationQuery", id=shop, cursor=calls["pageInfo"]["endCursor"])

    assert [edge["node"]["name"] for edge in first["edges"]] == ["接力0", "接力1"]
    assert [edge["node"]["name"] for edge in rest["customers"]["edges"]] == ["接力2"]
    assert rest["customers"]["pageInfo"]["hasNextPage"] is False
    assert [edge["node"]["subject"] for edge in calls["edges"]] == ["来电2", "来电1"]
    assert more["node"]["__typename"] == "Customer"
    assert [edge["node"]["subject"] for edge in more["node"]["interactions"]["edges"]] == ["来电0"]


async def test_what_graphql_codegen_makes_of_the_sdl_compiles(tmp_path: Path) -> None:
    shutil.copy(CLIENTS / "codegen" / "use.ts", tmp_path)
    await node("codegen/generate.mjs", given={"SCHEMA": str(SDL), "OUT": str(tmp_path)})
    compiled = ["--noEmit", "--strict", "--module", "esnext", "--moduleResolution", "bundler", "use.ts", "schema.ts"]
    await node("node_modules/typescript/bin/tsc", *compiled, cwd=tmp_path)

    written = (tmp_path / "operations.ts").read_text(encoding="utf-8")
    assert "export type CustomersQuery = " in written
    assert "export type RenameMutation = " in written


def _json(path: Path) -> Mapping[str, str]:
    found: Mapping[str, str] = orjson.loads(path.read_bytes())
    return found
