-- Which numbered steps this schema has seen.
CREATE SCHEMA IF NOT EXISTS latchwork;
CREATE TABLE IF NOT EXISTS latchwork.migration (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    checksum   text NOT NULL,                      -- SHA-256 of the step's file
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
