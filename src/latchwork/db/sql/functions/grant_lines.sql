-- Grant what can be granted in each of the lines, and make tasks ready whose last lock came. Returns the
-- names of those that are ready now, and as JSON arrays (see claim) those that `p_taker` was given at once.
--
-- Promise: after it, in every line given, the first request is granted, and with a shared one first also all shared
-- ones before the first exclusive. Costs O(log n) a line plus what it grants: see facts (a) to (c) in tables.sql.
-- The caller holds the grant latch of each line, so of several releases one sees that it is the last.
-- The joins are written with ANY and OFFSET 0 so that only probes of an index can serve them: docs/decisions/0005.
-- Lock order: grant latches (caller's), then request and task rows. Only granters under the same latches touch these.
CREATE OR REPLACE FUNCTION latchwork.grant_lines(
    p_resources text[], p_taker latchwork.taker DEFAULT NULL, OUT ready text[], OUT claimed json[]
) LANGUAGE plpgsql AS $$
DECLARE
    -- The hand-off: what becomes ready here is claimed in the same write, if the taker wants all of it and nothing
    -- more urgent stands ready. It saves one version of each row; else claim() picks by urgency.
    v_want  integer := CASE WHEN p_taker.want > 0 AND NOT latchwork.has_ready(p_taker.names) THEN p_taker.want ELSE 0 END;
    v_names text[] := p_taker.names;
BEGIN
    WITH line AS MATERIALIZED (
        SELECT r.resource, h.ticket, h.exclusive, h.granted
          FROM unnest(p_resources) AS r (resource)
         CROSS JOIN LATERAL (SELECT q.ticket, q.exclusive, q.granted FROM latchwork.lock_request q
                              WHERE q.resource = r.resource ORDER BY q.resource, q.ticket LIMIT 1) h
    ), due AS MATERIALIZED (
        SELECT l.resource, l.ticket FROM line l WHERE l.exclusive AND NOT l.granted
        UNION ALL
        SELECT l.resource, s.ticket FROM line l
         CROSS JOIN LATERAL (SELECT q.ticket FROM latchwork.lock_request q
                              WHERE q.resource = l.resource AND NOT q.granted AND NOT q.exclusive
                                AND q.ticket < coalesce((SELECT e.ticket FROM latchwork.lock_request e
                                                          WHERE e.resource = l.resource AND NOT e.granted AND e.exclusive
                                                          ORDER BY e.resource, e.ticket LIMIT 1), 9223372036854775807)
                              OFFSET 0) s
         WHERE NOT l.exclusive
    ), hit AS (
        UPDATE latchwork.lock_request q SET granted = true FROM due d
         WHERE q.resource = ANY (ARRAY[d.resource]) AND q.ticket = d.ticket
        RETURNING q.task
    ), task AS MATERIALIZED (
        -- in one order for all granters: two of them may hold different lines of the same task
        SELECT h.task, count(*) AS n, count(*) OVER () <= v_want AS fits FROM hit h GROUP BY h.task ORDER BY h.task
    ), freed AS (
        UPDATE latchwork.task t
           SET pending = t.pending - h.n,
               unblocked_at = CASE WHEN t.pending = h.n THEN clock_timestamp() END,
               state = CASE WHEN h.fits AND t.pending = h.n AND t.name = ANY (v_names) THEN 'running' ELSE t.state END,
               node = CASE WHEN h.fits AND t.pending = h.n AND t.name = ANY (v_names) THEN p_taker.node END,
               token = CASE WHEN h.fits AND t.pending = h.n AND t.name = ANY (v_names) THEN gen_random_uuid() END,
               attempt = t.attempt + CASE WHEN h.fits AND t.pending = h.n AND t.name = ANY (v_names) THEN 1 ELSE 0 END,
               started_at = CASE WHEN h.fits AND t.pending = h.n AND t.name = ANY (v_names) THEN clock_timestamp() END
          FROM task h
         WHERE t.id = ANY (ARRAY[h.task]) AND t.state = 'waiting'
        RETURNING t.name, t.pending, t.state, t.priority, t.ticket, latchwork.claimed_json(t) AS claimed
    )
    SELECT array_agg(f.name) FILTER (WHERE f.pending = 0 AND f.state = 'waiting'),
           array_agg(f.claimed ORDER BY -f.priority, f.ticket) FILTER (WHERE f.state = 'running')
      INTO ready, claimed FROM freed f;
END $$;
