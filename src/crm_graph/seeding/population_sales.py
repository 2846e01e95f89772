"""Leads, opportunities and contracts of the large population, each chunk in one statement with its events."""

from crm_graph.seeding.population_sql import RUN, compose

LEADS = compose(
    RUN,
    """
numbered AS MATERIALIZED (
    SELECT n, seed, pg_temp.seed_arrival(start_ms, span_ms, leads, n) AS ms,
           hashint8extended(n, seed * 1009 + 51) & 65535 AS a, hashint8extended(n, seed * 1009 + 52) & 65535 AS b,
           hashint8extended(n, seed * 1009 + 53) & 65535 AS c, hashint8extended(n, seed * 1009 + 54) & 65535 AS d,
           least(customers, customers * n / leads + 1) AS customer
    FROM run, generate_series(CAST(:lo AS bigint), CAST(:hi AS bigint)) AS n
),
placed AS MATERIALIZED (
    SELECT p.*, p.a % 10 < 3 AND p.n < r.leads AS converted,
           pg_temp.seed_arrival(r.start_ms, r.span_ms, r.customers, p.customer) AS customer_ms,
           1 + (p.b % cardinality(r.reps))::integer AS rep
    FROM numbered AS p CROSS JOIN run AS r
),
plan AS MATERIALIZED (
    SELECT p.n, p.seed, p.ms, p.converted, p.b, pg_temp.seed_id(3, p.ms, p.seed, p.n) AS id,
           pg_temp.seed_moment(p.ms) AS at,
           CASE WHEN p.converted THEN greatest(p.ms, p.customer_ms) ELSE p.ms END AS entered_ms,
           CASE WHEN p.converted THEN pg_temp.seed_id(1, p.customer_ms, p.seed, p.customer) END AS customer_id,
           CASE WHEN p.converted THEN r.lead_converted ELSE r.lead_stages[1 + p.c % cardinality(r.lead_stages)] END
                AS stage_id,
           r.lead_stages[1] AS first_stage_id, r.reps[p.rep] AS owner_id, r.rep_teams[p.rep] AS team_id,
           r.surnames[1 + p.b % cardinality(r.surnames)] || r.given[1 + p.c % cardinality(r.given)] AS name,
           '+861' || (ARRAY['35', '36', '37', '59'])[1 + p.d % 4] || lpad((p.n % 100000000)::text, 8, '0') AS phone,
           (ARRAY['WEB_SHOP', 'STORE', 'CALL_CENTRE', 'WECHAT', 'EXHIBITION', 'REFERRAL'])[1 + p.d % 6]
               AS source_channel,
           r.provinces[1 + p.d % cardinality(r.cities)] AS province, r.cities[1 + p.d % cardinality(r.cities)] AS city,
           r.products[1 + p.c % cardinality(r.products)] AS product_interest,
           (ARRAY['LOW', 'LOW', 'MEDIUM', 'MEDIUM', 'HIGH'])[1 + p.a % 5] AS intent,
           (p.a % 5 * 18 + p.b % 18)::integer AS score,
           500.00 * (1 + p.d % 200) AS budget
    FROM placed AS p CROSS JOIN run AS r
),
rows AS (
    INSERT INTO leads (
        id, version, created_at, updated_at, owner_id, team_id, stage_id, stage_entered_at, name, phone,
        source_channel, province,
        city, product_interest, intent, score, currency, budget, budget_base, assigned_at, pool_state, converted_at,
        customer_id
    )
    SELECT id, 1, at, at, owner_id, team_id, stage_id, pg_temp.seed_moment(entered_ms), name, phone, source_channel,
           province,
           city, product_interest, intent, score, 'CNY', budget, budget, at, 'OWNED',
           CASE WHEN converted THEN pg_temp.seed_moment(entered_ms) END, customer_id
    FROM plan ORDER BY n
),
stays AS (
    INSERT INTO stage_changes (id, entity_id, stage_id, from_stage_id, actor_id, entered_at, left_at)
    SELECT pg_temp.seed_id(20, ms, seed, n * 8), id, first_stage_id, NULL::uuid, owner_id, at,
           CASE WHEN stage_id <> first_stage_id THEN pg_temp.seed_moment(entered_ms) END
    FROM plan
    UNION ALL
    SELECT pg_temp.seed_id(20, entered_ms, seed, n * 8 + 1), id, stage_id, first_stage_id, owner_id,
           pg_temp.seed_moment(entered_ms), NULL
    FROM plan WHERE stage_id <> first_stage_id
)
INSERT INTO events (
    id, n, type, entity_type, entity_id, entity_version, customer_id, occurred_at, actor_id, source, changed, after,
    backfill
)
SELECT pg_temp.seed_id(15, ms, seed, n * 8 + 3), n - CAST(:lo AS bigint), 'lead.created', 'lead', id, 1, customer_id,
       at,
       owner_id, 'seed',
       '["name", "phone", "source_channel", "province", "city", "product_interest", "intent", "currency", "budget",
           "stage_id", "owner_id", "team_id"]',
       jsonb_build_object(
           'name', name, 'phone', phone, 'source_channel', source_channel, 'province', province, 'city', city,
           'product_interest', product_interest, 'intent', intent, 'currency', 'CNY', 'budget', budget::text,
           'stage_id', stage_id, 'owner_id', owner_id, 'team_id', team_id
       ), true
FROM plan ORDER BY n
""",
)

