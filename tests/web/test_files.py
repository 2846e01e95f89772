"""Files over HTTP: announced, sent, hung on a record, listed, downloaded with the record's rights, taken off."""

import base64
from uuid import UUID

from crm_graph.models.ids import EntityCode, IdSource

from .conftest import Answer, Crm
from .filing import (
    DELETE,
    NO_SUCH_FILE,
    NODE,
    NOT_WRITABLE,
    PDF,
    announce,
    attachments,
    complete,
    customer,
    download,
    hang,
    refused,
    send,
    sha256,
)


async def test_a_file_goes_up_hangs_on_its_record_and_comes_down(crm: Crm) -> None:
    record = await customer(crm)
    upload = await announce(crm, record, sha256=sha256(PDF).upper(), kind="SIGNED")
    told = await send(crm, upload)
    assert (told.status, told.json) == (200, {"id": upload["id"], "size": str(len(PDF)), "sha256": sha256(PDF)})
    assert (await attachments(crm, "wang", record)) == {"totalCount": 0, "nodes": []}
    assert (await complete(crm, upload))["file"] == {
        "id": upload["id"],
        "name": "报价.pdf",
        "kind": "SIGNED",
        "mediaType": "application/pdf",
        "size": str(len(PDF)),
        "sha256": sha256(PDF),
        "downloadUrl": f"/files/{upload['id']}",
        "createdBy": {"username": "wang"},
        "entity": {"id": record},
    }
    assert await attachments(crm, "wang", record) == {
        "totalCount": 1,
        "nodes": [{"id": upload["id"], "name": "报价.pdf"}],
    }
    answer = await download(crm, upload["id"])
    assert (answer.status_code, answer.content) == (200, PDF)
    headers = {name: answer.headers[name] for name in (
        "content-type", "content-length", "content-disposition", "x-content-type-options", "content-security-policy",
        "cache-control", "cross-origin-resource-policy", "repr-digest",
    )}  # fmt: skip
    assert headers == {
        "content-type": "application/pdf",
        "content-length": str(len(PDF)),
        "content-disposition": "attachment; filename=\"__.pdf\"; filename*=UTF-8''%E6%8A%A5%E4%BB%B7.pdf",
        "x-content-type-options": "nosniff",
        "content-security-policy": "sandbox; default-src 'none'",
        "cache-control": "private, no-store",
        "cross-origin-resource-policy": "same-origin",
        "repr-digest": f"sha-256=:{base64.b64encode(bytes.fromhex(sha256(PDF))).decode()}:",
    }


async def test_files_are_events_of_their_record(crm: Crm) -> None:
    record = await customer(crm)
    file = await hang(crm, record)
    deleted = await crm.ask("wang", DELETE, {"id": file["id"]})
    assert deleted.payload("deleteFile") == {"deleted": True, "errors": []}
    told = {
        "id": file["id"],
        "name": "报价.pdf",
        "kind": "DOCUMENT",
        "media_type": "application/pdf",
        "size": len(PDF),
        "sha256": sha256(PDF),
    }
    _, came, went = await crm.events(record)
    assert [(e["type"], e["entity_version"], e["before"], e["after"], e["changed"]) for e in (came, went)] == [
        ("customer.file_attached", 2, {"attachments": []}, {"attachments": [told]}, ["attachments"]),
        ("customer.file_removed", 3, {"attachments": [told]}, {"attachments": []}, ["attachments"]),
    ]
    assert (await attachments(crm, "wang", record))["totalCount"] == 0
    assert (await download(crm, file["id"])).status_code == 404


async def test_every_root_has_attachments(crm: Crm) -> None:
    owner = await customer(crm)
    lead = (await crm.make("wang", "lead", name="线索"))["id"]
    opportunity = (await crm.make("wang", "opportunity", name="商机", customerId=owner))["id"]
    contract = (await crm.make("wang", "contract", title="合同", customerId=owner))["id"]
    ticket = (await crm.make("wang", "ticket", subject="工单", customerId=owner))["id"]
    contact = {"channel": "CALL", "direction": "INBOUND", "occurredAt": "2026-11-22T03:00:00Z", "customerId": owner}
    interaction = (await crm.make("wang", "interaction", **contact))["id"]
    records = {
        "lead": lead, "opportunity": opportunity, "contract": contract, "ticket": ticket, "interaction": interaction
    }  # fmt: skip
    for type_, record in records.items():
        file = await hang(crm, record)
        assert (await attachments(crm, "wang", record, type_))["nodes"] == [{"id": file["id"], "name": "报价.pdf"}]
        assert file["entity"] == {"id": record}
        assert (await download(crm, file["id"])).content == PDF
        customer_id = await crm.database.fetchval(
            "SELECT customer_id FROM events WHERE type = 'file.downloaded' AND entity_id = $1", UUID(file["id"])
        )
        assert customer_id == (None if type_ == "lead" else UUID(owner))


