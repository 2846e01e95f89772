"""Indexes behind the orders by time: newest, latest changed, latest in touch."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ORDERS = (
    *(
        (table, column)
        for table in ("customers", "interactions", "leads", "opportunities", "tickets", "contracts")
        for column in ("created_at", "updated_at")
    ),
    ("interactions", "occurred_at"),
)


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for table, column in ORDERS:
            op.create_index(
                f"ix_{table}_{column}_id", table, [column, "id"], postgresql_concurrently=True, if_not_exists=True
            )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        for table, column in ORDERS:
            op.drop_index(f"ix_{table}_{column}_id", table_name=table, postgresql_concurrently=True, if_exists=True)
