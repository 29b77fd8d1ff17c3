-- What a finished run must not show: a row a fault, with how often. No row: every task was stored, ran and completed
-- exactly once, none started before each conflicting one with an earlier ticket had finished (so none overlapped), and
-- nothing is left over.
WITH request AS (
    SELECT r.resource, r.exclusive, h.ticket, h.started_at, h.finished_at
      FROM latchwork.history h
     CROSS JOIN LATERAL (SELECT unnest(h.exclusive) AS resource, true AS exclusive
                         UNION ALL SELECT unnest(h.shared), false) r
), seen AS (
    SELECT q.exclusive, q.started_at, max(q.finished_at) OVER before AS any_end,
           max(q.finished_at) FILTER (WHERE q.exclusive) OVER before AS exclusive_end
      FROM request q
    WINDOW before AS (PARTITION BY q.resource ORDER BY q.ticket ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
), fault (what, found) AS (
    SELECT 'tasks are not final', count(*) FROM latchwork.task
    UNION ALL
    SELECT 'lock requests are left over', count(*) FROM latchwork.lock_request
    UNION ALL
    SELECT 'lines are left unsettled', count(*) FROM latchwork.unsettled
    UNION ALL
    SELECT 'tasks are missing from the history, or too many in it', abs(count(*) - %(expected)s) FROM latchwork.history
    UNION ALL
    SELECT 'tasks did not complete', count(*) FROM latchwork.history h WHERE h.state <> 'completed'
    UNION ALL
    SELECT 'tasks did not run exactly once', count(*) FROM latchwork.history h
     WHERE h.attempt <> 1 OR h.started_at IS NULL
    UNION ALL
    SELECT 'tasks started before a conflicting earlier one had finished', count(*) FROM seen s
     WHERE s.started_at < CASE WHEN s.exclusive THEN s.any_end ELSE s.exclusive_end END
)
SELECT f.what, f.found FROM fault f WHERE f.found > 0
