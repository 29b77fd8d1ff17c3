-- What people and tools read. One row a task, wherever it lives; times are what the database's clock said.
CREATE OR REPLACE VIEW latchwork.tasks AS
SELECT id, ticket, name, state, priority, attempt, timeout_s, created_at, unblocked_at, started_at,
       NULL::timestamptz AS finished_at, node, parent, exclusive, shared, payload,
       NULL::json AS result, NULL::json AS error, NULL::text AS output
  FROM latchwork.task
UNION ALL
SELECT id, ticket, name, state, priority, attempt, timeout_s, created_at, unblocked_at, started_at,
       finished_at, node, parent, exclusive, shared, payload, result, error, output
  FROM latchwork.history;

-- Every place in every line, the holders first.
CREATE OR REPLACE VIEW latchwork.locks AS
SELECT q.resource, q.ticket, CASE WHEN q.exclusive THEN 'exclusive' ELSE 'shared' END AS mode, q.granted,
       q.task, t.name, t.state, t.unblocked_at, t.started_at, t.node
  FROM latchwork.lock_request q
  LEFT JOIN latchwork.task t ON t.id = q.task;

-- Living and dead processes with their last heartbeat.
CREATE OR REPLACE VIEW latchwork.apps AS
SELECT a.id, a.kind, a.name, a.host, a.pid, a.slots, a.version, a.tasks, a.started_at,
       h.beat_at, h.state, h.running
  FROM latchwork.app a
  LEFT JOIN latchwork.heartbeat h ON h.app = a.id;

-- The shape that the client library reads: ids as text, times as seconds since the epoch, arrays never null.
CREATE OR REPLACE VIEW latchwork.task_page AS
SELECT t.id, t.name, t.state, t.priority, t.attempt,
       coalesce(t.exclusive, '{}') AS exclusive, coalesce(t.shared, '{}') AS shared, t.ticket,
       extract(epoch FROM t.created_at)::float8 AS created_at, extract(epoch FROM t.unblocked_at)::float8 AS unblocked_at,
       extract(epoch FROM t.started_at)::float8 AS started_at, extract(epoch FROM t.finished_at)::float8 AS finished_at,
       t.node::text AS node, t.parent::text AS parent, t.timeout_s, t.payload::text AS payload, t.result::text AS result,
       t.error::text AS error, t.output
  FROM latchwork.tasks t;
