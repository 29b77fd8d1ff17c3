UPDATE latchwork.bench_loop SET state = 'completed', finished_at = clock_timestamp() WHERE id = ANY (%(ids)s)
