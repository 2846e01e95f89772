"""Budgets by cost: a client's own, and what is left of each."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("clients", sa.Column("cost_per_minute", sa.BigInteger(), nullable=True))
    op.create_check_constraint(op.f("ck_clients_cost_per_minute"), "clients", "cost_per_minute >= 0")
    op.create_table(
        "cost_budgets",
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("level", sa.Double(), nullable=False),
        sa.Column("refilled_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("subject_id", name=op.f("pk_cost_budgets")),
    )


def downgrade() -> None:
    op.drop_table("cost_budgets")
    op.drop_constraint(op.f("ck_clients_cost_per_minute"), "clients", type_="check")
    op.drop_column("clients", "cost_per_minute")
