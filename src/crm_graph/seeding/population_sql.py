"""The statements behind `population.py`: every row is a function of the seed and its number, so that a chunk can be
made alone, in any order, and always the same.

Moments are milliseconds since 1970. Customers arrive evenly over the span; what happens with them grows as their number
does, so that record m of M lies at the square root of m/M of the span and belongs to one of the customers there were by
then.
"""

FUNCTIONS = (
    """
    CREATE OR REPLACE FUNCTION pg_temp.seed_bits(seed bigint, salt integer, n bigint) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT hashint8extended(n, seed * 1009 + salt) $$
    """,
    """
    CREATE OR REPLACE FUNCTION pg_temp.seed_fraction(seed bigint, salt integer, n bigint) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
        SELECT (hashint8extended(n, seed * 1009 + salt) & 4503599627370495)::double precision / 4503599627370496
    $$
    """,
    """
    CREATE OR REPLACE FUNCTION pg_temp.seed_pick(choices text[], fraction double precision) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT choices[1 + floor(fraction * cardinality(choices))::integer] $$
    """,
    # The layout of crm_id(code, at), with its random bits drawn from the seed.
    """
    CREATE OR REPLACE FUNCTION pg_temp.seed_id(code integer, ms bigint, seed bigint, n bigint) RETURNS uuid
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
        SELECT (lpad(to_hex(ms), 12, '0') || '7' || lpad(to_hex(n & 4095), 3, '0') || to_hex(128 | code)
                || lpad(to_hex(hashint8extended(n, seed * 1009 + code) & 72057594037927935), 14, '0'))::uuid
    $$
    """,
    """
    CREATE OR REPLACE FUNCTION pg_temp.seed_moment(ms bigint) RETURNS timestamptz
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT to_timestamp(ms / 1000.0::double precision) $$
    """,
    # Squeezes a day into the 14 hours from 08:00 to 22:00 in Shanghai, keeping the order.
    """
    CREATE OR REPLACE FUNCTION pg_temp.seed_open_hours(ms bigint) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT ms - ms % 86400000 + (ms % 86400000) * 14 / 24 $$
    """,
    """
    CREATE OR REPLACE FUNCTION pg_temp.seed_arrival(
        start_ms bigint, span_ms bigint, customers bigint, n bigint
    ) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
        SELECT pg_temp.seed_open_hours(start_ms + span_ms * (2 * n - 1) / (2 * customers))
    $$
    """,
    """
    CREATE OR REPLACE FUNCTION pg_temp.seed_activity(
        start_ms bigint, span_ms bigint, total bigint, m bigint
    ) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
        SELECT pg_temp.seed_open_hours(start_ms + (span_ms * sqrt((m - 0.5::double precision) / total))::bigint)
    $$
    """,
    """
    CREATE OR REPLACE FUNCTION pg_temp.seed_known(customers bigint, total bigint, m bigint) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
        SELECT greatest(1, floor(customers * sqrt((m - 0.5::double precision) / total))::bigint)
    $$
    """,
    # Which of the sales people looks after a customer, and works on their deals.
    """
    CREATE OR REPLACE FUNCTION pg_temp.seed_rep(seed bigint, people integer, n bigint) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
        SELECT 1 + ((hashint8extended(n, seed * 1009 + 31) & 9007199254740991) % people)::integer
    $$
    """,
    # The same, but 0 where the customer lies in the public pool, as one in twenty does.
    """
    CREATE OR REPLACE FUNCTION pg_temp.seed_owner(seed bigint, people integer, n bigint) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
        SELECT CASE WHEN (hashint8extended(n, seed * 1009 + 30) & 1023) < 51 THEN 0
                    ELSE pg_temp.seed_rep(seed, people, n) END
    $$
    """,
    # A quarter of all activity is with every tenth customer.
    """
    CREATE OR REPLACE FUNCTION pg_temp.seed_customer(
        seed bigint, salt integer, known bigint, m bigint
    ) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
        SELECT CASE
            WHEN known >= 10 AND (hashint8extended(m, seed * 1009 + salt + 1) & 3) = 0
            THEN 10 + 10 * ((hashint8extended(m, seed * 1009 + salt) & 9007199254740991) % (known / 10))
            ELSE 1 + (hashint8extended(m, seed * 1009 + salt) & 9007199254740991) % known
        END
    $$
    """,
)

# Salts keep the draws of different columns apart.
RUN = """
run AS MATERIALIZED (
    SELECT CAST(:seed AS bigint) AS seed, CAST(:start_ms AS bigint) AS start_ms, CAST(:span_ms AS bigint) AS span_ms,
           CAST(:start_ms AS bigint) + CAST(:span_ms AS bigint) AS now_ms,
           CAST(:customers AS bigint) AS customers, CAST(:leads AS bigint) AS leads,
           CAST(:opportunities AS bigint) AS opportunities, CAST(:contracts AS bigint) AS contracts,
           CAST(:tickets AS bigint) AS tickets, CAST(:interactions AS bigint) AS interactions,
           CAST(:actor AS uuid) AS actor, CAST(:reps AS uuid[]) AS reps, CAST(:rep_teams AS uuid[]) AS rep_teams,
           CAST(:agents AS uuid[]) AS agents, CAST(:agent_teams AS uuid[]) AS agent_teams,
           CAST(:surnames AS text[]) AS surnames, CAST(:surnames_latin AS text[]) AS surnames_latin,
           CAST(:given AS text[]) AS given, CAST(:given_latin AS text[]) AS given_latin,
           CAST(:cities AS text[]) AS cities, CAST(:provinces AS text[]) AS provinces,
           CAST(:area_codes AS text[]) AS area_codes, CAST(:digits AS integer[]) AS digits,
           CAST(:words AS text[]) AS words,
           CAST(:trades AS text[]) AS trades, CAST(:industries AS text[]) AS industries,
           CAST(:products AS text[]) AS products, CAST(:skus AS text[]) AS skus,
           CAST(:prices AS numeric[]) AS prices, CAST(:costs AS numeric[]) AS costs,
           CAST(:lead_stages AS uuid[]) AS lead_stages, CAST(:opportunity_stages AS uuid[]) AS opportunity_stages,
           CAST(:opportunity_won AS uuid) AS opportunity_won, CAST(:opportunity_lost AS uuid) AS opportunity_lost,
           CAST(:loss_reasons AS text[]) AS loss_reasons, CAST(:lead_converted AS uuid) AS lead_converted,
           CAST(:ticket_stages AS uuid[]) AS ticket_stages, CAST(:ticket_closed AS uuid) AS ticket_closed,
           CAST(:contract_stages AS uuid[]) AS contract_stages, CAST(:contract_active AS uuid) AS contract_active
)
"""


def compose(*parts: str, into: str = "") -> str:
    """One statement of several lists of common table expressions; the last one may end in the statement itself."""
    return "WITH " + ",".join(parts) + into
