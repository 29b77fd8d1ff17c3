-- The transition table of core/states.py, the same in SQL; a test compares them. Pure.
CREATE OR REPLACE FUNCTION latchwork.transition_is_legal(old_state text, new_state text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE old_state
        WHEN 'scheduled' THEN new_state IN ('waiting', 'canceled')
        WHEN 'waiting'   THEN new_state IN ('running', 'canceled', 'failed')
        WHEN 'running'   THEN new_state IN ('completed', 'failed', 'canceled', 'canceling', 'waiting', 'scheduled')
        WHEN 'canceling' THEN new_state IN ('canceled', 'failed')
        ELSE false
    END
$$;
