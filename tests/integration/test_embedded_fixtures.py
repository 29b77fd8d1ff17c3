"""The fixtures that all database tests stand on: a fresh database each, every version, and who waits for whom."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.support.postgres import (
    VERSIONS_VARIABLE,
    Connection,
    Postgres,
    blocked_by,
    chosen_majors,
    has_system_postgres,
    wait_until_blocked,
)


@pytest.mark.parametrize("_round", [1, 2])
def test_each_test_has_a_database_of_its_own(fresh_dsn: str, connect: Callable[[str], Connection], _round: int) -> None:
    connection = connect(fresh_dsn)
    connection.execute("CREATE TABLE only_mine (x int)")  # the second round would fail if it met the first one's


def test_the_database_is_gone_after_the_test_even_if_somebody_still_uses_it(pg: Postgres) -> None:
    with pg.database() as dsn:
        left_open = psycopg.connect(dsn)
    with pytest.raises(psycopg.OperationalError):
        left_open.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(dsn)


def test_a_test_on_each_version_gets_the_version_it_is_named_after(
    pg_each: Postgres, dsn: str, connect: Callable[[str], Connection]
) -> None:
    assert connect(dsn).info.server_version // 10_000 == pg_each.major


def test_the_versions_follow_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VERSIONS_VARIABLE, raising=False)
    assert chosen_majors(each=False) == [18]
    assert chosen_majors(each=True) == ([15, 18] if has_system_postgres() else [18])
    monkeypatch.setenv(VERSIONS_VARIABLE, "15")
    assert chosen_majors(each=False) == chosen_majors(each=True) == [15]
    monkeypatch.setenv(VERSIONS_VARIABLE, "16")
    with pytest.raises(pytest.UsageError, match="must be 15, 18 or both"):
        chosen_majors(each=False)


def test_waiting_is_seen_in_the_server(fresh_dsn: str, connect: Callable[[str], Connection]) -> None:
    holder, waiter, watcher = connect(fresh_dsn), connect(fresh_dsn), connect(fresh_dsn)
    holder.execute("SELECT pg_advisory_lock(1)")
    assert blocked_by(watcher, waiter.info.backend_pid) == []
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(waiter.execute, "SELECT pg_advisory_lock(1)")
        assert wait_until_blocked(watcher, waiter.info.backend_pid) == [holder.info.backend_pid]
        holder.execute("SELECT pg_advisory_unlock(1)")
        waiting.result(30)
    assert blocked_by(watcher, waiter.info.backend_pid) == []


def test_waiting_that_does_not_happen_fails_the_test(fresh_dsn: str, connect: Callable[[str], Connection]) -> None:
    free, watcher = connect(fresh_dsn), connect(fresh_dsn)
    with pytest.raises(AssertionError, match="waits for a lock"):
        wait_until_blocked(watcher, free.info.backend_pid, timeout_s=0.1)
