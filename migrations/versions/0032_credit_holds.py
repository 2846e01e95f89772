"""The built-in roles that are told of credit holds go on being so, now that these are of the class KYC."""

from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

# Where such a role was edited, it keeps what it showed; none shows more than before.
_KEEP = """
WITH told (key, row_rule, predicate) AS (VALUES
    ('sales', 'OWN', NULL::jsonb),
    ('sales_manager', 'TEAM_AND_BELOW', NULL),
    ('crm_manager', 'ALL', NULL),
    ('finance', 'ALL', NULL),
    ('erp', 'WHERE', '{"externalRefs": {"some": {"source": {"eq": "erp"}}}}')
), kept AS (
    UPDATE grants g
    SET field_levels = '{"credit_hold": "READ"}'::jsonb || g.field_levels,
        writes = CASE
            WHEN r.key = 'erp' AND g.writes ? 'BASIC' AND NOT g.writes ?| '{field:credit_hold,except:credit_hold}'
            THEN g.writes || '["field:credit_hold"]'
            ELSE g.writes
        END
    FROM roles r, told t
    WHERE r.id = g.role_id AND r.builtin AND r.key = t.key AND g.entity_type = 'customer'
      AND g.row_rule = t.row_rule AND g.predicate IS NOT DISTINCT FROM t.predicate
      AND g.levels ->> 'BASIC' = 'READ'
    RETURNING g.id
)
UPDATE policy_version SET version = version + 1 WHERE EXISTS (SELECT FROM kept)
"""


def upgrade() -> None:
    op.execute(_KEEP)


def downgrade() -> None:
    """The release before has it in the class BASIC, and takes no harm from the field by name."""
