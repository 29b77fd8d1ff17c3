-- Choose sleeping nodes for newly ready tasks, at most one a task, and hint them if `p_notify`. Returns the chosen.
-- Reads the sleepers without locking them: a hint is no truth, two calls may choose the same node, and a woken node
-- that leaves work over wakes the next. Sends nothing when nobody sleeps: NOTIFY takes a database-wide lock at commit.
CREATE OR REPLACE FUNCTION latchwork.wake(p_names text[], p_self uuid, p_notify boolean) RETURNS uuid[]
LANGUAGE plpgsql AS $$
DECLARE
    v_nodes uuid[];
BEGIN
    SELECT array_agg(c.node) INTO v_nodes
      FROM (SELECT s.node FROM latchwork.sleeper s
             WHERE s.node IS DISTINCT FROM p_self AND s.tasks && p_names AND s.until_at > clock_timestamp()
             ORDER BY random() LIMIT cardinality(p_names)) c;
    IF p_notify AND v_nodes IS NOT NULL THEN
        PERFORM pg_notify('latchwork_' || n, 'work') FROM unnest(v_nodes) n;
    END IF;
    RETURN v_nodes;
END $$;
