SELECT version, checksum FROM latchwork.migration ORDER BY version
