UPDATE latchwork.bench_loop SET state = 'running', started_at = clock_timestamp()
 WHERE id IN (SELECT id FROM latchwork.bench_loop WHERE state = 'waiting' ORDER BY id LIMIT %(want)s
                 FOR UPDATE SKIP LOCKED)
RETURNING id, name, payload
