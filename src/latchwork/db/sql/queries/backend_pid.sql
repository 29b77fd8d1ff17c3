-- The server's process: behind a pooler it is another than the one the connection was told at its start.
SELECT pg_backend_pid()
