"""Sign-in to the console: clients of ours at issuers, sessions, and links that sign in once."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("issuers", sa.Column("sign_in_client", sa.Text(), nullable=True))
    op.add_column("issuers", sa.Column("sign_in_secret", sa.Text(), nullable=True))
    op.add_column(
        "issuers",
        sa.Column("sign_in_scope", sa.Text(), server_default=sa.text("'openid profile email'"), nullable=False),
    )
    op.create_table(
        "sessions",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("issuer_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["issuer_id"], ["issuers.id"], name=op.f("fk_sessions_issuer_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sessions_user_id")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_sessions")),
    )
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"], unique=False)
    op.create_index("ix_sessions_ends_at", "sessions", ["ends_at"], unique=False)
    op.create_table(
        "sign_in_links",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sign_in_links_user_id")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_sign_in_links")),
    )
    op.create_index("ix_sign_in_links_ends_at", "sign_in_links", ["ends_at"], unique=False)


def downgrade() -> None:
    op.drop_table("sign_in_links")
    op.drop_table("sessions")
    op.drop_column("issuers", "sign_in_scope")
    op.drop_column("issuers", "sign_in_secret")
    op.drop_column("issuers", "sign_in_client")
