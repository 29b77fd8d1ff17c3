-- A claimed task as the node gets it: the fields of core/task.py, Claimed, in order. Pure.
CREATE OR REPLACE FUNCTION latchwork.claimed_json(p_task latchwork.task) RETURNS json
LANGUAGE sql STABLE AS $$
    SELECT json_build_array(p_task.id, p_task.name, p_task.token, p_task.attempt, p_task.ticket, p_task.payload::text,
                            p_task.timeout_s)
$$;
