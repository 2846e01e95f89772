"""Tickets and interactions of the large population, each chunk in one statement with its events."""

from crm_graph.seeding.population_sql import RUN, compose

TICKETS = compose(
    RUN,
    """
drawn AS MATERIALIZED (
    SELECT j, seed, now_ms, pg_temp.seed_activity(start_ms, span_ms, tickets, j) AS ms,
           pg_temp.seed_known(customers, tickets, j) AS known,
           hashint8extended(j, seed * 1009 + 71) & 65535 AS a, hashint8extended(j, seed * 1009 + 72) & 65535 AS b
    FROM run, generate_series(CAST(:lo AS bigint), CAST(:hi AS bigint)) AS j
),
placed AS MATERIALIZED (
    SELECT d.*, pg_temp.seed_customer(d.seed, 70, d.known, d.j) AS customer,
           d.ms < d.now_ms - 20 * 86400000::bigint OR d.a % 4 = 0 AS closed,
           d.ms + least((5 + d.b % 160) * 60000, (d.now_ms - d.ms) / 2) AS responded_ms,
           d.ms + least((3 + d.b % 90) * 3600000, (d.now_ms - d.ms) * 3 / 4) AS resolved_ms
    FROM drawn AS d
),
owned AS MATERIALIZED (
    SELECT p.*, pg_temp.seed_arrival(r.start_ms, r.span_ms, r.customers, p.customer) AS customer_ms
    FROM placed AS p CROSS JOIN run AS r
),
plan AS MATERIALIZED (
    SELECT p.j, p.seed, p.ms, p.closed, p.a, p.b, p.resolved_ms, pg_temp.seed_id(5, p.ms, p.seed, p.j) AS id,
           pg_temp.seed_moment(p.ms) AS at, pg_temp.seed_id(1, p.customer_ms, p.seed, p.customer) AS customer_id,
           pg_temp.seed_moment(p.responded_ms) AS responded_at, pg_temp.seed_moment(p.resolved_ms) AS resolved_at,
           r.agents[1 + p.a % cardinality(r.agents)] AS owner_id,
           r.agent_teams[1 + p.a % cardinality(r.agents)] AS team_id,
           r.ticket_stages[1] AS first_stage_id,
           CASE WHEN p.closed THEN r.ticket_closed ELSE r.ticket_stages[1 + p.b % cardinality(r.ticket_stages)] END
                AS stage_id,
           'L' || p.seed || '-T-' || lpad(p.j::text, 7, '0') AS number,
           r.products[1 + p.b % cardinality(r.products)] AS product,
           (ARRAY['ENQUIRY', 'INSTALLATION', 'REPAIR', 'REPAIR', 'MAINTENANCE', 'RETURN', 'COMPLAINT',
               'BILLING'])[1 + p.a % 8]
               AS category,
           (ARRAY['咨询', '预约安装', '报修', '报修', '预约保养', '申请退换', '投诉', '发票问题'])[1 + p.a % 8]
               AS topic,
           (ARRAY['LOW', 'NORMAL', 'NORMAL', 'NORMAL', 'HIGH', 'URGENT'])[1 + p.b % 6] AS priority,
           (ARRAY['CALL', 'WECHAT', 'WEB', 'APP'])[1 + p.b % 4] AS channel
    FROM owned AS p CROSS JOIN run AS r
),
rows AS (
    INSERT INTO tickets (
        id, version, created_at, updated_at, owner_id, team_id, stage_id, stage_entered_at, customer_id, number,
        subject, category,
        priority, channel, product, first_response_due_at, first_responded_at, resolution_due_at, resolved_at,
        satisfaction, resolution
    )
    SELECT id, 1, at, at, owner_id, team_id, stage_id,
           CASE WHEN stage_id = first_stage_id THEN at WHEN closed THEN resolved_at ELSE responded_at END,
           customer_id, number,
           product || topic, category, priority, channel, product, at + INTERVAL '2 hours',
           CASE WHEN closed OR stage_id <> first_stage_id THEN responded_at END, at + INTERVAL '3 days',
           CASE WHEN closed THEN resolved_at END, CASE WHEN closed AND b % 3 = 0 THEN 1 + (a % 5)::integer END,
           CASE WHEN closed THEN '已处理，客户确认。' END
    FROM plan ORDER BY j
),
stays AS (
    INSERT INTO stage_changes (id, entity_id, stage_id, from_stage_id, actor_id, entered_at, left_at)
    SELECT pg_temp.seed_id(20, ms, seed, j * 8 + 6), id, first_stage_id, NULL::uuid, owner_id, at,
           CASE WHEN stage_id = first_stage_id THEN NULL WHEN closed THEN resolved_at ELSE responded_at END
    FROM plan
    UNION ALL
    SELECT pg_temp.seed_id(20, ms, seed, j * 8 + 7), id, stage_id, first_stage_id, owner_id,
           CASE WHEN closed THEN resolved_at ELSE responded_at END, NULL
    FROM plan WHERE stage_id <> first_stage_id
)
INSERT INTO events (
    id, n, type, entity_type, entity_id, entity_version, customer_id, occurred_at, actor_id, source, changed, after,
    backfill
)
SELECT pg_temp.seed_id(15, ms, seed, j * 8 + 5), j - CAST(:lo AS bigint), 'ticket.created', 'ticket', id, 1,
       customer_id, at,
       owner_id, 'seed',
       '["number", "subject", "category", "priority", "channel", "product", "customer_id", "stage_id", "owner_id",
           "team_id"]',
       jsonb_build_object(
           'number', number, 'subject', product || topic, 'category', category, 'priority', priority, 'channel',
           channel,
           'product', product, 'customer_id', customer_id, 'stage_id', stage_id, 'owner_id', owner_id, 'team_id',
           team_id
       ), true
FROM plan ORDER BY j
""",
)

