"""Reads that matter stand in the event log; indexes over them alone, and the key that values are hashed with."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

READS = {
    "ix_events_reads": ["id"],
    "ix_events_reads_actor_id_id": ["actor_id", "id"],
    "ix_events_reads_type_id": ["type", "id"],
    "ix_events_reads_entity_id_id": ["entity_id", "id"],
    "ix_events_reads_looked_for_id": ["looked_for", "id"],
}
"""Nothing is a read yet, so each is built by one look at the log."""


def upgrade() -> None:
    op.add_column("events", sa.Column("is_read", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("events", sa.Column("records", sa.Integer(), nullable=True))
    op.add_column("events", sa.Column("looked_for", sa.Text(), nullable=True))
    op.alter_column("events", "entity_id", nullable=True)
    for name, columns in READS.items():
        op.create_index(name, "events", columns, postgresql_where=sa.text("is_read"))
    op.create_table(
        "hash_keys",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_hash_keys")),
    )


def downgrade() -> None:
    op.drop_table("hash_keys")
    for name in READS:
        op.drop_index(name, table_name="events")
    op.execute("DELETE FROM events WHERE entity_id IS NULL")
    op.alter_column("events", "entity_id", nullable=False)
    op.drop_column("events", "looked_for")
    op.drop_column("events", "records")
    op.drop_column("events", "is_read")
