-- Newest first, a page at a time: `before` is the last id of the page before.
SELECT * FROM latchwork.task_page t
 WHERE (%(state)s::text[] IS NULL OR t.state = ANY (%(state)s::text[]))
   AND (%(name)s::text IS NULL OR t.name = %(name)s::text)
   AND (%(resource)s::text IS NULL OR %(resource)s::text = ANY (t.exclusive) OR %(resource)s::text = ANY (t.shared))
   AND (%(before)s::uuid IS NULL OR t.id < %(before)s::uuid)
 ORDER BY t.id DESC LIMIT %(limit)s
