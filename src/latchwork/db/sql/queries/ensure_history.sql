SELECT latchwork.ensure_history()
