-- Store tasks and take their places in line, all or none. `p_tasks` is a JSON array of `new_task` objects; the array's
-- order is the order of the tickets. Returns a row per task stored (in order): its ticket and whether it is ready.
--
-- Promise: for conflicting tasks ticket order is commit order (see take_latches). A task is ready at once iff nothing
-- conflicting stands before it in any line. An id that exists raises unique_violation, unless `p_again` says that this
-- is the repetition of a call whose answer was lost: then ids that exist already, waiting or final, are left alone.
-- `p_hint` = 'look' wakes sleeping nodes for what became ready; 'tell' is for callers who keep the transaction open:
-- it hints without looking who sleeps now, since that may change before the commit; 'none' sends nothing.
-- Lock order: gate, latches by key, then new rows only.
CREATE OR REPLACE FUNCTION latchwork.dispatch(
    p_tasks json, p_again boolean DEFAULT false, p_hint text DEFAULT 'look'
) RETURNS TABLE (id uuid, ticket bigint, ready boolean, created_at timestamptz)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off AS $$
#variable_conflict use_column
DECLARE
    v_tasks     latchwork.new_task[];
    v_resources text[];
    v_exclusive boolean[];
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'dispatch needs READ COMMITTED, this transaction is %', current_setting('transaction_isolation')
            USING ERRCODE = 'LW003', HINT = 'A snapshot taken before the place in line cannot see who holds it.';
    END IF;
    SELECT array_agg(r) INTO v_tasks FROM json_populate_recordset(NULL::latchwork.new_task, p_tasks) r
     WHERE NOT p_again OR NOT latchwork.task_exists(r.id);
    -- The primary key sees only what is not final. An id used twice would make the finish of the second task fail.
    IF NOT p_again AND (CASE WHEN cardinality(v_tasks) = 1  -- a parameter picks its one partition at the plan's start
                             THEN EXISTS (SELECT FROM latchwork.history h WHERE h.id = v_tasks[1].id)
                             ELSE EXISTS (SELECT FROM unnest(v_tasks) t WHERE
                                          (SELECT true FROM latchwork.history h WHERE h.id = t.id LIMIT 1)) END) THEN
        RAISE unique_violation USING MESSAGE = 'a task of this id has been dispatched before and is final',
            HINT = 'Use a new id for a new task.';
    END IF;
    IF cardinality(v_tasks) = 1 THEN
        v_resources := v_tasks[1].exclusive || v_tasks[1].shared;
        v_exclusive := array_fill(true, ARRAY[coalesce(cardinality(v_tasks[1].exclusive), 0)])
                    || array_fill(false, ARRAY[coalesce(cardinality(v_tasks[1].shared), 0)]);
    ELSE
        SELECT array_agg(w.resource), array_agg(w.exclusive) INTO v_resources, v_exclusive
          FROM (SELECT x.resource, bool_or(x.exclusive) AS exclusive
                  FROM unnest(v_tasks) t, LATERAL (SELECT unnest(t.exclusive), true UNION ALL SELECT unnest(t.shared), false)
                       AS x (resource, exclusive)
                 GROUP BY x.resource) w;
    END IF;
    IF v_resources IS NOT NULL THEN
        PERFORM latchwork.take_latches(v_resources, v_exclusive);
    END IF;
    IF p_again THEN
        BEGIN
            RETURN QUERY SELECT p.* FROM latchwork.place(v_tasks) p;
        EXCEPTION WHEN unique_violation THEN
            -- The first call, still open when we looked, has committed: look again. Each turn finds more ids known.
            IF EXISTS (SELECT FROM unnest(v_tasks) t WHERE latchwork.task_exists(t.id)) THEN
                RETURN QUERY SELECT d.* FROM latchwork.dispatch(p_tasks, p_again, p_hint) d;
                RETURN;
            END IF;
            RAISE;
        END;
        RETURN QUERY SELECT k.* FROM latchwork.known_tasks(p_tasks, v_tasks) k;
    ELSIF cardinality(v_tasks) = 1 THEN
        SELECT p.* INTO id, ticket, ready, created_at FROM latchwork.place_one(v_tasks[1]) p;
        RETURN NEXT;
    ELSE
        RETURN QUERY SELECT p.* FROM latchwork.place(v_tasks) p;
    END IF;
    IF p_hint = 'look' AND EXISTS (SELECT FROM latchwork.sleeper) THEN
        PERFORM latchwork.wake(array_agg(t.name), count(*)::integer, NULL, true)
           FROM unnest(v_tasks) v JOIN latchwork.task t ON t.id = v.id WHERE t.unblocked_at IS NOT NULL;
    ELSIF p_hint = 'tell' THEN
        PERFORM pg_notify('latchwork_work', 'work');
    END IF;
END $$;
