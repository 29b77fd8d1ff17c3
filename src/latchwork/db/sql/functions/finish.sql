-- Retire tasks whose token still owns them: hot row out, history row in, locks released, waiting clients told.
-- Returns the ids whose token did not own the task (nothing was changed for them) and what grant_lines returns: the
-- names of tasks made ready, and those that `p_taker`, the node that finishes, was given at once.
--
-- Promise: fenced by the token; waits for no dispatcher (see release). A task somebody asked to cancel ends canceled,
-- whatever its code made of it.
-- The join is written with ANY so that only probes of the index can serve it, see docs/decisions/0005.
-- Lock order: own task rows, then as release. Nobody waits for a running task's row while holding a grant latch.
CREATE OR REPLACE FUNCTION latchwork.finish(
    p_outcomes json, p_taker latchwork.taker, p_notify boolean,
    OUT refused uuid[], OUT ready text[], OUT claimed json[]
) LANGUAGE plpgsql AS $$
DECLARE
    v_done      uuid[];
    v_resources text[];
    v_tickets   bigint[];
    v_exclusive boolean[];
BEGIN
    WITH outcome AS MATERIALIZED (
        SELECT o.* FROM json_populate_recordset(NULL::latchwork.outcome, p_outcomes) o
    ), gone AS (
        DELETE FROM latchwork.task t USING outcome o
         WHERE t.id = ANY (ARRAY[o.id]) AND t.token = o.token AND t.state IN ('running', 'canceling')
        RETURNING t.*, CASE WHEN t.state = 'canceling' THEN 'canceled' ELSE o.state END AS final,
                  o.result, o.error, o.output
    ), kept AS (
        INSERT INTO latchwork.history (id, ticket, name, state, priority, attempt, timeout_s, created_at, unblocked_at,
                started_at, finished_at, node, parent, exclusive, shared, payload, result, error, output)
        SELECT g.id, g.ticket, g.name, g.final, g.priority, g.attempt, g.timeout_s, g.created_at, g.unblocked_at,
               g.started_at, clock_timestamp(), g.node, g.parent, g.exclusive, g.shared, g.payload,
               CASE WHEN g.final = 'completed' THEN g.result END, g.error, g.output
          FROM gone g
    ), request AS (
        SELECT unnest(g.exclusive) AS resource, g.ticket, true AS exclusive FROM gone g WHERE g.exclusive IS NOT NULL
        UNION ALL
        SELECT unnest(g.shared), g.ticket, false FROM gone g WHERE g.shared IS NOT NULL
    )
    SELECT (SELECT array_agg(g.id) FROM gone g),
           (SELECT array_agg(o.id) FROM outcome o WHERE o.id NOT IN (SELECT g.id FROM gone g)), r.*
      INTO v_done, refused, v_resources, v_tickets, v_exclusive
      FROM (SELECT array_agg(r.resource), array_agg(r.ticket), array_agg(r.exclusive) FROM request r) r;
    IF v_resources IS NOT NULL THEN
        SELECT r.ready, r.claimed INTO ready, claimed
          FROM latchwork.release(v_resources, v_tickets, v_exclusive, p_taker) r;
    END IF;
    PERFORM latchwork.tell_watchers(v_done, p_notify);
END $$;
