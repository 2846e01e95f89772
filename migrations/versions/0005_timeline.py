"""Indexes of the 360 timeline: the newest tickets of a customer, the newest stays of a record in its stages."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

INDEXES = (
    ("ix_tickets_customer_id_created_at_id", "tickets", ["customer_id", "created_at", "id"]),
    ("ix_stage_changes_entity_id_entered_at_id", "stage_changes", ["entity_id", "entered_at", "id"]),
)


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for name, table, columns in INDEXES:
            op.create_index(name, table, columns, postgresql_concurrently=True, if_not_exists=True)


def downgrade() -> None:
    with op.get_context().autocommit_block():
        for name, table, _ in INDEXES:
            op.drop_index(name, table, postgresql_concurrently=True, if_exists=True)
