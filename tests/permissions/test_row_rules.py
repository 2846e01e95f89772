"""The row rules of the default table are statements that Postgres runs, with the viewer's values bound."""

from uuid import uuid4

import pytest

from crm_graph.access import RowScope
from crm_graph.catalog import build_catalog
from crm_graph.criteria.compiling import row_scope
from crm_graph.db import ReadPool
from crm_graph.fragments import Const, Viewer, name, render, sql
from crm_graph.permissions.policy import table

CATALOG = build_catalog()
SCOPES = sorted(
    {(entity_type, rule.scope) for _, entity_type, rule in table()},
    key=lambda s: (s[0], s[1].rule, s[1].predicate or ""),
)


@pytest.mark.parametrize(("entity_type", "scope"), SCOPES, ids=lambda part: str(getattr(part, "rule", part)))
async def test_row_rule_runs(pool: ReadPool, entity_type: str, scope: RowScope) -> None:
    entity = CATALOG[entity_type]
    statement = render(
        sql(
            "SELECT count(*) FROM {table} AS t WHERE {scope}",
            table=name(entity.table),
            scope=row_scope(CATALOG, entity, scope, "t"),
        )
    )
    viewer = {"id": uuid4(), "team_ids": (uuid4(),), "team_tree_ids": (uuid4(), uuid4())}
    values = [
        viewer[s.name] if isinstance(s, Viewer) else s.value for s in statement.sources if isinstance(s, Viewer | Const)
    ]

    assert await pool.fetchval(statement.text, *values) >= 0