async def test_a_download_is_an_audited_read(crm: Crm) -> None:
    record = await customer(crm)
    file = await hang(crm, record)
    assert (await download(crm, file["id"])).status_code == 200
    query = "query($id: ID!) { auditedReads(where: { record: $id }) { nodes { type actorName recordType recordId"
    query += " customerId fields records details } } }"
    assert (await crm.ask("mo", query, {"id": file["id"]})).data["auditedReads"]["nodes"] == [
        {
            "type": "file.downloaded",
            "actorName": "wang",
            "recordType": "file",
            "recordId": file["id"],
            "customerId": record,
            "fields": ["attachments"],
            "records": 1,
            "details": {"recordType": "customer", "recordId": record},
        }
    ]


async def test_files_have_the_rights_of_their_record(crm: Crm) -> None:
    """Li sells elsewhere and sees none of wang's customers; zhao and qian see them all without what is content."""
    record = await customer(crm)
    file, never = await hang(crm, record), str(IdSource().new(EntityCode.FILE))
    assert (await crm.ask("wang", NODE, {"id": file["id"]})).data == {
        "node": {"id": file["id"]},
        "nodes": [{"id": file["id"]}],
    }
    for who in ("li", "zhao", "qian"):
        assert (await crm.ask(who, NODE, {"id": file["id"]})).data == {"node": None, "nodes": [None]}
        for id_ in (file["id"], never):
            assert Answer(await download(crm, id_, who)).error == NO_SUCH_FILE
            assert (await crm.ask(who, DELETE, {"id": id_})).refusals("deleteFile") == [("NOT_FOUND", ["id"])]
    assert await attachments(crm, "li", record) is None
    listed = "query($id: ID!) { customer(id: $id) { attachments { totalCount } } }"
    for who in ("zhao", "qian"):
        assert (await crm.ask(who, listed, {"id": record})).error[1] == "VALIDATION_FAILED"
    assert await crm.count("events WHERE type = 'file.downloaded' AND entity_id = $1", UUID(file["id"])) == 0
    assert (await download(crm, file["id"])).status_code == 200


async def test_who_loses_a_record_loses_its_files(crm: Crm) -> None:
    record = await customer(crm)
    file = await hang(crm, record)
    assert (await download(crm, file["id"])).status_code == 200
    await crm.database.execute(
        "UPDATE customers SET owner_id = $2, team_id = NULL WHERE id = $1", UUID(record), crm.users["li"]
    )
    assert Answer(await download(crm, file["id"])).error == NO_SUCH_FILE
    assert (await crm.ask("wang", NODE, {"id": file["id"]})).data["node"] is None
    assert (await crm.ask("wang", DELETE, {"id": file["id"]})).refusals("deleteFile") == [("NOT_FOUND", ["id"])]
    assert (await download(crm, file["id"], "li")).content == PDF


async def test_who_only_reads_a_record_hangs_no_file_on_it(crm: Crm) -> None:
    """A sales person reads the interactions of their customers that others had, and writes their own alone."""
    record = await customer(crm)
    contact = {"channel": "CALL", "direction": "INBOUND", "occurredAt": "2026-11-22T03:00:00Z", "customerId": record}
    interaction = (await crm.make("sun", "interaction", **contact))["id"]
    assert await refused(crm, interaction) == [("RULE_VIOLATED", NOT_WRITABLE, ["record"])]
    file = await hang(crm, interaction, who="sun")
    assert (await download(crm, file["id"], "wang")).status_code == 200
    assert (await crm.ask("wang", DELETE, {"id": file["id"]})).refusals("deleteFile") == [("RULE_VIOLATED", [])]


async def test_pages_of_attachments_go_on(crm: Crm) -> None:
    record = await customer(crm)
    ids = [(await hang(crm, record, name=f"{n}.pdf"))["id"] for n in range(3)]
    query = """query($id: ID!, $after: String) { customer(id: $id) {
      attachments(first: 2, after: $after) { nodes { id } pageInfo { hasNextPage endCursor } totalCount } } }"""
    first = (await crm.ask("wang", query, {"id": record})).data["customer"]["attachments"]
    after = first["pageInfo"]["endCursor"]
    second = (await crm.ask("wang", query, {"id": record, "after": after})).data["customer"]["attachments"]
    assert [n["id"] for n in first["nodes"] + second["nodes"]] == ids[::-1]
    assert (first["pageInfo"]["hasNextPage"], second["pageInfo"]["hasNextPage"], first["totalCount"]) == (
        True,
        False,
        3,
    )
    found = "query($id: ID!) { customers(where: { attachments: { some: { id: { eq: $id } } } }) { nodes { id } } }"
    assert (await crm.ask("wang", found, {"id": ids[0]})).data["customers"]["nodes"] == [{"id": record}]
