"""Exports over HTTP: who may make and download them, what they hold, and what is told where they are refused."""

import asyncio
import io
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import orjson
import pytest
from python_calamine import CalamineWorkbook

from crm_graph.services.exports import MAX_WAITING

from .conftest import START, Answer, Crm
from .exporting import CREATE, NO_SUCH_EXPORT, create, download, hire, hub, refused, told

LIST = """
query Customers($tag: String!, $first: Int, $after: String) {
  customers(first: $first, after: $after, where: { shortName: { eq: $tag } }, orderBy: [{ name: ASC }]) {
    totalCount
    pageInfo { hasNextPage endCursor }
    nodes { name mobile: phone creditLimit { amount currency } owner { name } contactPoints { kind } __typename }
  }
}"""
PHONES = "query($tag: String!) { customers(where: { shortName: { eq: $tag } }) { nodes { name phone maskedFields } } }"


async def tagged(crm: Crm, *names: str, who: str = "wang", **values: Any) -> str:
    """New customers of wang, and what finds them."""
    tag = uuid4().hex
    for index, name in enumerate(names):
        phone = f"138000{index:05d}"
        await crm.make(who, "customer", kind="PERSON", **{"name": name, "shortName": tag, "phone": phone, **values})
    return tag


async def lines(crm: Crm, url: str, who: str = "sun") -> list[Any]:
    response = await download(crm, url, who)
    assert response.status_code == 200, response.text
    return [orjson.loads(line) for line in response.content.splitlines()]


async def test_json_lines_are_the_nodes_of_the_query_on_all_pages(crm: Crm) -> None:
    tag = await tagged(crm, "丙", "甲", "乙")
    page = (await crm.ask("sun", LIST, {"tag": tag, "first": 1})).data["customers"]
    whole = (await crm.ask("sun", LIST, {"tag": tag})).data["customers"]
    made = await create(crm, LIST, {"tag": tag, "first": 1, "after": page["pageInfo"]["endCursor"]})
    assert (page["totalCount"], len(page["nodes"])) == (3, 1)
    assert await lines(crm, made["url"]) == whole["nodes"]


async def test_csv_is_a_table_of_the_selection(crm: Crm) -> None:
    tag = await tagged(crm, "甲", "乙")
    await crm.database.execute(
        "UPDATE customers SET credit_limit = -1200.5, name = '=甲' WHERE short_name = $1 AND name = '甲'", tag
    )
    made = await create(crm, LIST, {"tag": tag}, format="CSV", fileName="客户 名单.csv")
    response = await download(crm, made["url"])
    assert response.content.decode() == (
        "\ufeffname,mobile,creditLimit.amount,creditLimit.currency,owner.name,contactPoints\r\n"
        '\'=甲,\'+8613800000000,-1200.50,CNY,wang,"[{""kind"":""MOBILE""}]"\r\n'
        '乙,\'+8613800000001,,,wang,"[{""kind"":""MOBILE""}]"\r\n'
    )
    assert made["fileName"] == "客户 名单.csv"
    assert (
        dict(response.headers).items()
        >= {
            "content-type": "text/csv; charset=utf-8; header=present",
            "content-disposition": 'attachment; filename="__ __.csv";'
            " filename*=UTF-8''%E5%AE%A2%E6%88%B7%20%E5%90%8D%E5%8D%95.csv",
            "cache-control": "no-store",
            "x-content-type-options": "nosniff",
            "transfer-encoding": "chunked",
        }.items()
    )
    assert "vary" not in response.headers


async def test_csv_for_programs_has_no_byte_order_mark(crm: Crm) -> None:
    tag = await tagged(crm, "甲")
    made = await create(crm, PHONES, {"tag": tag}, format="CSV", byteOrderMark=False)
    assert (await download(crm, made["url"])).content.startswith(b"name,phone,maskedFields\r\n")


async def test_xlsx_opens_with_numbers_dates_and_texts(crm: Crm) -> None:
    tag = await tagged(crm, "=1+1")
    await crm.database.execute("UPDATE customers SET credit_limit = 1200.5 WHERE short_name = $1", tag)
    cells = "name phone creditLimit { amount } createdAt version creditHold kind externalRefs { source }"
    document = "query($tag: String!) { customers(where: { shortName: { eq: $tag } }) {"
    document += f" edges {{ cursor node {{ {cells} }} }} }} }}"
    made = await create(crm, document, {"tag": tag}, format="XLSX")
    response = await download(crm, made["url"])
    book = CalamineWorkbook.from_filelike(io.BytesIO(response.content))
    header, row = book.get_sheet_by_index(0).to_python()
    assert made["fileName"] == "customers-2026-11-22.xlsx"
    assert response.headers["content-type"] == "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    assert header == [
        "name", "phone", "creditLimit.amount", "createdAt (Asia/Shanghai)", "version", "creditHold", "kind",
        "externalRefs",
    ]  # fmt: skip
    made_at: Any = row.pop(3)
    assert row == ["=1+1", "+8613800000000", 1200.5, 1.0, False, "PERSON", "[]"]
    assert abs(made_at - (START + timedelta(hours=8)).replace(tzinfo=None)) < timedelta(hours=1)


