-- The tables. Read this file first; `latchwork` stands for the configured schema and is replaced when the file is loaded.
--
-- A task lives in `task` until it is final, then in `history`: what claims and grants touch stays small.
-- Its place in each line is one `lock_request` row. A line is all rows of one resource in ticket order.
--   exclusive   granted iff it is the first of its line
--   shared      granted iff no exclusive stands before it
-- Both rules are sticky: rows are only added at the end of a line, so what is granted stays granted.
-- `task.pending` counts the requests not granted yet; at 0 the task holds all its locks and is ready.
--
-- Three facts about a line that the functions use instead of scans:
--   (a) a waiting shared request has an exclusive one before it; so a line with any waiting request has an exclusive one
--   (b) if a shared request is granted, the first waiting request of the line is exclusive
--   (c) a granted exclusive request is the first of its line

CREATE SEQUENCE latchwork.ticket_seq AS bigint;

CREATE TABLE latchwork.task (
    id           uuid PRIMARY KEY,                 -- made by the client, UUIDv7
    ticket       bigint,                           -- place in every line of its resources; null while scheduled
    name         text COLLATE "C" NOT NULL,
    state        text COLLATE "C" NOT NULL DEFAULT 'waiting',
    priority     smallint NOT NULL DEFAULT 0,
    pending      smallint NOT NULL DEFAULT 0,
    attempt      integer NOT NULL DEFAULT 0,
    timeout_s    double precision,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    unblocked_at timestamptz,                      -- when it became ready; never taken back
    started_at   timestamptz,
    node         uuid,                             -- the node that claimed it
    token        uuid,                             -- the proof of this claim: random, new for each
    parent       uuid,
    exclusive    text[] COLLATE "C",               -- null stands for none: most tasks have few locks
    shared       text[] COLLATE "C",
    payload      json NOT NULL,                    -- json and not jsonb: kept to the byte
    -- One constraint, since each is compiled anew by each statement (3 to 4 us); the domains below check what comes in.
    CONSTRAINT task_is_whole CHECK (
        CASE WHEN token IS NULL THEN state IN ('waiting', 'scheduled') ELSE state IN ('running', 'canceling') END
        AND (unblocked_at IS NULL OR pending = 0))
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);

-- The claim reads this index and nothing else.
CREATE INDEX task_ready ON latchwork.task (name, (-priority), ticket)
    WHERE state = 'waiting' AND unblocked_at IS NOT NULL;
CREATE INDEX task_canceling ON latchwork.task (node) WHERE state = 'canceling';

-- No index here starts with the task: on a skewed table the planner would take it for `ORDER BY … LIMIT 1`.
CREATE TABLE latchwork.lock_request (
    resource  text COLLATE "C" NOT NULL,
    ticket    bigint NOT NULL,
    exclusive boolean NOT NULL,
    granted   boolean NOT NULL,
    task      uuid NOT NULL,
    PRIMARY KEY (resource, ticket)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);

-- The second line: a bug that grants twice becomes an error and not an overlap.
CREATE UNIQUE INDEX lock_one_exclusive ON latchwork.lock_request (resource) WHERE granted AND exclusive;
CREATE INDEX lock_waiting ON latchwork.lock_request (resource, ticket) WHERE NOT granted;

-- Lines that were released while a stranger's open dispatch held their latch. That dispatch may have seen the released
-- request and not been granted for it, and the release could not see it; so the line is looked at again until it is quiet.
CREATE TABLE latchwork.unsettled (
    resource text COLLATE "C" PRIMARY KEY,
    tries    integer NOT NULL DEFAULT 0,
    due_at   timestamptz NOT NULL
);
CREATE INDEX unsettled_due ON latchwork.unsettled (due_at);

-- Final tasks. Partitioned by id: a UUIDv7 starts with its creation time, so a look-up by id reads one partition and
-- old days are dropped whole. Ids of other shapes or odd clocks go to the default partition.
CREATE TABLE latchwork.history (
    id           uuid PRIMARY KEY,
    ticket       bigint,
    name         text COLLATE "C" NOT NULL,
    state        text COLLATE "C" NOT NULL CHECK (state IN ('completed', 'failed', 'canceled')),
    priority     smallint NOT NULL,
    attempt      integer NOT NULL,
    timeout_s    double precision,
    created_at   timestamptz NOT NULL,
    unblocked_at timestamptz,
    started_at   timestamptz,
    finished_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    node         uuid,
    parent       uuid,
    exclusive    text[] COLLATE "C",
    shared       text[] COLLATE "C",
    payload      json,
    result       json,
    error        json,
    output       text
) PARTITION BY RANGE (id);
CREATE TABLE latchwork.history_default PARTITION OF latchwork.history DEFAULT;
CREATE INDEX history_unsuccessful ON latchwork.history (state, id) WHERE state <> 'completed';

-- Any process with a heartbeat. Heartbeats are apart and unlogged: they cost no WAL and mean nothing after a crash.
CREATE TABLE latchwork.app (
    id         uuid PRIMARY KEY,
    kind       text COLLATE "C" NOT NULL CHECK (kind IN ('node', 'client')),
    name       text NOT NULL,
    host       text NOT NULL,
    pid        integer NOT NULL,
    slots      integer NOT NULL CHECK (slots >= 0),
    version    text NOT NULL,
    tasks      text[] COLLATE "C" NOT NULL,        -- the task names it can run
    started_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE UNLOGGED TABLE latchwork.heartbeat (
    app     uuid PRIMARY KEY,
    beat_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    state   text COLLATE "C" NOT NULL CHECK (state IN ('sleeping', 'working', 'draining')),
    running integer NOT NULL DEFAULT 0
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.1, autovacuum_vacuum_threshold = 50);

-- Nodes with a free slot that found nothing: whom a hint may wake. A hint that reaches nobody costs a poll interval.
CREATE UNLOGGED TABLE latchwork.sleeper (
    node       uuid PRIMARY KEY,
    slots      integer NOT NULL,
    tasks      text[] COLLATE "C" NOT NULL,
    until_at   timestamptz NOT NULL
);

-- Clients that wait for the end of a task: whom the finish tells.
CREATE UNLOGGED TABLE latchwork.watch (
    task     uuid NOT NULL,
    app      uuid NOT NULL,
    until_at timestamptz NOT NULL,
    PRIMARY KEY (task, app)
);

-- The shape of one task in the JSON array that dispatch() takes. Names the caller leaves out are null.
CREATE DOMAIN latchwork.task_name AS text CHECK (char_length(VALUE) BETWEEN 1 AND 200);
CREATE DOMAIN latchwork.resource_name AS text CHECK (char_length(VALUE) BETWEEN 1 AND 200);
CREATE DOMAIN latchwork.priority AS smallint CHECK (VALUE BETWEEN -1000 AND 1000);
CREATE DOMAIN latchwork.seconds AS double precision CHECK (VALUE > 0 AND VALUE < 'Infinity');
CREATE TYPE latchwork.new_task AS (
    id uuid, name latchwork.task_name, payload json, exclusive latchwork.resource_name[],
    shared latchwork.resource_name[], priority latchwork.priority, timeout_s latchwork.seconds, parent uuid
);
-- The shape of one outcome in the JSON array that advance() takes.
CREATE TYPE latchwork.outcome AS (id uuid, token uuid, state text, result json, error json, output text);
-- Who takes over ready tasks: a node, the names it can run, how many it wants.
CREATE TYPE latchwork.taker AS (node uuid, names text[], want integer);
