-- Statistics change only when the test says so.
ALTER TABLE latchwork.task SET (autovacuum_enabled = off);
ALTER TABLE latchwork.lock_request SET (autovacuum_enabled = off);
ALTER TABLE latchwork.unsettled SET (autovacuum_enabled = off);
ALTER TABLE latchwork.history_default SET (autovacuum_enabled = off)
