"""The query that the README of the read engine follows is compiled to the SQL that it shows."""

from pathlib import Path

import crm_graph
from crm_graph.catalog import build_catalog
from crm_graph.permissions.policy import DEFAULT_ROLES
from crm_graph.permissions.rules import Policy
from crm_graph.permissions.store import effective_access
from crm_graph.resolvers.documents import read_document
from crm_graph.resolvers.plan import Limits
from crm_graph.resolvers.planner import plan_read
from crm_graph.resolvers.selection import reader_of
from crm_graph.resolvers.sql import compile_read
from crm_graph.schema.build import build_schema
from crm_graph.schema.roles import role_schema
from docs.examples import blocks

DOCUMENT = Path(crm_graph.__file__).parent / "resolvers" / "README.md"


def test_shown_query_becomes_the_shown_statement() -> None:
    shown = dict(blocks(DOCUMENT))
    catalog, limits = build_catalog(), Limits()
    access = effective_access(Policy(1, DEFAULT_ROLES), catalog, ["service"])
    schema = role_schema(build_schema(catalog), catalog, access)
    document = read_document(shown["graphql"], schema, max_tokens=1_000)
    operation = document.operation(None)
    variables = {"first": 2, "named": "临江云栖"}
    reader = reader_of(schema, operation.node, document.fragments, variables, limits.max_depth)
    assert schema.query_type is not None
    selection = reader.read(schema.query_type, operation.node.selection_set.selections)
    statement = compile_read(plan_read(selection, catalog, access, limits), catalog, access, limits)
    assert _without_space(statement.text) == _without_space(shown["sql"])


def _without_space(sql: str) -> str:
    return "".join(sql.split())