# Every twentieth deal is won and becomes a contract, one in five of the others is won as well, one in four lost.
DEALS = """
drawn AS MATERIALIZED (
    SELECT m, seed, pg_temp.seed_activity(start_ms, span_ms, opportunities, m) AS ms,
           pg_temp.seed_known(customers, opportunities, m) AS known, now_ms,
           hashint8extended(m, seed * 1009 + 61) & 65535 AS a, hashint8extended(m, seed * 1009 + 62) & 65535 AS b,
           hashint8extended(m, seed * 1009 + 63) & 65535 AS c
    FROM run, generate_series(CAST(:lo AS bigint), CAST(:hi AS bigint)) AS m
),
deals AS MATERIALIZED (
    SELECT *, CASE WHEN m % 20 = 0 OR a % 100 < 20 THEN 'WON' WHEN a % 100 < 45 THEN 'LOST' ELSE 'OPEN' END AS category,
           pg_temp.seed_customer(seed, 60, known, m) AS customer,
           round(800 + 90 * sqrt(b::double precision) * CASE WHEN c % 20 = 0 THEN 40 ELSE 1 END) AS amount,
           ms + least((3 + b % 40) * 86400000, (now_ms - ms) / 3) AS closed_ms
    FROM drawn
)
"""

DEAL_METRICS = compose(
    RUN,
    DEALS,
    into="""
INSERT INTO seed_metrics AS s (n, orders, first_order_ms, last_order_ms, spent)
SELECT customer, count(*), min(closed_ms), max(closed_ms), sum(amount) FROM deals WHERE category = 'WON'
           GROUP BY customer
ON CONFLICT (n) DO UPDATE SET
    orders = s.orders + excluded.orders, first_order_ms = least(s.first_order_ms, excluded.first_order_ms),
    last_order_ms = greatest(s.last_order_ms, excluded.last_order_ms), spent = s.spent + excluded.spent
""",
)

