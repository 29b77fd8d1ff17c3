-- What the single-row commit rate is measured on.
CREATE TABLE latchwork.bench_rate (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text NOT NULL)
