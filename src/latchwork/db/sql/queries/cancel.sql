SELECT latchwork.cancel(%(id)s::uuid, %(reason)s)
