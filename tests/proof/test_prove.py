"""`crm-graph prove`: what it proves, what it finds where something leaks, and what it leaves alone."""

import os
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncSession

from crm_graph.criteria.compiling import Compiler
from crm_graph.db import LaneConnection, connect, with_database, write_engine
from crm_graph.fragments import TRUE
from crm_graph.permissions.policy import DEFAULT_ROLES
from crm_graph.permissions.rules import Policy, RoleRule, grant, where
from crm_graph.permissions.store import sync_default_policy, utc_now
from crm_graph.proof.company import Asker, Company, read_company
from crm_graph.proof.datasets import Dataset
from crm_graph.proof.proving import Proving
from crm_graph.proof.report import lines
from crm_graph.settings import Settings
from reference.compiled import catalog
from reference.custom import CUSTOM_FIELDS

SOURCES = str(Path(__file__).parents[2] / "src")
MAIN = "from crm_graph.cli import main; main()"
LEAK = """
from crm_graph.criteria.compiling import Compiler
from crm_graph.fragments import TRUE
Compiler.cell = lambda *_: TRUE
"""
"""Every cell of a row that is seen is shown."""
READ = "policy_version, roles, grants, custom_fields, user_roles, users, clients"
USER = "019a0000-0000-7000-8200-00000000000a"


def prove(*arguments: str, planted: str = "", **values: str) -> "subprocess.CompletedProcess[str]":
    left_out = ("CRM_GRAPH", "DATABASE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return subprocess.run(
        [sys.executable, "-c", planted + MAIN, "prove", *arguments],
        env={**kept, "PYTHONPATH": SOURCES, **values}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
async def company_url(cluster_address: str, worker_id: str, settings: Settings) -> AsyncIterator[str]:
    """A company with built-in roles and a custom field, as somebody reaches it who may read its rights alone."""
    url, _, run = cluster_address.partition("#")
    name, reader = f"{run}_{worker_id}_proven", f"reader_{secrets.token_hex(4)}"
    administration = await connect(url, application_name="tests")
    await administration.execute(f"CREATE DATABASE {name} TEMPLATE {run}_template")
    engine = write_engine(with_database(url, name), settings)
    async with AsyncSession(engine) as session, session.begin():
        await sync_default_policy(session)
    await engine.dispose()
    owner = await connect(with_database(url, name), application_name="tests")
    await owner.execute(f"CREATE ROLE {reader} LOGIN PASSWORD '{reader}'")
    await owner.execute(f"GRANT SELECT ON {READ} TO {reader}")
    await owner.execute(
        "INSERT INTO custom_fields (entity_type, key, kind, data_class, label_en, label_zh)"
        " VALUES ('customer', 'budget', 'DECIMAL', 'COST', 'Budget', '预算')"
    )
    await owner.execute(
        "INSERT INTO users (id, kind, username, name, created_at, updated_at)"
        f" VALUES ('{USER}', 'PERSON', 'wang', 'Wang', now(), now())"
    )
    await owner.execute(
        f"INSERT INTO user_roles (user_id, role_id) SELECT '{USER}', id FROM roles WHERE key IN ('service', 'sales')"
    )
    await owner.close()
    made = make_url(with_database(url, name)).set(username=reader, password=reader)
    yield made.render_as_string(hide_password=False)
    await administration.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await administration.execute(f"DROP ROLE {reader}")
    await administration.close()


async def test_rights_are_read_with_custom_fields_and_sets_as_they_are_held(company_url: str) -> None:
    company = await read_company(company_url, utc_now())
    assert company.policy.roles.keys() == DEFAULT_ROLES.keys()
    assert list(company.catalog["customer"].custom) == ["budget"]
    assert company.sets([]) == [("sales",), ("service",), ("sales", "service")]
    assert company.sets(["finance", "analyst"]) == [("analyst", "finance")]


def test_sound_policy_is_proven_with_no_right_to_write(company_url: str) -> None:
    done = prove("--cases", "1", "--seed", "4", DATABASE_URL=company_url)
    assert (done.returncode, done.stdout) == (0, "3 cases, no counter-example.\n")
    assert done.stderr == "3 sets of roles, 1 case of each, seed 4\n"


def test_leak_is_found_and_told_with_how_to_see_it_again(company_url: str) -> None:
    done = prove("--role", "sales", "--cases", "20", "--seed", "7", planted=LEAK, DATABASE_URL=company_url)
    assert done.returncode == 1, done.stderr
    told = done.stdout.splitlines()
    assert told[0] == "Two databases that look alike to the roles sales answer differently."
    assert told[1].startswith("Again: crm-graph prove --role sales --seed ")
    assert told[1].endswith(" --cases 1")
    one, other = (next(line for line in told if line.startswith(who)) for who in ("One answers", "The other answers"))
    assert one.partition("{")[2] != other.partition("{")[2]
    assert told.index("What differs, and must not show:") < len(told) - 1


async def test_counter_example_comes_again_with_its_seed(
    connection: LaneConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Compiler, "cell", lambda *_: TRUE)
    company = Company(Policy(1, DEFAULT_ROLES), CUSTOM_FIELDS, ())
    first = await Proving(connection, company).run([Asker(("service",))], 20, 1)
    assert first.counter_example is not None
    again = await Proving(connection, company).run([Asker(("service",))], 1, first.counter_example.seed)
    assert list(lines(again)) == list(lines(first))
    assert len(first.counter_example.told.question.text) < 300
    assert await connection.fetchval("SELECT count(*) FROM customers WHERE number IS NULL") == 0


async def test_time_that_is_over_ends_it(connection: LaneConnection) -> None:
    proof = await Proving(connection, Company(Policy(1, DEFAULT_ROLES), CUSTOM_FIELDS, ())).run(
        [Asker(("sales",))], 5, 1, enough=lambda: True
    )
    assert list(lines(proof))[-1] == "0 cases before the time was over, no counter-example."


def test_values_that_row_rules_ask_for_are_in_the_data() -> None:
    asked = {"or": [{"addresses": {"some": {"city": {"in": ["Oz"]}}}}, {"owner": {"id": {"eq": USER}}}]}
    intern = RoleRule("intern", "Intern", "实习生", "", {"customer": (grant(where(asked)),)})
    likely = Company(Policy(1, {"intern": intern}), CUSTOM_FIELDS, ()).likely()
    assert likely == {("addresses", "city"): ("Oz",), ("users", "id"): (USER,)}
    tables = [Dataset(Random(seed), catalog(), 4, likely).build() for seed in range(5)]
    assert all(str(made["users"][0]["id"]) == USER for made in tables)
    assert any(row["city"] == "Oz" for made in tables for row in made["addresses"])


def test_what_is_wrong_is_told_in_a_line(company_url: str, tmp_path: Path) -> None:
    unknown = prove("--role", "superuser", DATABASE_URL=company_url)
    assert (unknown.returncode, unknown.stderr.startswith("crm-graph: there is no role superuser; there are: ")) == (
        1,
        True,
    )
    nothing = prove(CRM_GRAPH_HOME=str(tmp_path / "none"))
    assert (nothing.returncode, nothing.stderr) == (
        1, "crm-graph: set DATABASE_URL, or start a demo: there are no rights to prove\n"
    )  # fmt: skip