OPPORTUNITIES = compose(
    RUN,
    DEALS,
    """
placed AS MATERIALIZED (
    SELECT d.*, pg_temp.seed_arrival(r.start_ms, r.span_ms, r.customers, d.customer) AS customer_ms,
           pg_temp.seed_rep(d.seed, cardinality(r.reps), d.customer) AS rep
    FROM deals AS d CROSS JOIN run AS r
),
plan AS MATERIALIZED (
    SELECT p.m, p.seed, p.ms, p.category, p.amount, p.b, p.closed_ms, pg_temp.seed_id(4, p.ms, p.seed, p.m) AS id,
           pg_temp.seed_moment(p.ms) AS at, pg_temp.seed_id(1, p.customer_ms, p.seed, p.customer) AS customer_id,
           r.reps[p.rep] AS owner_id, r.rep_teams[p.rep] AS team_id, r.opportunity_stages[1] AS first_stage_id,
           CASE p.category WHEN 'WON' THEN r.opportunity_won WHEN 'LOST' THEN r.opportunity_lost
                ELSE r.opportunity_stages[1 + p.c % cardinality(r.opportunity_stages)] END AS stage_id,
           r.products[1 + p.a % cardinality(r.products)] AS product,
           CASE p.category WHEN 'LOST' THEN r.loss_reasons[1 + p.b % cardinality(r.loss_reasons)] END AS loss_reason,
           (ARRAY['STORE', 'WEB_SHOP', 'CALL_CENTRE', 'REFERRAL'])[1 + p.c % 4] AS source_channel,
           CASE p.category WHEN 'WON' THEN 1 WHEN 'LOST' THEN 0 ELSE 0.1 * (1 + p.a % 8) END AS probability
    FROM placed AS p CROSS JOIN run AS r
),
rows AS (
    INSERT INTO opportunities (
        id, version, created_at, updated_at, owner_id, team_id, stage_id, stage_entered_at, customer_id, name,
        source_channel,
        product_interest, currency, amount, amount_base, cost, cost_base, probability, forecast_category,
        expected_close_on,
        closed_at, loss_reason
    )
    SELECT id, 1, at, at, owner_id, team_id, stage_id,
           CASE WHEN stage_id = first_stage_id THEN at ELSE pg_temp.seed_moment(closed_ms) END, customer_id,
           product || '采购', source_channel, product, 'CNY', amount, amount, round(amount * 0.72, 2),
           round(amount * 0.72, 2),
           probability, CASE category WHEN 'LOST' THEN 'OMITTED' WHEN 'WON' THEN 'COMMIT' ELSE 'PIPELINE' END,
           (at + (10 + b % 50) * INTERVAL '1 day')::date,
           CASE WHEN category <> 'OPEN' THEN pg_temp.seed_moment(closed_ms) END, loss_reason
    FROM (SELECT plan.id, at, owner_id, team_id, stage_id, first_stage_id, closed_ms, customer_id, product,
        source_channel,
                 amount::numeric(18, 2) AS amount, probability, category, b, loss_reason, m FROM plan) AS priced
    ORDER BY m
),
stays AS (
    INSERT INTO stage_changes (id, entity_id, stage_id, from_stage_id, actor_id, entered_at, left_at, reason)
    SELECT pg_temp.seed_id(20, ms, seed, m * 8 + 2), id, first_stage_id, NULL::uuid, owner_id, at,
           CASE WHEN stage_id <> first_stage_id THEN pg_temp.seed_moment(closed_ms) END, NULL
    FROM plan
    UNION ALL
    SELECT pg_temp.seed_id(20, closed_ms, seed, m * 8 + 3), id, stage_id, first_stage_id, owner_id,
           pg_temp.seed_moment(closed_ms), NULL, loss_reason
    FROM plan WHERE stage_id <> first_stage_id
)
INSERT INTO events (
    id, n, type, entity_type, entity_id, entity_version, customer_id, occurred_at, actor_id, source, changed, after,
    backfill
)
SELECT pg_temp.seed_id(15, ms, seed, m * 8 + 4), m - CAST(:lo AS bigint), 'opportunity.created', 'opportunity', id, 1,
       customer_id, at, owner_id, 'seed',
       '["name", "customer_id", "source_channel", "product_interest", "currency", "amount", "probability", "stage_id",
           "owner_id", "team_id"]',
       jsonb_build_object(
           'name', product || '采购', 'customer_id', customer_id, 'source_channel', source_channel,
           'product_interest', product,
           'currency', 'CNY', 'amount', amount::numeric(18, 2)::text, 'probability', probability::text, 'stage_id',
           stage_id, 'owner_id', owner_id, 'team_id', team_id
       ), true
FROM plan ORDER BY m
""",
)

