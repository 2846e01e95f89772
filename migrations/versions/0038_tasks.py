"""Tasks, and what built-in roles that nobody edited see and do of them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

_PARENTS = ("customer", "lead", "opportunity", "ticket", "contract", "interaction")
_INDEXES = (
    *((f"{parent}_id", "id") for parent in _PARENTS),
    ("customer_id", "created_at", "id"),
    ("owner_id", "id"),
    ("owner_id", "status", "due_at", "id"),
    ("team_id", "id"),
    ("team_id", "status", "due_at", "id"),
    ("created_at", "id"),
    ("updated_at", "id"),
    ("due_at", "id"),
)


def _enum(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=64)


# Who edited a role has decided what it does: there, `resetRole` or `updateRole` gives the new ones.
_GIVE = """
WITH given (key, row_rule, predicate, levels, writes) AS (VALUES
    ('sales', 'OWN', NULL::jsonb, '{"BASIC": "READ", "CONTENT": "READ"}'::jsonb, '["BASIC", "CONTENT"]'::jsonb),
    ('sales', 'WHERE', '{"not": {"owner": {}}, "team": {"id": {"in": {"$viewer": "team_ids"}}}}',
     '{"BASIC": "READ", "CONTENT": "READ"}', '["BASIC", "CONTENT"]'),
    ('sales_manager', 'TEAM_AND_BELOW', NULL, '{"BASIC": "READ", "CONTENT": "READ"}', '["BASIC", "CONTENT"]'),
    ('service', 'TEAM', NULL, '{"BASIC": "READ", "CONTENT": "READ"}', '["BASIC", "CONTENT"]'),
    ('service', 'OWN', NULL, '{"BASIC": "READ", "CONTENT": "READ"}', '["BASIC", "CONTENT"]'),
    ('finance', 'TEAM', NULL, '{"BASIC": "READ", "CONTENT": "READ"}', '["BASIC", "CONTENT"]'),
    ('finance', 'OWN', NULL, '{"BASIC": "READ", "CONTENT": "READ"}', '["BASIC", "CONTENT"]'),
    ('marketing', 'TEAM', NULL, '{"BASIC": "READ", "CONTENT": "READ"}', '["BASIC", "CONTENT"]'),
    ('marketing', 'OWN', NULL, '{"BASIC": "READ", "CONTENT": "READ"}', '["BASIC", "CONTENT"]'),
    ('crm_manager', 'ALL', NULL, '{"BASIC": "READ", "CONTENT": "READ"}', '["BASIC", "CONTENT"]'),
    ('analyst', 'ALL', NULL, '{"BASIC": "READ", "AMOUNT": "READ", "METRIC": "READ"}', '[]')
), unedited AS (
    SELECT id, key FROM roles WHERE builtin AND version = 1 AND key IN (SELECT key FROM given)
), granted AS (
    INSERT INTO grants (id, role_id, entity_type, row_rule, predicate, levels, field_levels, writes, personal_level)
    SELECT crm_id(13), r.id, 'task', g.row_rule, g.predicate, g.levels,
           CASE g.key WHEN 'analyst' THEN '{"external_refs.external_id": "MASKED"}' ELSE '{}' END::jsonb, g.writes,
           CASE g.key WHEN 'analyst' THEN 'MASKED' ELSE 'READ' END
    FROM given g JOIN unedited r ON r.key = g.key
), acting AS (
    UPDATE roles r
    SET actions = (
        SELECT jsonb_agg(DISTINCT action ORDER BY action)
        FROM jsonb_array_elements(
            r.actions || '["tasks:create", "tasks:update", "tasks:archive", "tasks:restore", "tasks:assign",
                           "tasks:complete"]'
            || CASE r.key WHEN 'crm_manager' THEN '["tasks:upsert"]' ELSE '[]' END::jsonb
        ) AS action
    )
    FROM unedited u
    WHERE u.id = r.id AND r.key IN ('sales', 'service', 'finance', 'marketing', 'crm_manager')
)
UPDATE policy_version SET version = version + 1 WHERE EXISTS (SELECT FROM unedited)
"""


_CHANNELS = ["CALL", "EMAIL", "SMS", "WECHAT", "VISIT", "MEETING", "WEB", "APP", "STORE", "CHAT", "SURVEY"]


def _allow_channels(channels: list[str]) -> None:
    """Rows that are there already hold to the narrower check."""
    allowed = ", ".join(f"'{channel}'" for channel in channels)
    for table in ("interactions", "tickets"):
        op.drop_constraint(f"ck_{table}_interactionchannel", table)
        op.execute(
            f"ALTER TABLE {table} ADD CONSTRAINT ck_{table}_interactionchannel CHECK (channel IN ({allowed})) NOT VALID"
        )
        op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT ck_{table}_interactionchannel")


def upgrade() -> None:
    _allow_channels([*_CHANNELS, "NOTE"])
    op.create_table(
        "tasks",
        *(sa.Column(f"{parent}_id", sa.Uuid(), nullable=True) for parent in _PARENTS),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column(
            "kind",
            _enum("taskkind", "TODO", "FOLLOW_UP", "CALL", "EMAIL", "MEETING", "VISIT"),
            server_default="TODO",
            nullable=False,
        ),
        sa.Column(
            "priority",
            _enum("priority", "LOW", "NORMAL", "HIGH", "URGENT"),
            server_default="NORMAL",
            nullable=False,
        ),
        sa.Column("status", _enum("taskstatus", "OPEN", "DONE", "CANCELLED"), server_default="OPEN", nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("remind_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("custom", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("team_id", sa.Uuid(), nullable=True),
        *(
            sa.ForeignKeyConstraint([f"{key}_id"], [f"{table}.id"], name=op.f(f"fk_tasks_{key}_id"))
            for key, table in (
                ("customer", "customers"),
                ("lead", "leads"),
                ("opportunity", "opportunities"),
                ("ticket", "tickets"),
                ("contract", "contracts"),
                ("interaction", "interactions"),
                ("owner", "users"),
                ("team", "teams"),
            )
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
    )
    for columns in _INDEXES:
        op.create_index(f"ix_tasks_{'_'.join(columns)}", "tasks", list(columns))
    op.create_index(
        "ix_tasks_custom",
        "tasks",
        ["custom"],
        postgresql_using="gin",
        postgresql_ops={"custom": "jsonb_path_ops"},
        postgresql_where=sa.text("custom <> '{}'"),
    )
    op.execute(_GIVE)


def downgrade() -> None:
    """The release before does not know the type; its grants and actions would be unknown to it."""
    op.execute("DELETE FROM grants WHERE entity_type = 'task'")
    op.execute(
        "UPDATE roles r SET actions = (SELECT COALESCE(jsonb_agg(action), '[]') FROM jsonb_array_elements(r.actions)"
        " AS action WHERE action #>> '{}' NOT LIKE 'tasks:%') WHERE actions::text LIKE '%\"tasks:%'"
    )
    op.execute("DELETE FROM search_documents WHERE code = 26")
    op.execute("DELETE FROM search_fills WHERE code = 26")
    op.drop_table("tasks")
    op.execute("UPDATE interactions SET channel = 'CHAT' WHERE channel = 'NOTE'")
    op.execute("UPDATE tickets SET channel = 'CHAT' WHERE channel = 'NOTE'")
    _allow_channels(_CHANNELS)
