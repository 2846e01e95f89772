"""Customers of the large population, with their contact points, external refs and events, in one statement a chunk."""

from crm_graph.seeding.population_sql import RUN, compose

# What will happen with each customer, gathered from interactions and won deals before the customers are written, so
# that no row has to be updated afterwards.
METRICS_TABLE = """
CREATE TEMP TABLE IF NOT EXISTS seed_metrics (
    n bigint PRIMARY KEY, last_ms bigint, orders integer NOT NULL DEFAULT 0, first_order_ms bigint,
    last_order_ms bigint,
    spent numeric(18, 2) NOT NULL DEFAULT 0
)
"""

CUSTOMERS = compose(
    RUN,
    """
numbered AS MATERIALIZED (
    SELECT n, seed, pg_temp.seed_arrival(start_ms, span_ms, customers, n) AS ms,
           hashint8extended(n, seed * 1009 + 1) & 65535 AS a, hashint8extended(n, seed * 1009 + 2) & 65535 AS b,
           hashint8extended(n, seed * 1009 + 3) & 65535 AS c, hashint8extended(n, seed * 1009 + 4) & 65535 AS d,
           hashint8extended(n, seed * 1009 + 5) & 65535 AS e, hashint8extended(n, seed * 1009 + 6) & 65535 AS f,
           pg_temp.seed_owner(seed, cardinality(reps), n) AS rep
    FROM run, generate_series(CAST(:lo AS bigint), CAST(:hi AS bigint)) AS n
),
plan AS MATERIALIZED (
    SELECT p.n, p.seed, p.ms, pg_temp.seed_id(1, p.ms, p.seed, p.n) AS id, pg_temp.seed_moment(p.ms) AS at,
           p.a % 100 < 18 AS organization, p.rep = 0 AS pooled, p.c, p.d, p.e, p.f,
           r.reps[p.rep] AS owner_id, r.rep_teams[p.rep] AS team_id, r.actor,
           r.provinces[1 + p.e % cardinality(r.cities)] AS province,
           r.cities[1 + p.e % cardinality(r.cities)] AS city,
           r.industries[1 + p.d % cardinality(r.industries)] AS industry,
           CASE WHEN p.a % 100 < 18
                THEN r.cities[1 + p.e % cardinality(r.cities)] || r.words[1 + p.b % cardinality(r.words)]
                     || r.words[1 + p.c % cardinality(r.words)] || r.trades[1 + p.d % cardinality(r.trades)]
                         || '有限公司'
                ELSE r.surnames[1 + p.b % cardinality(r.surnames)] || r.given[1 + p.c % cardinality(r.given)]
                     || CASE WHEN p.f % 10 < 7 THEN r.given[1 + p.d % cardinality(r.given)] ELSE '' END
           END AS name,
           CASE WHEN p.a % 100 < 18 THEN 'info' || p.n || '@example.com'
                ELSE r.given_latin[1 + p.c % cardinality(r.given)] || '.'
                     || r.surnames_latin[1 + p.b % cardinality(r.surnames)] || p.n || '@example.cn'
           END AS email,
           p.f % 100 < 60 AS has_email,
           CASE WHEN p.a % 100 >= 18
                THEN '1' || (ARRAY['38', '39', '50', '58', '86', '88'])[1 + p.f % 6]
                    || lpad((p.n % 100000000)::text, 8, '0')
                ELSE '0' || r.area_codes[1 + p.e % cardinality(r.cities)] || ' 6'
                    || lpad((p.n % 1000000)::text, r.digits[1 + p.e % cardinality(r.cities)] - 1, '0')
           END AS phone_raw,
           m.last_ms, coalesce(m.orders, 0) AS orders, m.first_order_ms, m.last_order_ms,
           coalesce(m.spent, 0) AS spent, r.now_ms
    FROM numbered AS p CROSS JOIN run AS r LEFT JOIN seed_metrics AS m USING (n)
),
shaped AS MATERIALIZED (
    SELECT plan.*, CASE WHEN organization THEN 'ORGANIZATION' ELSE 'PERSON' END AS kind,
           'L' || seed || '-' || lpad(n::text, 8, '0') AS number,
           '+86' || ltrim(replace(phone_raw, ' ', ''), '0') AS phone,
           (ARRAY['STORE', 'WEB_SHOP', 'CALL_CENTRE', 'WECHAT', 'APP', 'REFERRAL', 'EXHIBITION',
               'PARTNER'])[1 + f % 8] AS source_channel,
           CASE WHEN spent >= 200000 THEN 'PLATINUM' WHEN spent >= 50000 THEN 'GOLD'
                WHEN spent >= 10000 THEN 'SILVER' ELSE 'STANDARD' END AS tier,
           CASE WHEN coalesce(last_ms, ms) < now_ms - 365 * 86400000::bigint THEN 'DORMANT'
                WHEN coalesce(last_ms, ms) < now_ms - 180 * 86400000::bigint THEN 'AT_RISK'
                WHEN orders > 0 THEN 'ACTIVE' ELSE 'PROSPECT' END AS lifecycle_stage,
           CASE WHEN pooled THEN 'PUBLIC' ELSE 'OWNED' END AS pool_state,
           CASE WHEN n % 10 < 3 THEN CASE WHEN organization THEN 'erp' ELSE 'shop' END END AS ref_source
    FROM plan
),
rows AS (
    INSERT INTO customers (
        id, version, created_at, updated_at, owner_id, team_id, kind, name, number, lifecycle_stage, tier,
        source_channel,
        industry, employee_count, country, province, city, language, preferred_channel, pool_state, pooled_at, phone,
        email,
        gender, birth_date, registration_number, tax_id, invoice_title, payment_terms_days, currency, credit_limit,
        credit_limit_base, kyc_status, total_spent, total_spent_base, order_count, first_purchase_on, last_purchase_on,
        last_interaction_at, health_score
    )
    SELECT id, 1, at, at, owner_id, team_id, kind, name, number, lifecycle_stage, tier, source_channel,
           CASE WHEN organization THEN industry END, CASE WHEN organization THEN 5 + f % 800 END, 'CN', province,
           city, 'zh-CN',
           CASE WHEN f % 3 = 0 THEN 'WECHAT' WHEN f % 3 = 1 THEN 'CALL_CENTRE' END,
           pool_state, CASE WHEN pooled THEN at END, phone, CASE WHEN has_email THEN email END,
           CASE WHEN NOT organization THEN CASE WHEN c % 2 = 0 THEN 'FEMALE' ELSE 'MALE' END END,
           CASE WHEN NOT organization AND f % 4 = 0 THEN DATE '1955-01-01' + (d % 18000)::integer END,
           CASE WHEN organization THEN '91' || lpad(n::text, 16, '0') END,
           CASE WHEN organization THEN '91' || lpad(n::text, 16, '0') END,
           CASE WHEN organization THEN name END, CASE WHEN organization THEN 30 END, 'CNY',
           CASE WHEN organization THEN 10000 * (1 + f % 50) END, CASE WHEN organization THEN 10000 * (1 + f % 50) END,
           CASE WHEN organization THEN 'VERIFIED' ELSE 'NOT_STARTED' END,
           spent, spent, orders, pg_temp.seed_moment(first_order_ms)::date, pg_temp.seed_moment(last_order_ms)::date,
           pg_temp.seed_moment(last_ms),
           greatest(5, 100 - ((now_ms - coalesce(last_ms, ms)) / 86400000)::integer / 6)
    FROM shaped ORDER BY n
),
points AS (
    INSERT INTO contact_points (id, customer_id, kind, raw, e164, is_primary)
    SELECT pg_temp.seed_id(16, ms, seed, n * 2), id, CASE WHEN organization THEN 'LANDLINE' ELSE 'MOBILE' END,
           phone_raw, phone, true
    FROM shaped
    UNION ALL
    SELECT pg_temp.seed_id(16, ms, seed, n * 2 + 1), id, 'EMAIL', email, email, true FROM shaped WHERE has_email
),
refs AS (
    INSERT INTO external_refs (id, entity_type, entity_id, source, external_id, synced_at)
    SELECT pg_temp.seed_id(19, ms, seed, n), 'customer', id, ref_source, upper(ref_source) || '-' || number, at
    FROM shaped WHERE ref_source IS NOT NULL
)
INSERT INTO events (
    id, n, type, entity_type, entity_id, entity_version, customer_id, occurred_at, actor_id, source, changed, after,
    backfill
)
SELECT pg_temp.seed_id(15, ms, seed, n * 8 + 1), n - CAST(:lo AS bigint), 'customer.created', 'customer', id, 1, id, at,
       coalesce(owner_id, actor), 'seed', (SELECT jsonb_agg(key) FROM jsonb_object_keys(image) AS key), image, true
FROM (
    SELECT shaped.*, jsonb_strip_nulls(jsonb_build_object(
        'kind', kind, 'name', name, 'number', number, 'lifecycle_stage', lifecycle_stage, 'tier', tier,
        'source_channel', source_channel, 'country', 'CN', 'province', province, 'city', city, 'pool_state', pool_state,
        'phone', phone, 'email', CASE WHEN has_email THEN email END, 'currency', 'CNY', 'owner_id', owner_id,
        'team_id', team_id
    )) AS image
    FROM shaped
) AS imaged
ORDER BY n
""",
)
