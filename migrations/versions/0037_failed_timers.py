"""Timers that failed are listed, those that are held among them."""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_timers_held", "timers")
    op.create_index("ix_timers_failed", "timers", ["id"], postgresql_where=sa.text("attempts > 0"))


def downgrade() -> None:
    op.drop_index("ix_timers_failed", "timers")
    op.create_index("ix_timers_held", "timers", ["id"], postgresql_where=sa.text("held_at IS NOT NULL"))