CONTRACTS = compose(
    RUN,
    """
dealt AS MATERIALIZED (
    SELECT n, n * 20 AS m, seed, pg_temp.seed_activity(start_ms, span_ms, opportunities, n * 20) AS deal_ms,
           pg_temp.seed_known(customers, opportunities, n * 20) AS known,
           hashint8extended(n * 20, seed * 1009 + 62) & 65535 AS b
    FROM run, generate_series(CAST(:lo AS bigint), CAST(:hi AS bigint)) AS n
),
placed AS MATERIALIZED (
    SELECT d.*, d.deal_ms + least(45 * 86400000::bigint, (r.now_ms - d.deal_ms) / 2) AS ms,
           pg_temp.seed_customer(d.seed, 60, d.known, d.m) AS customer
    FROM dealt AS d CROSS JOIN run AS r
),
owned AS MATERIALIZED (
    SELECT p.*, pg_temp.seed_arrival(r.start_ms, r.span_ms, r.customers, p.customer) AS customer_ms,
           pg_temp.seed_rep(p.seed, cardinality(r.reps), p.customer) AS rep,
           1 + (p.b % (cardinality(r.products) - 1))::integer AS product
    FROM placed AS p CROSS JOIN run AS r
),
plan AS MATERIALIZED (
    SELECT p.n, p.seed, p.ms, p.b, pg_temp.seed_id(6, p.ms, p.seed, p.n) AS id, pg_temp.seed_moment(p.ms) AS at,
           pg_temp.seed_id(1, p.customer_ms, p.seed, p.customer) AS customer_id,
           pg_temp.seed_id(4, p.deal_ms, p.seed, p.m) AS opportunity_id, r.reps[p.rep] AS owner_id,
           r.rep_teams[p.rep] AS team_id,
           r.contract_stages[1] AS first_stage_id, p.n % 10 < 8 AS active,
           CASE WHEN p.n % 10 < 8 THEN r.contract_active
                ELSE r.contract_stages[1 + p.b % cardinality(r.contract_stages)] END AS stage_id,
           'L' || p.seed || '-HT-' || lpad(p.n::text, 7, '0') AS number, r.products[p.product] || '供货合同' AS title,
           line.*
    FROM owned AS p CROSS JOIN run AS r
    CROSS JOIN LATERAL (
        SELECT r.skus[p.product] AS sku_1, r.products[p.product] AS name_1, 1 + p.b % 6 AS quantity_1,
               r.prices[p.product] AS price_1, r.costs[p.product] AS cost_1, r.skus[p.product + 1] AS sku_2,
               r.products[p.product + 1] AS name_2, 1 + p.b % 3 AS quantity_2, r.prices[p.product + 1] AS price_2,
               r.costs[p.product + 1] AS cost_2
    ) AS line
),
totals AS MATERIALIZED (
    SELECT plan.*, round(quantity_1 * price_1, 2) AS net_1, round(quantity_2 * price_2, 2) AS net_2,
           round(quantity_1 * price_1 * 0.13, 2) AS tax_1, round(quantity_2 * price_2 * 0.13, 2) AS tax_2,
           round(quantity_1 * cost_1 + quantity_2 * cost_2, 2) AS cost
    FROM plan
),
rows AS (
    INSERT INTO contracts (
        id, version, created_at, updated_at, owner_id, team_id, stage_id, stage_entered_at, customer_id,
        opportunity_id, number,
        title, kind, signed_on, starts_on, ends_on, currency, net_amount, net_amount_base, tax_amount, tax_amount_base,
        gross_amount, gross_amount_base, received_amount, received_amount_base, cost, cost_base, payment_terms
    )
    SELECT id, 1, at, at, owner_id, team_id, stage_id, at, customer_id, opportunity_id, number, title, 'SALE',
           CASE WHEN active THEN at::date END, CASE WHEN active THEN at::date END,
           CASE WHEN active THEN at::date + 365 END, 'CNY',
           net_1 + net_2, net_1 + net_2, tax_1 + tax_2, tax_1 + tax_2, net_1 + net_2 + tax_1 + tax_2,
           net_1 + net_2 + tax_1 + tax_2,
           CASE WHEN active THEN net_1 + tax_1 ELSE 0 END, CASE WHEN active THEN net_1 + tax_1 ELSE 0 END, cost, cost,
           '货到30日内付清'
    FROM totals ORDER BY n
),
lines AS (
    INSERT INTO contract_lines (
        id, contract_id, position, sku, name, quantity, unit, currency, unit_price, tax_rate, net_amount, tax_amount,
        gross_amount,
        unit_cost
    )
    SELECT pg_temp.seed_id(18, ms, seed, n * 2), id, 1, sku_1, name_1, quantity_1, '台', 'CNY', price_1, 0.13, net_1,
           tax_1,
           net_1 + tax_1, cost_1 FROM totals
    UNION ALL
    SELECT pg_temp.seed_id(18, ms, seed, n * 2 + 1), id, 2, sku_2, name_2, quantity_2, '台', 'CNY', price_2, 0.13,
           net_2, tax_2,
           net_2 + tax_2, cost_2 FROM totals
),
stays AS (
    INSERT INTO stage_changes (id, entity_id, stage_id, from_stage_id, actor_id, entered_at, left_at)
    SELECT pg_temp.seed_id(20, ms, seed, n * 8 + 4), id, first_stage_id, NULL::uuid, owner_id, at,
           CASE WHEN stage_id <> first_stage_id THEN at END
    FROM totals
    UNION ALL
    SELECT pg_temp.seed_id(20, ms, seed, n * 8 + 5), id, stage_id, first_stage_id, owner_id, at, NULL
    FROM totals WHERE stage_id <> first_stage_id
)
INSERT INTO events (
    id, n, type, entity_type, entity_id, entity_version, customer_id, occurred_at, actor_id, source, changed, after,
    backfill
)
SELECT pg_temp.seed_id(15, ms, seed, n * 8 + 6), n - CAST(:lo AS bigint), 'contract.created', 'contract', id, 1,
       customer_id, at,
       owner_id, 'seed',
       '["number", "title", "kind", "customer_id", "opportunity_id", "currency", "net_amount", "tax_amount",
           "gross_amount", "cost", "stage_id", "owner_id", "team_id"]',
       jsonb_build_object(
           'number', number, 'title', title, 'kind', 'SALE', 'customer_id', customer_id, 'opportunity_id',
           opportunity_id,
           'currency', 'CNY', 'net_amount', (net_1 + net_2)::text, 'tax_amount', (tax_1 + tax_2)::text,
           'gross_amount', (net_1 + net_2 + tax_1 + tax_2)::text, 'cost', cost::text, 'stage_id', stage_id,
           'owner_id', owner_id, 'team_id', team_id
       ), true
FROM totals ORDER BY n
""",
)
