"""The analyst goes on reading an organisation's short name and website, which are marked as personal from now on."""

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

# Who edited the role has decided what it sees: there they are masked, until `resetRole` or `setGrants`.
_KEEP = """
WITH kept AS (
    UPDATE grants g
    SET field_levels = g.field_levels || '{"short_name": "READ", "website": "READ"}'
    FROM roles r
    WHERE r.id = g.role_id AND r.key = 'analyst' AND r.builtin AND r.version = 1 AND g.entity_type = 'customer'
      AND g.predicate = '{"kind": {"eq": "ORGANIZATION"}}'
    RETURNING g.id
)
UPDATE policy_version SET version = version + 1 WHERE EXISTS (SELECT FROM kept)
"""


def upgrade() -> None:
    op.execute(_KEEP)


def downgrade() -> None:
    """The release before reads both by their class."""
