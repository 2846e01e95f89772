"""What the tables need beside columns: ids and masks as SQL functions, number sequences, partitions, autovacuum."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

IDS = (
    # The form of models/ids.py: 48 bits of milliseconds, version 7, 12 random bits, the variant and the entity's code in
    # one byte, 56 random bits. One random UUID is drawn, and what is not random is laid over it.
    """
    CREATE FUNCTION crm_id(code int, at timestamptz DEFAULT clock_timestamp()) RETURNS uuid
    LANGUAGE sql VOLATILE PARALLEL SAFE
    RETURN overlay(
        overlay(
            replace(gen_random_uuid()::text, '-', '')
            PLACING lpad(to_hex(floor(extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' FROM 1 FOR 13
        )
        PLACING to_hex(128 | code) FROM 17 FOR 2
    )::uuid
    """,
    """
    CREATE FUNCTION crm_first_id(at timestamptz) RETURNS uuid
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (lpad(to_hex(floor(extract(epoch FROM at) * 1000)::bigint), 12, '0') || '70008000000000000000')::uuid
    """,
)

# Single expressions, so that the planner inlines them. None is STRICT, which would forbid that; NULL gives NULL all the same.
MASKS = (
    # `138****8001`: the first three digits after +86 and the last four. Seven to nine digits show the last four alone, and
    # shorter numbers nothing, because otherwise little or nothing would be hidden.
    r"""
    CREATE FUNCTION crm_mask_phone(value text) RETURNS text
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
    """,
    # `z***@example.com`: the first letter and the domain.
    r"""
    CREATE FUNCTION crm_mask_email(value text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE
        WHEN value LIKE '%@%' THEN regexp_replace(value, '^(.?).*@', '\1***@')
        WHEN value IS NOT NULL THEN '****'
    END
    """,
    # `张**` for a name in Chinese, Japanese or Korean (from U+2E80 on), initials `J. S.` for others.
    r"""
    CREATE FUNCTION crm_mask_name(value text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE
        WHEN ascii(ltrim(value)) >= 11904 THEN left(ltrim(value), 1) || '**'
        ELSE upper(rtrim(regexp_replace(ltrim(value), '(\S)\S*\s*', '\1. ', 'g')))
    END
    """,
    """
    CREATE FUNCTION crm_mask_contact(value text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN value LIKE '%@%' THEN crm_mask_email(value) ELSE crm_mask_phone(value) END
    """,
    # `****1234`: the last four of at least eight characters.
    """
    CREATE FUNCTION crm_mask_tail(value text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE
        WHEN length(value) >= 8 THEN '****' || right(value, 4)
        WHEN value IS NOT NULL THEN '****'
    END
    """,
)

# One partition holds all that is older than the hub: backfills bring years at once, and each further partition costs every
# read of a record's history. From then on a month each, made ahead by `migrate`; the default partition takes what none
# covers, so that an insert never fails, and gives it back when the month is made.
PARTITIONS = (
    """
    CREATE FUNCTION crm_make_event_partitions(from_month date, to_month date) RETURNS int
    LANGUAGE plpgsql AS $$
    DECLARE
        month timestamptz;
        partition text;
        made int := 0;
    BEGIN
        FOR month IN
            SELECT m AT TIME ZONE 'UTC'
            FROM generate_series(date_trunc('month', from_month::timestamp), to_month::timestamp, '1 month') m
            WHERE m < to_month::timestamp
        LOOP
            partition := to_char(month AT TIME ZONE 'UTC', '"events_"YYYY_MM');
            CONTINUE WHEN to_regclass(partition) IS NOT NULL;
            EXECUTE format('CREATE TABLE %I (LIKE events INCLUDING ALL)', partition);
            EXECUTE format(
                'ALTER TABLE %I SET (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05)',
                partition
            );
            LOCK TABLE events_default IN SHARE ROW EXCLUSIVE MODE;
            EXECUTE format(
                'WITH moved AS (DELETE FROM events_default WHERE id >= $1 AND id < $2 RETURNING *)
                 INSERT INTO %I SELECT * FROM moved',
                partition
            ) USING crm_first_id(month), crm_first_id(month + interval '1 month');
            EXECUTE format(
                'ALTER TABLE events ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                partition, crm_first_id(month), crm_first_id(month + interval '1 month')
            );
            made := made + 1;
        END LOOP;
        RETURN made;
    END
    $$
    """,
    "CREATE TABLE events_default PARTITION OF events DEFAULT",
    """
    DO $$
    BEGIN
        EXECUTE format(
            'CREATE TABLE events_before PARTITION OF events FOR VALUES FROM (MINVALUE) TO (%L)',
            crm_first_id(date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC')
        );
    END
    $$
    """,
)

SEQUENCES = ("customer_numbers", "ticket_numbers", "contract_numbers")

# Vacuum and statistics by a twentieth of a large table, not a fifth: counts and plans stay right while it grows.
BUSY = (
    "customers",
    "contact_points",
    "interactions",
    "leads",
    "opportunities",
    "tickets",
    "contracts",
    "external_refs",
)

FUNCTIONS = (
    "crm_make_event_partitions(date, date)",
    "crm_mask_contact(text)",
    "crm_mask_tail(text)",
    "crm_mask_name(text)",
    "crm_mask_email(text)",
    "crm_mask_phone(text)",
    "crm_first_id(timestamptz)",
    "crm_id(int, timestamptz)",
)


def upgrade() -> None:
    for statement in (*IDS, *MASKS, *PARTITIONS):
        op.execute(statement)
    for sequence in SEQUENCES:
        op.execute(f"CREATE SEQUENCE {sequence}")
    for table in BUSY:
        op.execute(
            f"ALTER TABLE {table} SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02)"
        )
    op.execute("ALTER TABLE idempotency_keys SET (autovacuum_vacuum_scale_factor = 0.05)")
    op.execute("INSERT INTO policy_version (id, version) VALUES (1, 1)")


def downgrade() -> None:
    op.execute("DELETE FROM policy_version")
    for sequence in SEQUENCES:
        op.execute(f"DROP SEQUENCE {sequence}")
    partitions = "SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'events'::regclass"
    op.execute(
        f"DO $$ DECLARE part regclass; BEGIN FOR part IN {partitions} LOOP EXECUTE format('DROP TABLE %s', part);"
        " END LOOP; END $$"
    )
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")
