-- Make the history's partitions from today to `p_days_ahead` days ahead, one a day. Returns how many it made.
--
-- A partition holds the ids made on one UTC day (the first 48 bits of a UUIDv7 are its milliseconds). Runs as a chore
-- and in each migration; two at once are kept apart by the advisory lock, whose loser finds nothing left to do.
CREATE OR REPLACE FUNCTION latchwork.ensure_history(p_days_ahead integer DEFAULT 7) RETURNS integer
LANGUAGE plpgsql SET lock_timeout = '2s' AS $$
DECLARE
    v_made integer := 0;
    v_day  date;
    v_name text;
BEGIN
    PERFORM pg_advisory_xact_lock(latchwork.grant_key('latchwork history'));
    FOR v_day IN SELECT d::date FROM generate_series(0, p_days_ahead) n, LATERAL (SELECT (now() AT TIME ZONE 'UTC')::date + n) x (d) LOOP
        v_name := 'history_' || to_char(v_day, 'YYYYMMDD');
        CONTINUE WHEN to_regclass(format('latchwork.%I', v_name)) IS NOT NULL;
        BEGIN
            EXECUTE format('CREATE TABLE latchwork.%I PARTITION OF latchwork.history FOR VALUES FROM (%L) TO (%L)',
                           v_name, latchwork.first_id(v_day), latchwork.first_id(v_day + 1));
            v_made := v_made + 1;
        EXCEPTION WHEN check_violation OR lock_not_available THEN
            -- Ids of that day are in the default partition already, or a reader holds the history: that is no reason
            -- to fail whoever called. The day's ids go to the default partition; the next call tries again.
            CONTINUE;
        END;
    END LOOP;
    RETURN v_made;
END $$;
