-- Trigger body: reached only when a write would break the transition table. The triggers stand in triggers.sql.
CREATE OR REPLACE FUNCTION latchwork.refuse_transition() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'task % may not go from % to %', OLD.id, OLD.state, NEW.state
        USING ERRCODE = 'LW008', HINT = 'The transition table stands in core/states.py.';
END $$;
