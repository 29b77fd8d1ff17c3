-- Whether a ready task of one of these names stands in the claim index.
CREATE OR REPLACE FUNCTION latchwork.has_ready(p_names text[]) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    RETURN EXISTS (SELECT FROM unnest(p_names) AS n (name)
                    CROSS JOIN LATERAL (SELECT FROM latchwork.task t
                                         WHERE t.name = n.name AND t.state = 'waiting' AND t.unblocked_at IS NOT NULL
                                         ORDER BY t.name, (-t.priority), t.ticket LIMIT 1) r);
END $$;
