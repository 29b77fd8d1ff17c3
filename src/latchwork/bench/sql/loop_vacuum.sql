VACUUM (ANALYZE) latchwork.bench_loop
