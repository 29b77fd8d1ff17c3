-- Run once by the keeper in single-user mode, right after initdb: the database that Embedded.dsn names.
CREATE DATABASE latchwork;