async def test_rows_and_cells_are_those_of_who_asks(crm: Crm) -> None:
    for name, role, team in (("feng", "finance", None), ("he", "service", "service"), ("xu", "sales", "east")):
        await hire(crm, name, role, team=team)
    tag = await tagged(crm, "欧阳静怡")
    found = {}
    for who in ("feng", "he", "xu", "sun"):
        made = await create(crm, PHONES, {"tag": tag}, who=who)
        found[who] = await lines(crm, made["url"], who)
        assert found[who] == (await crm.ask(who, PHONES, {"tag": tag})).data["customers"]["nodes"]
    assert found["sun"][0]["phone"] == "+8613800000000"
    assert found["feng"][0]["phone"] == found["he"][0]["phone"] == "138****0000"
    assert found["xu"] == []


async def test_a_hidden_field_is_refused_like_one_that_never_was(crm: Crm) -> None:
    await hire(crm, "feng", "finance")
    told_of = {}
    for field in ("description", "descriptiom"):
        document = f"{{ customers {{ nodes {{ {field} }} }} }}"
        payload = (await crm.ask("feng", CREATE, {"input": {"document": document, "format": "CSV"}})).payload(
            "createExport"
        )
        told_of[field] = orjson.dumps(payload).decode().replace(field, "…")
    assert told_of["description"] == told_of["descriptiom"]
    assert "Cannot query field '…' on type 'Customer'." in told_of["description"]


async def test_who_may_not_export_has_no_such_mutation_and_no_such_file(crm: Crm) -> None:
    made = await create(crm, "{ customers { nodes { id } } }")
    answer = await crm.ask("wang", CREATE, {"input": {"document": "{ customers { nodes { id } } }", "format": "CSV"}})
    assert answer.status == 400
    assert "CreateExportInput" in answer.json["errors"][0]["message"]
    assert await told(crm, made["url"], "wang") == NO_SUCH_EXPORT


async def test_unknown_malformed_expired_and_others_files_are_not_told_apart(crm: Crm) -> None:
    await hire(crm, "xu", "sales", team="east")
    made = await create(crm, "{ customers { nodes { id } } }")
    bodies = {
        (await download(crm, url, who)).content
        for url, who in (
            (made["url"], "xu"),
            (f"/export/{uuid4()}", "sun"),
            ("/export/nonsense", "sun"),
            ("/export/%00", "sun"),
            ("/export/" + "9" * 5_000, "sun"),
        )
    }
    assert made["expiresAt"].startswith("2026-11-23T")
    crm.clock.now += timedelta(hours=24, minutes=1)
    try:
        bodies.add((await download(crm, made["url"])).content)
        assert await told(crm, made["url"]) == NO_SUCH_EXPORT
    finally:
        crm.clock.now -= timedelta(hours=24, minutes=1)
    assert len(bodies) == 1


async def test_rights_are_those_at_the_time_of_the_download(crm: Crm) -> None:
    await hire(crm, "gao", "crm_manager")
    tag = await tagged(crm, "甲")
    fields = await create(crm, "{ customers { nodes { id creditLimit { amount } } } }", who="gao")
    rows = await create(crm, PHONES, {"tag": tag}, who="gao")
    assert len(await lines(crm, rows["url"], "gao")) == 1

    await change_roles(crm, "gao", "service", "exporter")
    answer = await once_heard(crm, fields["url"], "gao")
    assert answer.status == 400
    assert answer.json["errors"] == [
        {
            "message": "Cannot query field 'creditLimit' on type 'Customer'.",
            "locations": [{"line": 1, "column": 26}],
            "extensions": {"code": "VALIDATION_FAILED"},
        }
    ]
    assert [row["phone"] for row in await lines(crm, rows["url"], "gao")] == ["138****0000"]

    await change_roles(crm, "gao", "service")
    assert (await once_heard(crm, rows["url"], "gao")).error == NO_SUCH_EXPORT


