VACUUM (ANALYZE) latchwork.task, latchwork.lock_request
