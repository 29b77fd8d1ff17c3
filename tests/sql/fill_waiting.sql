-- Add tasks %(first)s to %(last)s, which wait for one resource; number 1 holds it. Straight into the tables, as dispatch
-- would have left them; statistics stay as old as they are.
INSERT INTO latchwork.task (id, ticket, name, pending, exclusive, payload, unblocked_at)
SELECT ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, n, 'work', (n > 1)::integer, '{hot}', '{}',
       CASE WHEN n = 1 THEN clock_timestamp() END
  FROM generate_series(%(first)s::bigint, %(last)s::bigint) n;
INSERT INTO latchwork.lock_request (resource, ticket, exclusive, granted, task)
SELECT 'hot', n, true, n = 1, ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid
  FROM generate_series(%(first)s::bigint, %(last)s::bigint) n;
SELECT setval('latchwork.ticket_seq', 10000000 + %(last)s::bigint)
