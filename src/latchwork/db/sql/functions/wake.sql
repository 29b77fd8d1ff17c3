-- Choose sleeping nodes with about `p_count` free slots in all for newly ready tasks of these names, and hint them if
-- `p_notify`. Returns the chosen.
--
-- Reads the sleepers without locking them: a hint is no truth, two calls may choose the same node, and a woken node
-- that leaves work over wakes the next. Sends nothing when nobody sleeps: NOTIFY takes a database-wide lock at commit.
CREATE OR REPLACE FUNCTION latchwork.wake(p_names text[], p_count integer, p_self uuid, p_notify boolean) RETURNS uuid[]
LANGUAGE plpgsql AS $$
DECLARE
    v_nodes uuid[];
BEGIN
    SELECT array_agg(c.node) INTO v_nodes
      FROM (SELECT s.node, sum(s.slots) OVER (ORDER BY s.lot, s.node) - s.slots AS before
              FROM (SELECT r.node, r.slots, random() AS lot FROM latchwork.sleeper r
                     WHERE r.node IS DISTINCT FROM p_self AND r.tasks && p_names AND r.until_at > clock_timestamp()) s) c
     WHERE c.before < p_count;
    IF p_notify AND v_nodes IS NOT NULL THEN
        PERFORM pg_notify('latchwork_' || n, 'work') FROM unnest(v_nodes) n;
    END IF;
    RETURN v_nodes;
END $$;