# Every fiftieth interaction is about a ticket and every fifth about a deal, shortly after it was opened.
CONTACTS = """
drawn AS MATERIALIZED (
    SELECT m, seed, pg_temp.seed_activity(start_ms, span_ms, interactions, m) AS ms,
           CASE WHEN m % 50 = 0 THEN m / 50 END AS ticket, CASE WHEN m % 5 = 4 THEN (m + 1) / 5 END AS deal,
           CASE WHEN m % 50 = 0 THEN pg_temp.seed_known(customers, tickets, m / 50)
                WHEN m % 5 = 4 THEN pg_temp.seed_known(customers, opportunities, (m + 1) / 5)
                ELSE pg_temp.seed_known(customers, interactions, m) END AS known
    FROM run, generate_series(CAST(:lo AS bigint), CAST(:hi AS bigint)) AS m
),
contacts AS MATERIALIZED (
    SELECT *, CASE WHEN ticket IS NOT NULL THEN pg_temp.seed_customer(seed, 70, known, ticket)
                   WHEN deal IS NOT NULL THEN pg_temp.seed_customer(seed, 60, known, deal)
                   ELSE pg_temp.seed_customer(seed, 80, known, m) END AS customer
    FROM drawn
)
"""

CONTACT_METRICS = compose(
    RUN,
    CONTACTS,
    into="""
INSERT INTO seed_metrics AS s (n, last_ms)
SELECT customer, max(ms) FROM contacts GROUP BY customer
ON CONFLICT (n) DO UPDATE SET last_ms = greatest(s.last_ms, excluded.last_ms)
""",
)

