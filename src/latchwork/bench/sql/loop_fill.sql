INSERT INTO latchwork.bench_loop (name, payload)
SELECT 'bench.noop', '{"args":[],"kwargs":{}}' FROM generate_series(1, %(tasks)s)
