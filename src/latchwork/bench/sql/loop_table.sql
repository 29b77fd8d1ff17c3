-- The table of the hand-written fetch-and-complete loop: as narrow as one would write it, and no locks.
DROP TABLE IF EXISTS latchwork.bench_loop;
CREATE TABLE latchwork.bench_loop (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    state       text NOT NULL DEFAULT 'waiting',
    name        text NOT NULL,
    payload     json NOT NULL,
    started_at  timestamptz,
    finished_at timestamptz
);
CREATE INDEX ON latchwork.bench_loop (id) WHERE state = 'waiting';
