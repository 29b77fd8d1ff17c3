-- The heartbeat: one write a node, whatever its slots.
INSERT INTO latchwork.heartbeat AS h (app, beat_at, state, running)
VALUES (%(id)s::uuid, clock_timestamp(), %(state)s, %(running)s)
ON CONFLICT (app) DO UPDATE SET beat_at = EXCLUDED.beat_at, state = EXCLUDED.state, running = EXCLUDED.running
