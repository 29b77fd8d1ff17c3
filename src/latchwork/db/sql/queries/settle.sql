-- Look again at unsettled lines; answers when the next one is due, in milliseconds.
SELECT latchwork.settle_and_wake(%(node)s::uuid, %(notify)s)
