-- One task, wherever it lives. One statement, so a move to the history in between is not missed.
SELECT * FROM latchwork.task_page WHERE id = %(id)s::uuid
