-- Make the record of a node that starts.
INSERT INTO latchwork.app (id, kind, name, host, pid, slots, version, tasks)
VALUES (%(id)s::uuid, 'node', %(name)s, %(host)s, %(pid)s, %(slots)s, %(version)s, %(tasks)s)
ON CONFLICT (id) DO NOTHING
