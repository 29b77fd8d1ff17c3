-- How many tasks stand in each state now; waiting ones as blocked or ready. Final ones are counted in the history.
SELECT CASE WHEN t.state <> 'waiting' THEN t.state WHEN t.unblocked_at IS NULL THEN 'blocked' ELSE 'ready' END, count(*)
  FROM latchwork.task t GROUP BY 1
UNION ALL
SELECT h.state, count(*) FROM latchwork.history h GROUP BY 1
