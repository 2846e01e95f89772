"""Custom fields: their definitions, the functions that read a value as its type, and an index for equalities."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

ROOTS = ("customers", "interactions", "leads", "opportunities", "tickets", "contracts")
DATE = r"^\d{4}-\d{2}-\d{2}$"
DATE_TIME = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2})$"
DECIMAL = r"^-?\d{1,20}(\.\d{1,15})?$"

# Each gives NULL for what is not of its type, and none can fail. Single expressions, so that the planner inlines them.
READERS = {
    "crm_custom_text(value jsonb) RETURNS text": """
        CASE WHEN jsonb_typeof(value) = 'string' AND length(value #>> '{}') <= 500 THEN value #>> '{}' END
    """,
    "crm_custom_option(value jsonb, options text[]) RETURNS text": """
        CASE WHEN jsonb_typeof(value) = 'string' AND value #>> '{}' = ANY(options) THEN value #>> '{}' END
    """,
    "crm_custom_int(value jsonb) RETURNS integer": """
        CASE WHEN jsonb_typeof(value) = 'number' THEN
            CASE WHEN value::numeric = trunc(value::numeric) AND value::numeric BETWEEN -2147483648 AND 2147483647
                THEN value::integer
            END
        END
    """,
    "crm_custom_decimal(value jsonb) RETURNS numeric": f"""
        CASE jsonb_typeof(value)
            WHEN 'number' THEN CASE WHEN length(value #>> '{{}}') <= 40 THEN value::numeric END
            WHEN 'string' THEN CASE WHEN value #>> '{{}}' ~ '{DECIMAL}' THEN (value #>> '{{}}')::numeric END
        END
    """,
    "crm_custom_boolean(value jsonb) RETURNS boolean": """
        CASE WHEN jsonb_typeof(value) = 'boolean' THEN value::boolean END
    """,
    "crm_custom_date(value jsonb) RETURNS date": f"""
        CASE WHEN jsonb_typeof(value) = 'string' AND value #>> '{{}}' ~ '{DATE}' THEN
            CASE WHEN pg_input_is_valid(value #>> '{{}}', 'date') THEN (value #>> '{{}}')::date END
        END
    """,
    "crm_custom_date_time(value jsonb) RETURNS timestamptz": f"""
        CASE WHEN jsonb_typeof(value) = 'string' AND value #>> '{{}}' ~ '{DATE_TIME}' THEN
            CASE WHEN pg_input_is_valid(value #>> '{{}}', 'timestamptz') THEN (value #>> '{{}}')::timestamptz END
        END
    """,
    "crm_custom_text_list(value jsonb) RETURNS text[]": """
        CASE WHEN jsonb_typeof(value) = 'array' THEN
            ARRAY(SELECT e #>> '{}' FROM jsonb_array_elements(value) AS e WHERE jsonb_typeof(e) = 'string')
        END
    """,
}


def upgrade() -> None:
    op.create_table(
        "custom_fields",
        sa.Column("entity_type", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "TEXT",
                "INT",
                "DECIMAL",
                "BOOLEAN",
                "DATE",
                "DATE_TIME",
                "ENUM",
                "TEXT_LIST",
                name="customkind",
                native_enum=False,
                create_constraint=True,
                length=64,
            ),
            nullable=False,
        ),
        sa.Column("options", JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("data_class", sa.Text(), nullable=False),
        sa.Column("personal", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("label_en", sa.Text(), nullable=False),
        sa.Column("label_zh", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("key ~ '^[a-z][A-Za-z0-9]{0,39}$'", name=op.f("ck_custom_fields_key")),
        sa.CheckConstraint(
            "jsonb_typeof(options) = 'array' AND (kind = 'ENUM') = (options <> '[]')",
            name=op.f("ck_custom_fields_options"),
        ),
        sa.CheckConstraint("data_class <> 'INTERNAL'", name=op.f("ck_custom_fields_data_class")),
        sa.PrimaryKeyConstraint("entity_type", "key", name=op.f("pk_custom_fields")),
    )
    for signature, body in READERS.items():
        op.execute(f"CREATE FUNCTION {signature} LANGUAGE sql STABLE PARALLEL SAFE RETURN {body}")
    with op.get_context().autocommit_block():
        for table in ROOTS:
            op.create_index(
                f"ix_{table}_custom",
                table,
                ["custom"],
                postgresql_using="gin",
                postgresql_ops={"custom": "jsonb_path_ops"},
                postgresql_where=sa.text("custom <> '{}'"),
                postgresql_concurrently=True,
                if_not_exists=True,
            )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        for table in ROOTS:
            op.drop_index(f"ix_{table}_custom", table_name=table, postgresql_concurrently=True, if_exists=True)
    for signature in READERS:
        op.execute(f"DROP FUNCTION {signature.partition(' RETURNS')[0]}")
    op.drop_table("custom_fields")
