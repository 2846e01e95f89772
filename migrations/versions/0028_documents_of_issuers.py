"""What issuers answered last outlives the process that asked."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "issuer_documents",
        sa.Column("issuer_id", sa.Uuid(), nullable=False),
        sa.Column("discovery", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("jwks", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["issuer_id"], ["issuers.id"], name=op.f("fk_issuer_documents_issuer_id")),
        sa.PrimaryKeyConstraint("issuer_id", name=op.f("pk_issuer_documents")),
    )


def downgrade() -> None:
    op.drop_table("issuer_documents")
