"""Teams that claims give, beside roles."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("team_members", sa.Column("origin", sa.Text(), server_default="manual", nullable=False))
    op.add_column(
        "identities",
        sa.Column(
            "teams", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'::jsonb"), nullable=False
        ),
    )


def downgrade() -> None:
    op.drop_column("identities", "teams")
    op.drop_column("team_members", "origin")
