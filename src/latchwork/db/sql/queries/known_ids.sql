-- Which of these tasks exist at all.
SELECT t.id::text FROM unnest(%(ids)s::uuid[]) AS w (id) JOIN latchwork.task t ON t.id = w.id
UNION ALL
SELECT h.id::text FROM unnest(%(ids)s::uuid[]) AS w (id) JOIN latchwork.history h ON h.id = w.id
