-- Take up to `p_want` ready tasks of the given names for a node, the most urgent first, then by ticket.
--
-- Promise: one owner a claim; the token is random, so a number that repeats after a failover can't match an old one.
-- Each name is a probe of the ready index: tasks the node can't run cost it nothing. The name whose head comes first
-- is served first, up to the head of the next one, so the order holds across names too.
-- Lock order: task rows, skipping those another node takes at this moment.
CREATE OR REPLACE FUNCTION latchwork.claim(p_node uuid, p_names text[], p_want integer)
RETURNS SETOF json
LANGUAGE plpgsql AS $$
DECLARE
    v_names text[] := p_names;
    v_got   integer := 0;
    v_n     integer;
    v_head  record;
BEGIN
    WHILE v_got < p_want LOOP
        SELECT h.name, lead(h.rank) OVER line AS next_rank, lead(h.ticket) OVER line AS next_ticket INTO v_head
          FROM unnest(v_names) AS n (name)
         CROSS JOIN LATERAL (SELECT t.name, -t.priority AS rank, t.ticket FROM latchwork.task t
                              WHERE t.name = n.name AND t.state = 'waiting' AND t.unblocked_at IS NOT NULL
                              ORDER BY t.name, (-t.priority), t.ticket LIMIT 1) h
        WINDOW line AS (ORDER BY h.rank, h.ticket) ORDER BY h.rank, h.ticket LIMIT 1;
        EXIT WHEN NOT FOUND;
        RETURN QUERY
        UPDATE latchwork.task t
           SET state = 'running', node = p_node, token = gen_random_uuid(), attempt = t.attempt + 1,
               started_at = clock_timestamp()
          FROM (SELECT c.id FROM latchwork.task c
                 WHERE c.name = v_head.name AND c.state = 'waiting' AND c.unblocked_at IS NOT NULL
                   AND ((-c.priority), c.ticket) < (coalesce(v_head.next_rank, 32767::smallint),
                                                    coalesce(v_head.next_ticket, 9223372036854775807))
                 ORDER BY c.name, (-c.priority), c.ticket LIMIT p_want - v_got FOR UPDATE SKIP LOCKED) w
         WHERE t.id = ANY (ARRAY[w.id]) AND t.state = 'waiting'  -- ANY: see docs/decisions/0005
        RETURNING latchwork.claimed_json(t);
        GET DIAGNOSTICS v_n = ROW_COUNT;
        v_got := v_got + v_n;
        IF v_n = 0 THEN  -- another node is taking this head; look at the other names
            v_names := array_remove(v_names, v_head.name);
        END IF;
    END LOOP;
END $$;
