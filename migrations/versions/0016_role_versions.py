"""Roles count their changes; the right to manage roles becomes four, which whoever had it keeps."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("roles", sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False))
    op.execute(
        """
        UPDATE roles SET actions = actions || '["roles:read", "roles:assign", "roles:approve"]'::jsonb
        WHERE actions ? 'roles:manage'
        """
    )
    op.execute("UPDATE policy_version SET version = version + 1")


def downgrade() -> None:
    op.execute("UPDATE roles SET actions = actions - '{roles:read,roles:assign,roles:approve}'::text[]")
    op.drop_column("roles", "version")
