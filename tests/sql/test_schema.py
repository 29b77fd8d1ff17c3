"""The schema: made in three ways it is the same, and it refuses what must not be."""

from __future__ import annotations

import itertools
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import psycopg
import pytest

from latchwork.core import states
from latchwork.db import sql_files
from latchwork.db.migrate import latest, migrate, script
from latchwork.db.store import Store, lend
from latchwork.errors import SchemaMismatch
from tests.support.engine import Connection, Engine, new_task
from tests.support.postgres import Postgres

CATALOG = (Path(__file__).parent / "catalog.sql").read_text(encoding="utf-8")
ILLEGAL = [(old, new) for old, new in itertools.permutations(states.ALL, 2) if not states.is_legal(old, new)]


def catalog(conn: Connection, schema: str = "latchwork") -> list[str]:
    return [line for (line,) in conn.execute(CATALOG, {"schema": schema}).fetchall()]


def test_a_fresh_schema_equals_the_sum_of_the_migrations(
    pg_each: Postgres, fresh_dsn: str, connect: Callable[[str], Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    conn = connect(fresh_dsn)
    migrate(fresh_dsn)
    fresh = catalog(conn)
    steps = [text for _, _, text in sql_files.migrations()]
    monkeypatch.setattr(sql_files, "tables", lambda: "\n".join(steps))
    conn.execute("DROP SCHEMA latchwork CASCADE")
    migrate(fresh_dsn)
    assert catalog(conn) == fresh
    assert len(fresh) > 100


def test_the_script_for_a_dba_gives_an_equal_schema(
    pg_each: Postgres, fresh_dsn: str, connect: Callable[[str], Connection]
) -> None:
    conn = connect(fresh_dsn)
    migrate(fresh_dsn)
    migrated = catalog(conn)
    conn.execute("DROP SCHEMA latchwork CASCADE")
    with conn.transaction():
        conn.execute(script().encode())
    assert catalog(conn) == migrated
    assert migrate(fresh_dsn).before == latest()  # and the migration agrees that all is done
    assert catalog(conn) == migrated


def test_migrating_twice_changes_nothing(fresh_dsn: str, connect: Callable[[str], Connection]) -> None:
    assert migrate(fresh_dsn)[1:] == (0, latest())
    before = catalog(connect(fresh_dsn))
    assert migrate(fresh_dsn)[1:] == (latest(), latest())
    assert catalog(connect(fresh_dsn)) == before


def test_a_schema_of_another_name_is_the_same_and_lives_beside_the_first(
    dsn: str, connect: Callable[[str], Connection]
) -> None:
    conn = connect(dsn)
    migrate(dsn, "other_team")
    assert catalog(conn, "other_team") == catalog(conn)
    Engine(conn).write("r")
    other = Store(lambda: lend(conn), dsn, "other_team")
    other.check_schema()
    assert other.dispatch([new_task(["r"])])[0].ready  # the lines of the other schema are others
    assert other.counts() == {"ready": 1}


def test_processes_that_migrate_at_once_all_succeed(fresh_dsn: str, connect: Callable[[str], Connection]) -> None:
    with ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("spawn")) as pool:
        done = [future.result() for future in [pool.submit(migrate, fresh_dsn) for _ in range(4)]]
    assert sorted(each.before for each in done) == [0] + [latest()] * 3
    rows = connect(fresh_dsn).execute("SELECT count(*) FROM latchwork.migration").fetchone()
    assert rows == (len(sql_files.migrations()),)


def test_a_step_that_was_changed_after_it_was_applied_is_refused(
    dsn: str, connect: Callable[[str], Connection]
) -> None:
    connect(dsn).execute("UPDATE latchwork.migration SET checksum = 'another' WHERE version = 1")
    with pytest.raises(SchemaMismatch, match=r"step 1 .* changed"):
        migrate(dsn)


def test_a_schema_newer_than_the_code_is_refused(dsn: str, connect: Callable[[str], Connection]) -> None:
    conn = connect(dsn)
    conn.execute("INSERT INTO latchwork.migration (version, name, checksum) VALUES (9999, 'later', '')")
    with pytest.raises(SchemaMismatch, match="update Latchwork"):
        migrate(dsn)
    with pytest.raises(SchemaMismatch, match="update Latchwork"):
        Engine(conn).store.check_schema()


def test_the_transition_table_in_sql_equals_the_one_in_core(dsn: str, connect: Callable[[str], Connection]) -> None:
    conn = connect(dsn)
    for old, new in itertools.permutations(states.ALL, 2):
        row = conn.execute("SELECT latchwork.transition_is_legal(%s, %s)", [old, new]).fetchone()
        assert row == (states.is_legal(old, new),), (old, new)


@pytest.mark.parametrize(("old", "new"), [(o, n) for o, n in ILLEGAL if {o, n} <= states.INCOMPLETE])
def test_an_illegal_transition_is_refused_by_the_table(
    dsn: str, connect: Callable[[str], Connection], old: str, new: str
) -> None:
    conn = connect(dsn)
    Engine(conn).write("r")
    conn.execute("ALTER TABLE latchwork.task DISABLE TRIGGER legal_transition")
    conn.execute(
        "UPDATE latchwork.task SET state = %s, ticket = CASE WHEN %s <> 'scheduled' THEN 1 END,"
        " token = CASE WHEN %s IN ('running', 'canceling') THEN id END",
        [old, old, old],
    )
    conn.execute("ALTER TABLE latchwork.task ENABLE TRIGGER legal_transition")
    with pytest.raises(psycopg.Error) as refused:
        conn.execute("UPDATE latchwork.task SET state = %s", [new])
    assert refused.value.sqlstate == "LW008"


def test_what_is_final_stays_final(dsn: str, connect: Callable[[str], Connection]) -> None:
    engine = Engine(connect(dsn))
    engine.cancel(engine.write("r").id)
    with pytest.raises(psycopg.Error) as refused:
        engine.conn.execute("UPDATE latchwork.history SET state = 'completed'")
    assert refused.value.sqlstate == "LW008"


def test_a_second_granted_exclusive_request_is_refused(dsn: str, connect: Callable[[str], Connection]) -> None:
    engine = Engine(connect(dsn))
    engine.write("r"), engine.write("r")
    with pytest.raises(psycopg.errors.UniqueViolation, match="lock_one_exclusive"):
        engine.conn.execute("UPDATE latchwork.lock_request SET granted = true")


def test_the_comparison_sees_a_difference(dsn: str, connect: Callable[[str], Connection]) -> None:
    conn = connect(dsn)
    before = catalog(conn)
    conn.execute("ALTER TABLE latchwork.task ALTER COLUMN attempt SET DEFAULT 1")
    assert len(set(catalog(conn)) ^ set(before)) == 2
