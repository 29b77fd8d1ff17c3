-- A node that stops takes its record with it.
WITH beat AS (DELETE FROM latchwork.heartbeat WHERE app = %(id)s::uuid),
     sleeper AS (DELETE FROM latchwork.sleeper WHERE node = %(id)s::uuid)
DELETE FROM latchwork.app WHERE id = %(id)s::uuid
