-- Draw tickets, write the task rows and their lock requests, and grant what can be granted. The one function that
-- issues tickets; its caller holds the dispatch latches of all resources in `p_tasks` and runs at READ COMMITTED.
-- Each statement's snapshot is newer than the latches, so nobody is in line unseen.
-- Lock order: new rows only.
CREATE OR REPLACE FUNCTION latchwork.place(p_tasks latchwork.new_task[])
RETURNS TABLE (id uuid, ticket bigint, ready boolean, created_at timestamptz)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
RETURN QUERY
WITH input AS MATERIALIZED (
    SELECT nextval('latchwork.ticket_seq') AS ticket, t.* FROM unnest(p_tasks) AS t
), wish AS MATERIALIZED (
    -- one row a task and resource: who asks both modes asks exclusive
    SELECT w.resource, w.ticket, w.id, bool_or(w.exclusive) AS exclusive
      FROM (SELECT i.ticket, i.id, unnest(i.exclusive) AS resource, true AS exclusive FROM input i
            UNION ALL
            SELECT i.ticket, i.id, unnest(i.shared), false FROM input i) w
     GROUP BY w.resource, w.ticket, w.id
), line AS MATERIALIZED (
    -- scalar subqueries: the planner can only probe an index for them, whatever the statistics say
    SELECT d.resource,
           (SELECT true FROM latchwork.lock_request q WHERE q.resource = d.resource LIMIT 1) AS taken,
           coalesce((SELECT true FROM latchwork.lock_request q
                      WHERE q.resource = d.resource AND q.granted AND q.exclusive LIMIT 1),
                    (SELECT true FROM latchwork.lock_request q
                      WHERE q.resource = d.resource AND NOT q.granted LIMIT 1)) AS shut
      FROM (SELECT DISTINCT resource FROM wish) d
), placed AS MATERIALIZED (
    SELECT w.resource, w.ticket, w.id, w.exclusive,
           CASE WHEN w.exclusive THEN l.taken IS NULL AND row_number() OVER before = 1
                ELSE l.shut IS NULL AND NOT bool_or(w.exclusive) OVER before END AS granted
      FROM wish w JOIN line l ON l.resource = w.resource
    WINDOW before AS (PARTITION BY w.resource ORDER BY w.ticket)
), requests AS (
    INSERT INTO latchwork.lock_request (resource, ticket, exclusive, granted, task)
    SELECT p.resource, p.ticket, p.exclusive, p.granted, p.id FROM placed p
), blocked AS MATERIALIZED (
    SELECT p.ticket, count(*) AS pending FROM placed p WHERE NOT p.granted GROUP BY p.ticket
)
INSERT INTO latchwork.task AS t (id, ticket, name, priority, pending, timeout_s, created_at, unblocked_at, parent,
                                 exclusive, shared, payload)
SELECT i.id, i.ticket, i.name, coalesce(i.priority, 0), coalesce(b.pending, 0), i.timeout_s, statement_timestamp(),
       CASE WHEN b.pending IS NULL THEN statement_timestamp() END, i.parent, nullif(i.exclusive, '{}'), nullif(i.shared, '{}'),
       i.payload
  FROM input i LEFT JOIN blocked b ON b.ticket = i.ticket
 ORDER BY i.ticket
RETURNING t.id, t.ticket, t.unblocked_at IS NOT NULL, t.created_at;
END $$;
