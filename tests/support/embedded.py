"""Helpers of the tests of the embedded server: users in processes of their own, and what can be seen of the server."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest

import latchwork
from latchwork.db.embedded import Embedded
from latchwork.db.embedded.keeper import take_lock
from latchwork.db.embedded.spec import Spec
from tests.support.eventually import eventually

LIMIT_S = 60.0
FAST = {"fsync": "off"}  # the data of most tests need not survive a power cut

# A user in a process of its own: does what the second argument says, then holds the server until its stdin ends.
USER = """
import os, sys
from latchwork.db.embedded import Embedded
from latchwork.errors import LatchworkError
try:
    held = Embedded.start(sys.argv[1], grace_s=0, settings={"fsync": "off"})
except LatchworkError as error:
    sys.exit(f"{type(error).__name__}: {error}")
exec(sys.argv[2])
print(held.dsn, flush=True)
sys.stdin.read()
"""


class User:
    """A process that holds the server of a folder."""

    def __init__(
        self, folder: Path, *, then: str = "", prepare: Callable[[], None] | None = None, python: str = sys.executable
    ) -> None:
        paths = [str(Path(latchwork.__path__[0]).parent), *(path for path in sys.path if path)]
        self.process = subprocess.Popen(
            [python, "-c", USER, str(folder), then],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            preexec_fn=prepare,  # noqa: PLW1509 no other thread of these tests holds a lock
        )

    def dsn(self) -> str:
        """The DSN that it got. Waits until it has one."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        assert line, self.process.communicate()[1]
        return line

    def error(self) -> str:
        """What it ended with. Waits until it has ended."""
        _, said = self.process.communicate(timeout=LIMIT_S)
        assert self.process.returncode == 1
        return said

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


class Watched:
    """A foreign process, by pidfd: its end is an event, and its number cannot come to mean another one."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._fd = os.pidfd_open(pid)

    def ends(self, timeout_s: float = LIMIT_S) -> bool:
        return bool(select.select([self._fd], [], [], timeout_s)[0])

    def send(self, number: signal.Signals) -> None:
        signal.pidfd_send_signal(self._fd, number)

    def kill(self) -> None:
        self.send(signal.SIGKILL)

    def close(self) -> None:
        try:
            self.send(signal.SIGCONT)  # a test that failed must not leave it stopped for ever
        except ProcessLookupError:
            pass
        os.close(self._fd)


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A folder that every user may enter and write to, unlike pytest's own. Data folders go into it."""
    base = Path(tempfile.mkdtemp(prefix="latchwork-"))
    base.chmod(0o777)
    yield base
    shutil.rmtree(base)


@pytest.fixture
def data_folder(open_to_all: Path) -> Iterator[Path]:
    """A data folder, of whose server nothing is left after the test."""
    data = open_to_all / "data"
    yield data
    eventually(lambda: is_free(data), LIMIT_S, f"nothing of the server in {data} is left")


@pytest.fixture(scope="session")
def _finished_clusters() -> Iterator[Path]:
    """Where a data folder waits for the next test that does not need a new one."""
    base = Path(tempfile.mkdtemp(prefix="latchwork-"))
    yield base / "data"
    shutil.rmtree(base)


@pytest.fixture
def used_folder(data_folder: Path, _finished_clusters: Path) -> Iterator[Path]:
    """A data folder that another test may have had a server in: to make a cluster takes most of a start's time."""
    if _finished_clusters.exists():
        _finished_clusters.rename(data_folder)
    yield data_folder
    eventually(lambda: is_free(data_folder), LIMIT_S, f"nothing of the server in {data_folder} is left")
    if not _finished_clusters.exists() and (data_folder / "pgdata").exists():
        data_folder.rename(_finished_clusters)


@pytest.fixture
def start_user() -> Iterator[Callable[..., User]]:
    with ExitStack() as stack:

        def start(folder: Path, **how: object) -> User:
            user = User(folder, **how)  # type: ignore[arg-type]  # passed on as it is
            stack.callback(user.kill)
            return user

        yield start


@pytest.fixture
def watch_process() -> Iterator[Callable[[int], Watched]]:
    with ExitStack() as stack:

        def start(pid: int) -> Watched:
            watched = Watched(pid)
            stack.callback(watched.close)
            return watched

        yield start


def spec_of(folder: Path) -> Spec:
    return Spec(str(folder), "", None, {}, 0, False, [])


def is_free(folder: Path) -> bool:
    """Whether nothing of a keeper or server is left: the lock can be had."""
    if not folder.exists():
        return True
    lock = take_lock(spec_of(folder))
    if lock is not None:
        os.close(lock)
    return lock is not None


def server_pid(folder: Path) -> int:
    return int((folder / "pgdata" / "postmaster.pid").read_text().splitlines()[0])


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def log_of(folder: Path) -> str:
    return (folder / "server.log").read_text()


def ask(dsn: str, query: str) -> object:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(query).fetchone()
    return row and row[0]


@contextmanager
def held(folder: Path, **how: object) -> Iterator[Embedded]:
    with Embedded.start(folder, **{"grace_s": 0.2, "settings": FAST, **how}) as embedded:  # type: ignore[arg-type]  # as it is
        yield embedded


def pid_of_initdb(folder: Path) -> int | None:
    """The initdb that makes the cluster of this folder, if it is at work. Its parent is the keeper."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            program, *arguments = (entry / "cmdline").read_text().split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if program.endswith("/initdb") and f"{folder}/pgdata.new" in arguments:
            return int(entry.name)
    return None
