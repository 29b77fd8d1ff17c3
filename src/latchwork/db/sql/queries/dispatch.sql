-- Store tasks; a row a task, in order.
SELECT id::text, ticket, ready, extract(epoch FROM created_at)::float8
  FROM latchwork.dispatch(%(tasks)s::json, %(again)s, %(hint)s)
