-- As if the tables had never been analysed: the planner knows nothing about them.
UPDATE pg_class SET reltuples = -1, relpages = 0, relallvisible = 0
 WHERE relnamespace = 'latchwork'::regnamespace AND relkind IN ('r', 'i', 'p');
DELETE FROM pg_statistic s USING pg_class c WHERE c.oid = s.starelid AND c.relnamespace = 'latchwork'::regnamespace
