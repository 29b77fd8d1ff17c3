-- Give back requests and grant their lines. Returns what grant_lines returns.
--
-- Promise: it never waits for a dispatcher. Per line it tries the dispatch latch (exclusively when an exclusive request
-- goes, shared when a shared one goes): got, no unseen dispatch is in flight and the line is settled for good. Not got,
-- somebody's open dispatch may have seen the request that goes now and been blocked by it, unseen by us; what is
-- visible is granted all the same, and the line goes to `unsettled`, to be looked at again until it is quiet.
-- A shared request that goes needs a grant only where an exclusive one waits; else the grant latch is not taken, so
-- that the readers of a resource everybody shares do not queue up here.
-- Lock order: gate and dispatch latches by try, grant latches by key (these wait, but are held only inside our own
-- calls), then rows.
CREATE OR REPLACE FUNCTION latchwork.release(
    p_resources text[], p_tickets bigint[], p_exclusive boolean[], p_taker latchwork.taker DEFAULT NULL,
    OUT ready text[], OUT claimed json[]
) LANGUAGE plpgsql AS $$
DECLARE
    v_gate  boolean := pg_try_advisory_xact_lock_shared(latchwork.latch_key(''));
    v_lines text[];
    v_loose text[];
BEGIN
    WITH line AS MATERIALIZED (
        SELECT r.resource, bool_or(r.exclusive) AS exclusive
          FROM unnest(p_resources, p_exclusive) AS r (resource, exclusive) GROUP BY r.resource
    ), tried AS MATERIALIZED (
        SELECT l.resource, l.exclusive,
               v_gate AND CASE WHEN l.exclusive THEN pg_try_advisory_xact_lock(latchwork.latch_key(l.resource))
                               ELSE pg_try_advisory_xact_lock_shared(latchwork.latch_key(l.resource)) END AS latched
          FROM line l
    )
    SELECT array_agg(t.resource) FILTER (WHERE t.exclusive OR NOT t.latched),
           array_agg(t.resource) FILTER (WHERE NOT t.latched)
      INTO v_lines, v_loose FROM tried t;
    -- A new snapshot: under the shared latch no exclusive request can appear unseen any more.
    SELECT array_agg(l.resource ORDER BY latchwork.grant_key(l.resource)) INTO v_lines
      FROM (SELECT unnest(v_lines) AS resource
            UNION
            SELECT r.resource FROM unnest(p_resources, p_exclusive) AS r (resource, exclusive)
             WHERE NOT r.exclusive AND (SELECT true FROM latchwork.lock_request q
                                         WHERE q.resource = r.resource AND NOT q.granted LIMIT 1)) l;
    IF v_lines IS NOT NULL THEN
        PERFORM pg_advisory_xact_lock(latchwork.grant_key(l.resource))
           FROM unnest(v_lines) WITH ORDINALITY AS l (resource, n);
    END IF;
    DELETE FROM latchwork.lock_request q
     USING unnest(p_resources, p_tickets) AS r (resource, ticket)
     WHERE q.resource = ANY (ARRAY[r.resource]) AND q.ticket = r.ticket;  -- ANY: see docs/decisions/0005
    IF v_lines IS NOT NULL THEN
        SELECT g.ready, g.claimed INTO ready, claimed FROM latchwork.grant_lines(v_lines, p_taker) g;
    END IF;
    IF v_loose IS NOT NULL THEN
        INSERT INTO latchwork.unsettled (resource, due_at)
        SELECT l, clock_timestamp() + interval '2 ms' FROM unnest(v_loose) l
        ON CONFLICT (resource) DO UPDATE SET tries = 0, due_at = EXCLUDED.due_at;
    END IF;
END $$;
