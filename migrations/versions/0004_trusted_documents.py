"""Documents that clients may name instead of sending them."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "trusted_documents",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("registered_by_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["registered_by_id"], ["users.id"], name=op.f("fk_trusted_documents_registered_by_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trusted_documents")),
    )
    op.create_index("ix_trusted_documents_registered_by_id", "trusted_documents", ["registered_by_id"], unique=False)


def downgrade() -> None:
    op.drop_table("trusted_documents")
