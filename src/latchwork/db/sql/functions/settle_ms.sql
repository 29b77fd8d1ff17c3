-- Milliseconds until the next unsettled line is due, 0 when it is overdue, null when there is none.
CREATE OR REPLACE FUNCTION latchwork.settle_ms() RETURNS integer
LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT greatest(0, ceil(extract(epoch FROM u.due_at - clock_timestamp()) * 1000))::integer
              FROM latchwork.unsettled u ORDER BY u.due_at LIMIT 1);
END $$;
