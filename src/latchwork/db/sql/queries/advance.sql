-- One step of a node.
SELECT claimed::text, refused::text[], canceling::text[], settle_ms, coalesce(more, false), wake::text[]
  FROM latchwork.advance(%(node)s::uuid, %(names)s, %(finished)s::json, %(want)s, %(sleep)s, %(notify)s)
