-- The server's settings that matter for the figures.
SELECT name, current_setting(name) FROM pg_settings
 WHERE name IN ('autovacuum', 'checkpoint_timeout', 'fsync', 'full_page_writes', 'jit', 'max_connections',
                'max_locks_per_transaction', 'max_wal_size', 'shared_buffers', 'synchronous_commit', 'wal_level',
                'wal_sync_method', 'work_mem')
 ORDER BY name
