"""A masked phone number hides four digits or more, however short it is."""

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

# `138****8001`: the first three digits after +86 and the last four. Of ten, nine and eight digits fewer lead; seven show
# the last three, and shorter numbers nothing.
_MASK = r"""
CREATE OR REPLACE FUNCTION crm_mask_phone(value text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN value ~ '^\+861\d{10}$' THEN substr(value, 4, 3) || '****' || right(value, 4)
    WHEN value ~ '^1\d{10}$' THEN left(value, 3) || '****' || right(value, 4)
    ELSE regexp_replace(
        regexp_replace(
            regexp_replace(
                regexp_replace(
                    regexp_replace(
                        regexp_replace(value, '^\s*(\+|00)86', ''),
                        '[^0-9]', '', 'g'
                    ),
                    '^(\d{3})\d{4,}(\d{4})$', '\1****\2'
                ),
                '^(\d{0,2})\d{4}(\d{4})$', '\1****\2'
            ),
            '^\d{4}(\d{3})$', '****\1'
        ),
        '^\d{0,6}$', '****'
    )
END
"""
_BEFORE = r"""
CREATE OR REPLACE FUNCTION crm_mask_phone(value text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN value ~ '^\+861\d{10}$' THEN substr(value, 4, 3) || '****' || right(value, 4)
    WHEN value ~ '^1\d{10}$' THEN left(value, 3) || '****' || right(value, 4)
    ELSE regexp_replace(
        regexp_replace(
            regexp_replace(
                regexp_replace(
                    regexp_replace(value, '^\s*(\+|00)86', ''),
                    '[^0-9]', '', 'g'
                ),
                '^(\d{3})\d{3,}(\d{4})$', '\1****\2'
            ),
            '^\d{3,5}(\d{4})$', '****\1'
        ),
        '^\d{0,6}$', '****'
    )
END
"""


def upgrade() -> None:
    op.execute(_MASK)


def downgrade() -> None:
    op.execute(_BEFORE)
