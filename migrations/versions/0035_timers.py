"""Timers, and one for the end of each role that ends by itself."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

_ENDS_OF_ROLES = """
INSERT INTO timers (id, kind, entity_type, entity_id, key, due_at, wake_at, set_at)
SELECT crm_id(31), 'role_expiry', 'user', h.user_id, r.key, h.expires_at, h.expires_at, now()
FROM user_roles h JOIN roles r ON r.id = h.role_id
WHERE h.expires_at > now()
"""


def upgrade() -> None:
    op.create_table(
        "timers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("entity_type", sa.Text(), nullable=False),
        sa.Column("entity_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("wake_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("payload", JSONB(none_as_null=True), nullable=True),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("error", JSONB(none_as_null=True), nullable=True),
        sa.Column("held_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_timers")),
        sa.UniqueConstraint("kind", "entity_id", "key", name=op.f("uq_timers_kind_entity_id_key")),
    )
    op.create_index(
        "ix_timers_kind_wake_at_id", "timers", ["kind", "wake_at", "id"], postgresql_where=sa.text("held_at IS NULL")
    )
    op.create_index("ix_timers_held", "timers", ["id"], postgresql_where=sa.text("held_at IS NOT NULL"))
    op.create_index("ix_timers_entity_id_wake_at_id", "timers", ["entity_id", "wake_at", "id"])
    # Rows come and go all the time.
    op.execute(
        "ALTER TABLE timers SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02,"
        " autovacuum_vacuum_cost_delay = 0)"
    )
    op.create_table(
        "timer_kinds",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("fired", sa.BigInteger(), nullable=False),
        sa.Column("fired_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("late_s", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("kind", name=op.f("pk_timer_kinds")),
    )
    op.execute(_ENDS_OF_ROLES)


def downgrade() -> None:
    op.drop_table("timer_kinds")
    op.drop_table("timers")
