"""The open tickets of an owner, found without reading the closed ones."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index(
            "ix_tickets_owner_id_stage_id",
            "tickets",
            ["owner_id", "stage_id"],
            postgresql_include=["customer_id"],
            postgresql_where=sa.text("archived_at IS NULL"),
            postgresql_concurrently=True,
            if_not_exists=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index(
            "ix_tickets_owner_id_stage_id", table_name="tickets", postgresql_concurrently=True, if_exists=True
        )
