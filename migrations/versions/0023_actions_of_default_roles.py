"""Default roles that nobody edited get the actions that releases have added to them since."""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

# Who edited a role has decided what it does: there, `resetRole` or `updateRole` gives the new ones.
_GIVE = """
WITH added (key, actions) AS (VALUES
    ('admin', '["access:simulate", "documents:register"]'::jsonb),
    ('crm_manager', '["documents:register", "duplicates:check"]'::jsonb),
    ('sales', '["duplicates:check"]'::jsonb),
    ('auditor', '["audit:read", "roles:read"]'::jsonb)
), given AS (
    UPDATE roles r
    SET actions = (
        SELECT jsonb_agg(DISTINCT action ORDER BY action) FROM jsonb_array_elements(r.actions || a.actions) AS action
    )
    FROM added a
    WHERE r.key = a.key AND r.builtin AND r.version = 1 AND NOT r.actions @> a.actions
    RETURNING r.id
)
UPDATE policy_version SET version = version + 1 WHERE EXISTS (SELECT FROM given)
"""


def upgrade() -> None:
    op.execute(_GIVE)


def downgrade() -> None:
    """The release before has them in its default roles too."""
