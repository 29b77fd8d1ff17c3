-- Which of these tasks are final. Both tables are looked at in one statement, so none is missed on its way.
SELECT h.id::text FROM unnest(%(ids)s::uuid[]) AS w (id) JOIN latchwork.history h ON h.id = w.id
