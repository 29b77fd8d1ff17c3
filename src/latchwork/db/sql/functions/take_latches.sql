-- Take the dispatch latch of each resource, in key order, and hold them until the transaction ends.
--
-- Promise: on return no other open transaction has taken a place in a line that could conflict with ours, so the
-- tickets drawn next are in commit order for conflicting tasks. Exclusive requests latch exclusively, shared ones
-- shared: a resource that everybody shares is no hot spot.
-- Lock order: the gate, then latches by key. A call that names more than 1,000 resources takes the gate alone,
-- exclusively, since PostgreSQL's lock table is finite; every other call holds the gate shared.
-- Waits: for open dispatches of conflicting mode. Nothing else ever waits for these latches.
CREATE OR REPLACE FUNCTION latchwork.take_latches(p_resources text[], p_exclusive boolean[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF cardinality(p_resources) > 1000 THEN
        PERFORM pg_advisory_xact_lock(latchwork.latch_key(''));
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock_shared(latchwork.latch_key(''));
    PERFORM CASE WHEN w.exclusive THEN pg_advisory_xact_lock(w.key) ELSE pg_advisory_xact_lock_shared(w.key) END
       FROM (SELECT latchwork.latch_key(r.resource) AS key, bool_or(r.exclusive) AS exclusive
               FROM unnest(p_resources, p_exclusive) AS r (resource, exclusive)
              GROUP BY 1 ORDER BY 1) w;
END $$;
