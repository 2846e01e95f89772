"""No two users have one name, and no two teams lie in one place, whoever writes them."""

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

PATTERN = {"path": "text_pattern_ops"}


def upgrade() -> None:
    op.create_index("uq_users_username", "users", ["username"], unique=True)
    op.create_index("uq_teams_path", "teams", ["path"], unique=True, postgresql_ops=PATTERN)
    op.drop_index("ix_users_username", table_name="users")
    op.drop_index("ix_teams_path", table_name="teams")


def downgrade() -> None:
    op.create_index("ix_teams_path", "teams", ["path"], postgresql_ops=PATTERN)
    op.create_index("ix_users_username", "users", ["username"])
    op.drop_index("uq_teams_path", table_name="teams")
    op.drop_index("uq_users_username", table_name="users")
