-- One migration of a schema at a time, in the whole database.
SELECT pg_advisory_xact_lock(hashtextextended(%(schema)s, 7021003))
