-- Makes a fresh schema. Run it in one transaction: psql -1 -v ON_ERROR_STOP=1 -f FILE
SET LOCAL check_function_bodies = off;
