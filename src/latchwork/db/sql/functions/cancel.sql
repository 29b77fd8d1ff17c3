-- Cancel a task. Returns its state afterwards: canceled (it was waiting: final at once, followers granted), canceling
-- (it runs: its node is told), or the final state it had already; null when there is no such task; 'busy' when another
-- call holds the row at this moment: call again.
--
-- Lock order: as release, and the task's row by skip only, since a finish may hold it while it waits for our latches.
CREATE OR REPLACE FUNCTION latchwork.cancel(p_task uuid, p_reason text DEFAULT NULL, p_notify boolean DEFAULT true)
RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    v_task  latchwork.task;
    v_node  uuid;
    v_ready text[];
BEGIN
    SELECT t.* INTO v_task FROM latchwork.task t WHERE t.id = p_task;
    IF NOT FOUND THEN
        RETURN (SELECT h.state FROM latchwork.history h WHERE h.id = p_task);
    END IF;
    IF v_task.state IN ('running', 'canceling') THEN
        UPDATE latchwork.task t SET state = 'canceling'
         WHERE t.id = p_task AND t.state = 'running' AND t.token = v_task.token RETURNING t.node INTO v_node;
        IF v_node IS NOT NULL AND p_notify THEN
            PERFORM pg_notify('latchwork_' || v_node, 'cancel');
        END IF;
        RETURN (SELECT coalesce((SELECT t.state FROM latchwork.task t WHERE t.id = p_task),
                                (SELECT h.state FROM latchwork.history h WHERE h.id = p_task)));
    END IF;
    PERFORM pg_advisory_xact_lock(l.key)
       FROM (SELECT DISTINCT latchwork.grant_key(r) AS key FROM unnest(v_task.exclusive || v_task.shared) r ORDER BY 1) l;
    PERFORM FROM latchwork.task t WHERE t.id = p_task AND t.state = v_task.state
        AND t.ticket IS NOT DISTINCT FROM v_task.ticket FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN 'busy';
    END IF;
    WITH gone AS (DELETE FROM latchwork.task t WHERE t.id = p_task RETURNING t.*)
    INSERT INTO latchwork.history (id, ticket, name, state, priority, attempt, timeout_s, created_at, unblocked_at,
            started_at, finished_at, node, parent, exclusive, shared, payload, error)
    SELECT g.id, g.ticket, g.name, 'canceled', g.priority, g.attempt, g.timeout_s, g.created_at, g.unblocked_at,
           g.started_at, clock_timestamp(), g.node, g.parent, g.exclusive, g.shared, g.payload,
           json_build_object('type', 'Canceled', 'message', coalesce(p_reason, 'Canceled while it waited.'))
      FROM gone g;
    IF v_task.exclusive IS NOT NULL OR v_task.shared IS NOT NULL THEN
        SELECT g.ready INTO v_ready
          FROM (SELECT array_agg(r.resource) AS resources, array_agg(v_task.ticket) AS tickets,
                       array_agg(r.exclusive) AS exclusive
                  FROM (SELECT unnest(v_task.exclusive) AS resource, true AS exclusive
                        UNION ALL SELECT unnest(v_task.shared), false) r) l,
               LATERAL latchwork.release(l.resources, l.tickets, l.exclusive) g
         WHERE v_task.ticket IS NOT NULL;
    END IF;
    IF v_ready IS NOT NULL THEN
        PERFORM latchwork.wake(v_ready, cardinality(v_ready), NULL, p_notify);
    END IF;
    PERFORM latchwork.tell_watchers(ARRAY[p_task], p_notify);
    RETURN 'canceled';
END $$;
