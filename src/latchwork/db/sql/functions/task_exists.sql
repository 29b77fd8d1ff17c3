-- Whether a task of this id is stored, waiting or final. Reads the hot table first: a task only moves from there to
-- the history, so one that is missed here is found there.
CREATE OR REPLACE FUNCTION latchwork.task_exists(p_id uuid) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    RETURN EXISTS (SELECT FROM latchwork.task t WHERE t.id = p_id)
        OR EXISTS (SELECT FROM latchwork.history h WHERE h.id = p_id);
END $$;
