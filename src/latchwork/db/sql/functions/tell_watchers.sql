-- Tell the clients that wait for these tasks that they are final. Costs one empty look when nobody waits.
CREATE OR REPLACE FUNCTION latchwork.tell_watchers(p_tasks uuid[], p_notify boolean) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_watch latchwork.watch;
BEGIN
    IF p_tasks IS NULL OR NOT EXISTS (SELECT FROM latchwork.watch) THEN
        RETURN;
    END IF;
    FOR v_watch IN DELETE FROM latchwork.watch w USING unnest(p_tasks) AS d (task) WHERE w.task = ANY (ARRAY[d.task]) RETURNING w.* LOOP
        IF p_notify THEN
            PERFORM pg_notify('latchwork_' || v_watch.app, v_watch.task::text);
        END IF;
    END LOOP;
END $$;
