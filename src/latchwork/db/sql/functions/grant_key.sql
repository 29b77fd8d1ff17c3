-- The advisory key of a resource's grant latch: held only inside our own calls, while a line is changed. Pure.
CREATE OR REPLACE FUNCTION latchwork.grant_key(resource text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT pg_catalog.hashtextextended(resource, 7021002) $$;
