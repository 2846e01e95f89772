"""Administrators that nobody edited see jobs and run them; an index for jobs by state."""

from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

_GIVE = """
WITH given AS (
    UPDATE roles r
    SET actions = (
        SELECT jsonb_agg(DISTINCT action ORDER BY action)
        FROM jsonb_array_elements(r.actions || '["jobs:manage", "jobs:read"]') AS action
    )
    WHERE r.key = 'admin' AND r.builtin AND r.version = 1 AND NOT r.actions @> '["jobs:manage", "jobs:read"]'
    RETURNING r.id
)
UPDATE policy_version SET version = version + 1 WHERE EXISTS (SELECT FROM given)
"""


def upgrade() -> None:
    op.execute(_GIVE)
    op.execute("CREATE INDEX ix_pgqueuer_state ON pgqueuer (status, id)")


def downgrade() -> None:
    """The release before knows neither action, and passes over them."""
    op.execute("DROP INDEX ix_pgqueuer_state")
