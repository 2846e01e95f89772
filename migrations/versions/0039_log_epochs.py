"""Which server wrote which part of the log: transactions are numbered by each server anew."""

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "log_epochs",
        sa.Column("epoch", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("system_identifier", sa.BigInteger(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("epoch", name=op.f("pk_log_epochs")),
    )
    # All that is there was written here, as far as anybody can tell.
    op.execute(
        "INSERT INTO log_epochs (epoch, system_identifier, began_at)"
        " SELECT 1, system_identifier, now() FROM pg_control_system()"
    )


def downgrade() -> None:
    op.drop_table("log_epochs")
