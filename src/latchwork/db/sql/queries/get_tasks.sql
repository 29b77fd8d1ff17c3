-- Tasks by id, wherever they live. One statement, so a move to the history in between is not missed.
SELECT t.* FROM unnest(%(ids)s::uuid[]) AS w (id) JOIN latchwork.task_page t ON t.id = w.id
