-- The lines, the longest first is not asked for: by resource, then place in line.
SELECT l.resource, l.ticket, l.mode, l.granted, l.task::text, l.name, l.state, l.node::text,
       extract(epoch FROM l.unblocked_at)::float8, extract(epoch FROM l.started_at)::float8
  FROM latchwork.locks l
 WHERE %(resource)s::text IS NULL OR l.resource = %(resource)s::text
 ORDER BY l.resource, l.ticket LIMIT %(limit)s
