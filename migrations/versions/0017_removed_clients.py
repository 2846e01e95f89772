"""Clients that were removed keep their row."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _allow("'ACTIVE', 'SUSPENDED', 'REMOVED'")


def downgrade() -> None:
    op.execute("UPDATE clients SET status = 'SUSPENDED' WHERE status = 'REMOVED'")
    _allow("'ACTIVE', 'SUSPENDED'")


def _allow(states: str) -> None:
    op.drop_constraint(op.f("ck_clients_clientstatus"), "clients", type_="check")
    op.create_check_constraint(op.f("ck_clients_clientstatus"), "clients", f"status IN ({states})")
