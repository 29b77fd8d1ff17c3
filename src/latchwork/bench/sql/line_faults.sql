-- What standing lines must not show: a row a fault, with how often. No row: each request is granted exactly if the rule
-- says so, each task counts its missing grants right, and as many tasks stand there as expected.
WITH line AS (
    SELECT q.task, q.exclusive, q.granted, row_number() OVER place AS nth,
           count(*) FILTER (WHERE q.exclusive) OVER (place ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS shut
      FROM latchwork.lock_request q
    WINDOW place AS (PARTITION BY q.resource ORDER BY q.ticket)
), asked AS (
    SELECT l.task, count(*) AS requests, count(*) FILTER (WHERE NOT l.granted) AS missing FROM line l GROUP BY l.task
), fault (what, found) AS (
    SELECT 'requests are granted, or not, against the rule', count(*) FROM line l
     WHERE l.granted <> CASE WHEN l.exclusive THEN l.nth = 1 ELSE l.shut = 0 END
    UNION ALL
    SELECT 'tasks count their missing grants wrong', count(*) FROM latchwork.task t LEFT JOIN asked a ON a.task = t.id
     WHERE t.pending <> coalesce(a.missing, 0)
        OR coalesce(a.requests, 0) <> coalesce(cardinality(t.exclusive), 0) + coalesce(cardinality(t.shared), 0)
    UNION ALL
    SELECT 'tasks are missing, or too many', abs(count(*) - %(expected)s) FROM latchwork.task
    UNION ALL
    SELECT 'lines are left unsettled', count(*) FROM latchwork.unsettled
)
SELECT f.what, f.found FROM fault f WHERE f.found > 0
