"""Revoked tokens, keys of clients, and the assertions that they were used for."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("clients", sa.Column("jwks", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column("clients", sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False))
    op.add_column(
        "policy_version", sa.Column("revocations", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    )
    op.create_table(
        "revoked_tokens",
        sa.Column("token_id", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["client_id"], ["clients.id"], name=op.f("fk_revoked_tokens_client_id")),
        sa.PrimaryKeyConstraint("token_id", name=op.f("pk_revoked_tokens")),
    )
    op.create_index("ix_revoked_tokens_client_id", "revoked_tokens", ["client_id"], unique=False)
    op.create_index("ix_revoked_tokens_ends_at", "revoked_tokens", ["ends_at"], unique=False)
    op.create_table(
        "used_assertions",
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["client_id"], ["clients.id"], name=op.f("fk_used_assertions_client_id")),
        sa.PrimaryKeyConstraint("client_id", "digest", name=op.f("pk_used_assertions")),
    )
    op.create_index("ix_used_assertions_ends_at", "used_assertions", ["ends_at"], unique=False)


def downgrade() -> None:
    op.drop_table("used_assertions")
    op.drop_table("revoked_tokens")
    op.drop_column("policy_version", "revocations")
    op.drop_column("clients", "version")
    op.drop_column("clients", "jwks")
