-- The tasks of a repeated dispatch that were stored before. An id that stands for a task of another name is refused.
CREATE OR REPLACE FUNCTION latchwork.known_tasks(p_tasks json, p_new latchwork.new_task[])
RETURNS TABLE (id uuid, ticket bigint, ready boolean, created_at timestamptz)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_task record;
BEGIN
    FOR v_task IN
        SELECT t.id, t.ticket, t.unblocked_at IS NOT NULL AS ready, t.created_at, t.name AS stored, r.name AS asked
          FROM json_populate_recordset(NULL::latchwork.new_task, p_tasks) r
         CROSS JOIN LATERAL (SELECT k.* FROM latchwork.tasks k WHERE k.id = r.id OFFSET 0) t
         WHERE NOT EXISTS (SELECT FROM unnest(p_new) n WHERE n.id = r.id)
    LOOP
        IF v_task.stored <> v_task.asked THEN
            RAISE EXCEPTION 'id % is a task named %, not %', v_task.id, v_task.stored, v_task.asked
                USING ERRCODE = 'LW004', HINT = 'Use a new id for a new task.';
        END IF;
        id := v_task.id; ticket := v_task.ticket; ready := v_task.ready; created_at := v_task.created_at;
        RETURN NEXT;
    END LOOP;
END $$;
