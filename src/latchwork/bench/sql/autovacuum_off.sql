-- Keeps the statistics as stale as a backlog finds them that grew since the last ANALYZE.
ALTER TABLE latchwork.task SET (autovacuum_enabled = false);
ALTER TABLE latchwork.lock_request SET (autovacuum_enabled = false);
