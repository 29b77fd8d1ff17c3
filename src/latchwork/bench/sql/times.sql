-- Final tasks by ticket, after a given one. Times in seconds since the epoch.
SELECT h.id::text, h.ticket, extract(epoch FROM h.started_at)::float8, extract(epoch FROM h.finished_at)::float8,
       h.result::text
  FROM latchwork.history h WHERE h.ticket > %(after)s ORDER BY h.ticket
