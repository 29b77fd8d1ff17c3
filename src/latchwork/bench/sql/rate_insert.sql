INSERT INTO latchwork.bench_rate (note) VALUES (%(note)s)
