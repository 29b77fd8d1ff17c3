-- Nobody waits for these any more.
DELETE FROM latchwork.watch WHERE app = %(app)s::uuid AND task = ANY (%(ids)s::uuid[])