async def change_roles(crm: Crm, who: str, *roles: str) -> None:
    """Give somebody other roles."""
    async with crm.database.transaction():
        await crm.database.execute("DELETE FROM user_roles WHERE user_id = $1", crm.users[who])
        await crm.database.execute(
            "INSERT INTO user_roles (user_id, role_id) SELECT $1, id FROM roles WHERE key = ANY($2)",
            crm.users[who],
            list(roles),
        )
        await crm.database.execute("UPDATE policy_version SET version = version + 1")


async def once_heard(crm: Crm, url: str, who: str) -> Answer:
    """What a download is told when the hub has heard of other roles; one that runs meanwhile is broken off."""
    async with asyncio.timeout(10):
        while True:
            with suppress(httpx.RemoteProtocolError):
                response = await download(crm, url, who)
                if response.status_code != 200:
                    return Answer(response)


@pytest.mark.parametrize(
    ("document", "variables", "expected"),
    [
        (
            "{ customers { nodes { id } } leads { nodes { id } } }",
            None,
            (
                "INVALID",
                "An export is a query of one list with its nodes, such as { customers { nodes { name } } }.",
                ["document"],
            ),
        ),
        ("{ customers {", None, ("INVALID", "The request could not be read.", ["document"])),
        ("{ nothing }", None, ("INVALID", "The document does not fit the schema.", ["document"])),
        (
            "query($a: Decimal) { customers(where: { creditLimit: { gt: $a } }) { nodes { id } } }",
            {"a": "many"},
            ("INVALID", "The variables do not fit the document.", ["variables"]),
        ),
        (
            "query($a: ID!) { customers(where: { id: { eq: $a } }) { nodes { id } } }",
            None,
            ("INVALID", "The variables do not fit the document.", ["variables"]),
        ),
        ("{ customers { nodes { id } } }", [1], ("INVALID", "variables is a JSON object.", ["variables"])),
        ("#" * 100_001, None, ("INVALID", "The text may have at most 100000 characters.", ["document"])),
        ("{ customers { nodes { id } } } #\0", None, ("INVALID", "A text is expected.", ["document"])),
    ],
)
async def test_what_is_wrong_with_a_document_is_told_by_path(
    document: str, variables: Any, expected: tuple[str, str, list[str]], crm: Crm
) -> None:
    assert await refused(crm, document, variables) == [expected]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"limit": 0}, ("INVALID", "The number must lie between 1 and 2147483647.", ["limit"])),
        ({"fileName": "x" * 101}, ("INVALID", "The text may have at most 100 characters.", ["fileName"])),
        ({"operationName": "B"}, ("INVALID", "Name an operation that the document has.", ["document"])),
    ],
)
async def test_what_is_wrong_with_a_wish_is_told_by_path(
    more: dict[str, Any], expected: tuple[str, str, list[str]], crm: Crm
) -> None:
    assert await refused(crm, "query A { customers { nodes { id } } }", **more) == [expected]


@pytest.mark.parametrize(
    ("wished", "name"),
    [
        ("名单", "名单.jsonl"),
        ("../../etc/passwd", "_.._etc_passwd.jsonl"),
        ("a\u202elnosj.exe", "alnosj.exe.jsonl"),
        ('a"b\r\nX: y', "a_bX_ y.jsonl"),
        (" . ", "customers.jsonl"),
        ("list.JSONL", "list.jsonl"),
    ],
)
async def test_file_names_hold_nothing_that_harms(wished: str, name: str, crm: Crm) -> None:
    made = await create(crm, "{ customers { nodes { id } } }", fileName=wished, limit=1)
    assert made["fileName"] == name
    assert (await download(crm, made["url"])).status_code == 200


async def test_a_limit_is_one_of_rows(crm: Crm) -> None:
    tag = await tagged(crm, "甲", "乙", "丙")
    made = await create(crm, LIST, {"tag": tag}, limit=2)
    assert [row["name"] for row in await lines(crm, made["url"])] == ["丙", "乙"]


async def test_fields_that_sql_cannot_compute_are_in_it(crm: Crm) -> None:
    tag = uuid4().hex
    customer = await crm.make("wang", "customer", kind="PERSON", name="甲")
    for name in ("一", "二"):
        await crm.make("wang", "opportunity", name=f"{name} {tag}", customerId=customer["id"])
    document = """query($tag: String!) { opportunities(where: { name: { contains: $tag } }) {
      nodes { name availableTransitions { to { key } requirements { code message } } }
    } }"""
    made = await create(crm, document, {"tag": tag})
    answer = (await crm.ask("sun", document, {"tag": tag})).data["opportunities"]["nodes"]
    assert await lines(crm, made["url"]) == answer
    assert len(answer[0]["availableTransitions"]) > 1


