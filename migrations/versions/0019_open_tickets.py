"""The open tickets of a team, found without reading the closed ones."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index(
            "ix_tickets_team_id_stage_id",
            "tickets",
            ["team_id", "stage_id"],
            postgresql_include=["customer_id"],
            postgresql_where=sa.text("archived_at IS NULL"),
            postgresql_concurrently=True,
            if_not_exists=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index("ix_tickets_team_id_stage_id", table_name="tickets", postgresql_concurrently=True, if_exists=True)
