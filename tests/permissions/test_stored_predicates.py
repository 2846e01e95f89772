"""Predicates that grants hold: found when a release or a custom field takes away what they name, and not suffered."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
from structlog.testing import capture_logs

from crm_graph.permissions.authentication import Principals
from crm_graph.permissions.validation import unreadable_predicates, warn_of_unread

SOURCES = str(Path(__file__).parents[2] / "src")
CHANGE = (
    "UPDATE grants g SET row_rule = 'WHERE', predicate = CAST(:predicate AS jsonb) FROM roles r"
    " WHERE r.id = g.role_id AND r.key = 'sales' AND g.entity_type = 'contract'"
)
BROKEN = {"or": [{"title": {"like": "%"}}, {"customer": {"vip": {"eq": True}}}], "signedOn": {"gte": {"ago": "P90D"}}}


def check(database_url: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", "from crm_graph.cli import main; main()", "check-predicates"]
    environment = {**os.environ, "PYTHONPATH": SOURCES, "DATABASE_URL": database_url}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


async def test_predicate_that_no_longer_reads_gives_no_row_and_is_told_of(
    company: Any, principals: Principals, wangs_token: str
) -> None:
    assert (await principals.authenticate(wangs_token)).access.grants("contract") != ()
    await company.execute(CHANGE, predicate=orjson.dumps(BROKEN).decode())
    with capture_logs() as logs:
        await principals.refresh()
        wang = await principals.authenticate(wangs_token)

    assert wang.access.grants("contract") == ()
    assert wang.access.grants("customer") != ()
    told = [entry for entry in logs if entry["event"] == "stored_predicate_unreadable"]
    grants = len(principals.policy.roles["sales"].grants["contract"])
    assert [(t["log_level"], t["role"], t["type"], t["path"], t["problem"]) for t in told] == [
        ("warning", "sales", "contract", ["or", 0, "title", "like"], "There is no such operator for this field."),
        ("warning", "sales", "contract", ["or", 1, "customer", "vip"], "There is no such field."),
    ] * grants
    found = unreadable_predicates(principals.policy, company.catalog)
    assert str(found[0]) == "role sales, grant on contract: or.0.title.like: There is no such operator for this field."


async def test_grant_on_a_type_that_is_gone_is_found(company: Any, principals: Principals) -> None:
    await company.execute(CHANGE, predicate='{"title": {"eq": "x"}}')
    await company.execute(
        "UPDATE grants SET entity_type = 'deal' WHERE predicate IS NOT NULL AND entity_type = 'contract'"
    )
    await principals.refresh()

    found = unreadable_predicates(principals.policy, company.catalog)

    assert {(f.role, f.entity_type, f.problem.template_key) for f in found} >= {("sales", "deal", "unknown_type")}


async def test_condition_that_names_more_than_its_role_reads_is_found(
    company: Any, principals: Principals, wangs_token: str
) -> None:
    await company.execute(CHANGE, predicate=orjson.dumps({"owner": {"phone": {"endsWith": "003"}}}).decode())
    await principals.refresh()
    with capture_logs() as logs:
        warn_of_unread(principals.policy, company.catalog)

    told = "The role does not read this in full on every record that it sees, so no records can be picked by it."
    assert [(t["event"], t["role"], t["type"], t["path"], t["problem"]) for t in logs] == [
        ("stored_predicate_unread", "sales", "contract", ["owner", "phone"], told)
    ]
    assert (await principals.authenticate(wangs_token)).access.grants("contract") != ()


async def test_the_command_names_what_does_not_read_and_fails(company: Any, database_url: str) -> None:
    sound = await asyncio.to_thread(check, database_url)
    await company.execute(CHANGE, predicate=orjson.dumps({"signedOn": {"lt": {"start": "decade"}}}).decode())
    broken = await asyncio.to_thread(check, database_url)
    await company.execute(CHANGE, predicate=orjson.dumps({"owner": {"phone": {"eq": "+8613800000003"}}}).decode())
    beyond = await asyncio.to_thread(check, database_url)

    assert (sound.returncode, sound.stdout) == (0, "All stored predicates read.\n")
    told = "crm-graph: role sales, grant on contract: signedOn.lt.start: The start is one of these: day, week, month,"
    assert broken.returncode == 1
    assert set(broken.stderr.splitlines()) == {f"{told} quarter, year."}
    unread = "The role does not read this in full on every record that it sees, so no records can be picked by it."
    assert (beyond.returncode, beyond.stderr) == (
        1,
        f"crm-graph: role sales, grant on contract: owner.phone: {unread}\n",
    )
