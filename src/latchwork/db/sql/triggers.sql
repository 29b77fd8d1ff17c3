-- The transition table, enforced for every writer. The WHEN clauses are inlined; the body runs for illegal writes only.
CREATE OR REPLACE TRIGGER legal_transition BEFORE UPDATE OF state ON latchwork.task
    FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state AND NOT latchwork.transition_is_legal(OLD.state, NEW.state))
    EXECUTE FUNCTION latchwork.refuse_transition();
CREATE OR REPLACE TRIGGER final_is_final BEFORE UPDATE OF state ON latchwork.history
    FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
    EXECUTE FUNCTION latchwork.refuse_transition();
