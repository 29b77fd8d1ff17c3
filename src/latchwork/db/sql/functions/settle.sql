-- Look again at lines that were released while a stranger held their latch. Returns the names of tasks made ready.
--
-- Each look grants what is visible by now. The entry goes when the dispatch latch could be had exclusively, which
-- proves that no dispatch is in flight; until then it comes back after 2 ms, 4 ms, … 1 s. Any node may do this.
-- Lock order: as release; a transaction of its own, since grant latches are taken once a transaction, in key order.
CREATE OR REPLACE FUNCTION latchwork.settle(p_limit integer DEFAULT 100) RETURNS text[]
LANGUAGE plpgsql AS $$
DECLARE
    v_gate  boolean := pg_try_advisory_xact_lock_shared(latchwork.latch_key(''));
    v_lines text[];
    v_quiet text[];
BEGIN
    SELECT array_agg(u.resource ORDER BY latchwork.grant_key(u.resource)) INTO v_lines
      FROM (SELECT resource FROM latchwork.unsettled WHERE due_at <= clock_timestamp()
             ORDER BY due_at LIMIT p_limit) u;
    IF v_lines IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT array_agg(l) FILTER (WHERE v_gate AND pg_try_advisory_xact_lock(latchwork.latch_key(l))) INTO v_quiet
      FROM unnest(v_lines) l;
    PERFORM pg_advisory_xact_lock(latchwork.grant_key(l.resource)) FROM unnest(v_lines) WITH ORDINALITY AS l (resource, n);
    DELETE FROM latchwork.unsettled u WHERE u.resource = ANY (v_quiet);
    UPDATE latchwork.unsettled u
       SET tries = u.tries + 1, due_at = clock_timestamp() + least(2 ^ least(u.tries + 1, 10), 1000) * interval '1 ms'
     WHERE u.resource = ANY (v_lines);
    RETURN (SELECT g.ready FROM latchwork.grant_lines(v_lines) g);
END $$;
