-- The advisory key of a resource's dispatch latch: held by a dispatch until its transaction ends. Pure.
CREATE OR REPLACE FUNCTION latchwork.latch_key(resource text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT pg_catalog.hashtextextended(resource, 7021001) $$;
