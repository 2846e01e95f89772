"""Roles inherit others; a grant says how much it shows of what is marked as personal."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("roles", sa.Column("inherits", JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False))
    op.add_column("grants", sa.Column("personal_level", sa.Text(), server_default=sa.text("'READ'"), nullable=False))


def downgrade() -> None:
    op.drop_column("grants", "personal_level")
    op.drop_column("roles", "inherits")