INTERACTIONS = compose(
    RUN,
    CONTACTS,
    """
placed AS MATERIALIZED (
    SELECT c.*, pg_temp.seed_arrival(r.start_ms, r.span_ms, r.customers, c.customer) AS customer_ms,
           CASE WHEN ticket IS NOT NULL THEN pg_temp.seed_activity(r.start_ms, r.span_ms, r.tickets, c.ticket) END
                AS ticket_ms,
           CASE WHEN deal IS NOT NULL THEN pg_temp.seed_activity(r.start_ms, r.span_ms, r.opportunities, c.deal) END
                AS deal_ms,
           pg_temp.seed_rep(c.seed, cardinality(r.reps), c.customer) AS rep,
           hashint8extended(m, c.seed * 1009 + 82) & 65535 AS a, hashint8extended(m, c.seed * 1009 + 83) & 65535 AS b
    FROM contacts AS c CROSS JOIN run AS r
),
plan AS MATERIALIZED (
    SELECT p.m, p.seed, p.ms, p.a, p.b, pg_temp.seed_id(2, p.ms, p.seed, p.m) AS id, pg_temp.seed_moment(p.ms) AS at,
           pg_temp.seed_id(1, p.customer_ms, p.seed, p.customer) AS customer_id,
           CASE WHEN p.ticket IS NOT NULL THEN pg_temp.seed_id(5, p.ticket_ms, p.seed, p.ticket) END AS ticket_id,
           CASE WHEN p.deal IS NOT NULL THEN pg_temp.seed_id(4, p.deal_ms, p.seed, p.deal) END AS opportunity_id,
           r.reps[p.rep] AS owner_id, r.rep_teams[p.rep] AS team_id,
           (ARRAY['CALL', 'CALL', 'CALL', 'WECHAT', 'WECHAT', 'STORE', 'EMAIL', 'VISIT', 'CHAT',
               'APP'])[1 + p.a % 10] AS channel,
           CASE WHEN p.b % 3 = 0 THEN 'OUTBOUND' ELSE 'INBOUND' END AS direction,
           (ARRAY['询价', '回访', '到店体验', '预约上门', '售后跟进', '方案沟通', '付款确认',
               '促销告知'])[1 + p.b % 8] AS topic,
           r.products[1 + p.b % cardinality(r.products)] AS product,
           (ARRAY['POSITIVE', 'NEUTRAL', 'NEUTRAL', 'NEGATIVE'])[1 + p.a % 4] AS sentiment,
           (ARRAY['已接通', '已回复', '待跟进', '未接通'])[1 + p.b % 4] AS outcome
    FROM placed AS p CROSS JOIN run AS r
),
worded AS MATERIALIZED (
    SELECT plan.*, topic || '：' || product AS subject,
           '客户关注' || product || '，' || topic || '，' || outcome || '。' AS body
    FROM plan
),
rows AS (
    INSERT INTO interactions (
        id, version, created_at, updated_at, owner_id, team_id, customer_id, opportunity_id, ticket_id, channel,
        direction,
        occurred_at, duration_seconds, outcome, sentiment, subject, body, next_follow_up_at
    )
    SELECT id, 1, at, at, owner_id, team_id, customer_id, opportunity_id, ticket_id, channel, direction, at,
           CASE WHEN channel = 'CALL' THEN 20 + (b % 900)::integer END, outcome, sentiment, subject, body,
           CASE WHEN a % 9 = 0 THEN at + INTERVAL '7 days' END
    FROM worded ORDER BY m
)
INSERT INTO events (
    id, n, type, entity_type, entity_id, entity_version, customer_id, occurred_at, actor_id, source, changed, after,
    backfill
)
SELECT pg_temp.seed_id(15, ms, seed, m * 8 + 2), m - CAST(:lo AS bigint), 'interaction.created', 'interaction', id, 1,
       customer_id, at, owner_id, 'seed',
       '["customer_id", "channel", "direction", "occurred_at", "outcome", "sentiment", "subject", "body"]',
       jsonb_build_object(
           'customer_id', customer_id, 'channel', channel, 'direction', direction, 'occurred_at', at, 'outcome',
           outcome,
           'sentiment', sentiment, 'subject', subject, 'body', body
       ), true
FROM worded ORDER BY m
""",
)
