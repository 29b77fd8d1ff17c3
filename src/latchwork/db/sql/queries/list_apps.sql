-- Processes with a record; the age of the heartbeat is judged by the database's clock alone.
SELECT a.id::text, a.kind, a.name, a.host, a.pid, a.slots, a.version, a.tasks, a.state, a.running,
       extract(epoch FROM a.started_at)::float8, extract(epoch FROM clock_timestamp() - a.beat_at)::float8
  FROM latchwork.apps a ORDER BY a.started_at, a.id
