-- place() for one task, the commonest dispatch: the same rule without windows and joins, 0.08 ms cheaper.
-- The stateful property test drives both against the reference lock table.
-- Lock order: new rows only.
CREATE OR REPLACE FUNCTION latchwork.place_one(p_task latchwork.new_task)
RETURNS TABLE (id uuid, ticket bigint, ready boolean, created_at timestamptz)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_ticket  bigint := nextval('latchwork.ticket_seq');
    v_pending integer := 0;
BEGIN
    IF p_task.exclusive IS NOT NULL OR p_task.shared IS NOT NULL THEN
        WITH placed AS (
            INSERT INTO latchwork.lock_request (resource, ticket, exclusive, granted, task)
            SELECT w.resource, v_ticket, w.exclusive,
                   CASE WHEN w.exclusive
                        THEN (SELECT true FROM latchwork.lock_request q WHERE q.resource = w.resource LIMIT 1) IS NULL
                        ELSE coalesce((SELECT true FROM latchwork.lock_request q
                                        WHERE q.resource = w.resource AND q.granted AND q.exclusive LIMIT 1),
                                      (SELECT true FROM latchwork.lock_request q
                                        WHERE q.resource = w.resource AND NOT q.granted LIMIT 1)) IS NULL END, p_task.id
              FROM (SELECT x.resource, bool_or(x.exclusive) AS exclusive  -- who asks both modes asks exclusive
                      FROM (SELECT unnest(p_task.exclusive) AS resource, true AS exclusive
                            UNION ALL SELECT unnest(p_task.shared), false) x GROUP BY x.resource) w
            RETURNING granted)
        SELECT count(*) FILTER (WHERE NOT p.granted) INTO v_pending FROM placed p;
    END IF;
    RETURN QUERY
    INSERT INTO latchwork.task AS t (id, ticket, name, priority, pending, timeout_s, created_at, unblocked_at, parent,
                                     exclusive, shared, payload)
    VALUES (p_task.id, v_ticket, p_task.name, coalesce(p_task.priority, 0), v_pending, p_task.timeout_s,
            statement_timestamp(), CASE WHEN v_pending = 0 THEN statement_timestamp() END, p_task.parent,
            nullif(p_task.exclusive, '{}'), nullif(p_task.shared, '{}'), p_task.payload)
    RETURNING t.id, t.ticket, t.unblocked_at IS NOT NULL, t.created_at;
END $$;
