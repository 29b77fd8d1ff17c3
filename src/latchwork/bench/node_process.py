"""A real node in a process of its own. ``python -m latchwork.bench.node_process SLOTS`` is that process."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from latchwork.app import new_id
from latchwork.bench.place import Place
from latchwork.bench.tasks import TARGET
from latchwork.core.plan_types import Settings
from latchwork.db.store import Store
from latchwork.errors import ExecutorError, WaitTimeout
from latchwork.executor.template import die_with_parent
from latchwork.executor.template_process import Hello, template_command
from latchwork.node.engine import PostgresEngine
from latchwork.node.ports import Engine
from latchwork.node.supervisor import Supervisor

START_LIMIT_S = 60.0
STOP_LIMIT_S = 30.0
POLL_S = 0.02


class Node:
    """A running node: its process is the supervisor."""

    def __init__(self, process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
        self._process = process
        self._log = log

    @property
    def rss_mb(self) -> float:
        """The supervisor's resident memory now, in MB (10^6 bytes)."""
        for line in Path(f"/proc/{self._process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024 / 1e6
        raise ExecutorError(f"the node ended while it was measured: {self.said()}")

    def said(self) -> str:
        """Return the end of what it wrote to its log."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")[-1_000:].strip()

    def check(self) -> None:
        """Raise ExecutorError if it has ended."""
        if self._process.poll() is not None:
            raise ExecutorError(f"the node ended with exit code {self._process.returncode}: {self.said()}")


@contextmanager
def running_node(place: Place, store: Store, slots: int) -> Iterator[Node]:
    """A node of so many slots that has joined. It is told to stop at the end; ExecutorError if it does not end well."""
    command = [sys.executable, "-m", "latchwork.bench.node_process", str(slots)]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(  # noqa: S603 our own interpreter and module
            command, env=place.environ(), stdin=subprocess.DEVNULL, stderr=log
        )
        node = Node(process, log)
        try:
            deadline = time.monotonic() + START_LIMIT_S
            while not any(app.heartbeat_age_s is not None for app in store.apps()):
                node.check()
                if time.monotonic() > deadline:
                    raise WaitTimeout(f"the node had not joined after {START_LIMIT_S:g} s: {node.said()}")
                time.sleep(POLL_S)
            yield node
            process.terminate()
            if process.wait(STOP_LIMIT_S) != 0:
                raise ExecutorError(f"the node ended with exit code {process.returncode}: {node.said()}")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def main(slots: int) -> int:
    """Run a node until SIGTERM or the end of the bench; return its exit code."""
    die_with_parent()  # a bench that is killed leaves no node that waits for its database for ever

    def make_engine(hello: Hello) -> Engine:
        assert hello.dsn is not None
        return PostgresEngine(hello.dsn, hello.schema, new_id())

    return asyncio.run(Supervisor(make_engine, template_command(TARGET), Settings(slots=slots)).run())


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
