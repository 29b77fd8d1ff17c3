-- Ask to be told when these tasks end. The finish deletes the row and sends the hint.
INSERT INTO latchwork.watch (task, app, until_at)
SELECT w, %(app)s::uuid, clock_timestamp() + interval '1 day' FROM unnest(%(ids)s::uuid[]) w
ON CONFLICT DO NOTHING
