-- The smallest UUIDv7 of a UTC day. Pure.
CREATE OR REPLACE FUNCTION latchwork.first_id(p_day date) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (lpad(to_hex((p_day - date '1970-01-01')::bigint * 86400000), 12, '0') || '00000000000000000000')::uuid
$$;
