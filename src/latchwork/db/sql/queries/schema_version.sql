-- The newest migration that this schema has seen.
SELECT max(version) FROM latchwork.migration