async def test_what_is_made_and_downloaded_is_in_the_log(crm: Crm) -> None:
    tag = await tagged(crm, "甲", "乙")
    made = await create(crm, PHONES, {"tag": tag}, format="CSV")
    await download(crm, made["url"])
    created, started, downloaded = await crm.events(made["id"])
    assert (created["type"], created["actor_id"]) == ("export.created", crm.users["sun"])
    assert created["after"] == {"entity": "customers", "columns": ["name", "phone", "maskedFields"], "format": "CSV"}
    assert (started["type"], started["actor_id"]) == ("export.started", crm.users["sun"])
    assert (downloaded["type"], downloaded["actor_id"]) == ("export.downloaded", crm.users["sun"])
    assert downloaded["after"] == {"rows": 2, "complete": True}
    row = await crm.database.fetchrow("SELECT downloads, downloaded_rows FROM exports WHERE id = $1::uuid", made["id"])
    assert row is not None
    assert tuple(row) == (1, 2)


async def test_expired_ones_go_as_new_ones_come_and_too_many_may_not_wait(crm: Crm) -> None:
    mine = "exports WHERE user_id = $1"
    await crm.database.execute("DELETE FROM exports WHERE user_id = $1", crm.users["sun"])
    made = await create(crm, "{ customers { nodes { id } } }")
    await crm.database.execute(
        "INSERT INTO exports"
        " (id, user_id, document, variables, format, file_name, byte_order_mark, created_at, expires_at)"
        " SELECT crm_id(22), user_id, document, variables, format, file_name, true, created_at,"
        " expires_at + n * interval '1 second' FROM exports, generate_series(1, 199) AS n WHERE id = $1::uuid",
        made["id"],
    )
    full = await refused(crm, "{ customers { nodes { id } } }")
    assert full == [("LIMIT_REACHED", "You have 200 exports that have not expired. Download one of them instead.", [])]
    assert await crm.count(mine, crm.users["sun"]) == MAX_WAITING
    await crm.database.execute("UPDATE exports SET expires_at = created_at WHERE user_id = $1", crm.users["sun"])
    await create(crm, "{ customers { nodes { id } } }")
    assert await crm.count(mine, crm.users["sun"]) == MAX_WAITING - 20 + 1
    await crm.database.execute("DELETE FROM exports WHERE user_id = $1", crm.users["sun"])


async def test_a_download_needs_a_token_and_GET(crm: Crm) -> None:  # noqa: N802 - the method's name
    made = await create(crm, "{ customers { nodes { id } } }")
    bare = await crm.http.get(made["url"])
    wrong = await crm.http.get(made["url"], headers={"Authorization": "Bearer x"})
    posted = await crm.http.post(made["url"], headers=crm.headers("sun"))
    assert Answer(bare).error == (401, "UNAUTHENTICATED", "A valid access token is needed.")
    assert bare.headers["www-authenticate"] == "Bearer"
    assert wrong.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert Answer(posted).error[:2] == (405, "METHOD_NOT_ALLOWED")
    assert posted.headers["allow"] == "GET"


async def test_messages_are_in_the_language_of_the_request(crm: Crm) -> None:
    response = await download(crm, f"/export/{uuid4()}", Accept_Language="zh-CN")
    assert Answer(response).error == (404, "NOT_FOUND", "导出不存在或已过期，请重新创建。")
    assert response.headers["cache-control"] == "no-store"
    assert "vary" not in response.headers


async def test_where_only_trusted_documents_are_answered_only_they_are_exported(crm: Crm, tmp_path: Path) -> None:
    text = "{ customers { nodes { id } } }"
    manifest = tmp_path / "manifest.json"
    manifest.write_bytes(orjson.dumps({"create": CREATE, "list": text}))
    made: dict[str, Any] = {}
    async with hub(crm, trusted_documents=manifest, trusted_documents_only=True) as http:
        for name, wanted in {
            "by id": {"documentId": "list"},
            "by text": {"document": text},
            "unknown": {"documentId": "never was"},
            "neither": {},
        }.items():
            body = {"documentId": "create", "variables": {"input": {"format": "CSV", **wanted}}}
            answer = Answer(await http.post("/graphql", json=body, headers=crm.headers("sun")))
            made[name] = answer.payload("createExport")
        assert (await download(crm, made["by id"]["export"]["url"], http=http)).status_code == 200

    assert {name: [(e["code"], e["path"]) for e in payload["errors"]] for name, payload in made.items()} == {
        "by id": [],
        "by text": [("INVALID", ["document"])],
        "unknown": [("INVALID", ["documentId"])],
        "neither": [("REQUIRED", ["document"])],
    }
