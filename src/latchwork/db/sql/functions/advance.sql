-- One step of a node: retire what it finished, release, grant, claim the next. One round trip, one commit.
--
--   p_finished   JSON array of `outcome` objects, or null
--   p_want       how many ready tasks of `p_names` to claim at most
--   p_sleep      register as a sleeper if nothing was found: the node must look once more before it really sleeps
--   claimed      JSON array of the tasks that this node owns from now on, each an array of the fields of `Claimed`
--   refused      finished ids whose token did not own the task: nothing was changed for them
--   canceling    ids this node runs that somebody asked to cancel
--   settle_ms    call settle() after so many ms; null when no line waits for a stranger
--   more         ready tasks were left that this node could have run
--   wake         sleeping nodes that were chosen for tasks this step made ready and did not take itself
--
-- Promise: cost follows what is finished, granted and claimed, never what waits. Fenced by the tokens.
-- Lock order: finish, then claim (which skips locked rows).
CREATE OR REPLACE FUNCTION latchwork.advance(
    p_node uuid, p_names text[], p_finished json, p_want integer, p_sleep boolean DEFAULT false,
    p_notify boolean DEFAULT true,
    OUT claimed json, OUT refused uuid[], OUT canceling uuid[], OUT settle_ms integer, OUT more boolean, OUT wake uuid[]
) LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    v_ready   text[];
    v_claimed json[];
    v_handed  integer;  -- claimed by the hand-off
    v_got     integer;
BEGIN
    IF p_finished IS NOT NULL THEN
        SELECT f.refused, f.ready, f.claimed INTO refused, v_ready, v_claimed
          FROM latchwork.finish(p_finished, ROW(p_node, p_names, p_want)::latchwork.taker, p_notify) f;
    END IF;
    v_handed := coalesce(cardinality(v_claimed), 0);
    IF p_want > v_handed THEN
        SELECT v_claimed || array_agg(c) INTO v_claimed FROM latchwork.claim(p_node, p_names, p_want - v_handed) c;
    END IF;
    v_got := coalesce(cardinality(v_claimed), 0);
    claimed := array_to_json(v_claimed);
    more := v_got = p_want AND latchwork.has_ready(p_names);
    -- For what this step made ready and did not take; or one node for what was ready before, since the chain of
    -- wake-ups must not end with a node that could not take all.
    IF cardinality(v_ready) > v_got - v_handed THEN
        wake := latchwork.wake(v_ready, cardinality(v_ready) - v_got + v_handed, p_node, p_notify);
    ELSIF more THEN
        wake := latchwork.wake(p_names, 1, p_node, p_notify);
    END IF;
    IF p_sleep AND v_got < p_want THEN
        INSERT INTO latchwork.sleeper AS s (node, slots, tasks, until_at)
        VALUES (p_node, p_want - v_got, p_names, clock_timestamp() + interval '15 s')
        ON CONFLICT (node) DO UPDATE SET slots = EXCLUDED.slots, until_at = EXCLUDED.until_at
         WHERE s.until_at < clock_timestamp() + interval '7 s' OR s.slots <> EXCLUDED.slots;
    ELSIF v_got > 0 AND v_got = p_want THEN
        DELETE FROM latchwork.sleeper s WHERE s.node = p_node;
    END IF;
    SELECT array_agg(t.id) INTO canceling FROM latchwork.task t WHERE t.node = p_node AND t.state = 'canceling';
    settle_ms := latchwork.settle_ms();
END $$;
