-- settle(), and hints for what it made ready. Returns when the next unsettled line is due, in milliseconds, or null.
CREATE OR REPLACE FUNCTION latchwork.settle_and_wake(p_node uuid, p_notify boolean) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    v_ready text[] := latchwork.settle();
BEGIN
    IF v_ready IS NOT NULL THEN
        PERFORM latchwork.wake(v_ready, cardinality(v_ready), NULL, p_notify);
    END IF;
    RETURN latchwork.settle_ms();
END $$;
