"""``latchwork worker`` and ``latchwork dev``: a node, on a given database or with one of its own."""

from __future__ import annotations

import asyncio
import logging
import os
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from latchwork.app import new_id
from latchwork.cli.options import SCHEMA, Dsn, GraceS, Schema, Slots
from latchwork.cli.text import block, line
from latchwork.core.plan_types import Settings
from latchwork.db.dsn import EMBEDDED, open_dsn
from latchwork.db.errors import redacted
from latchwork.db.migrate import migrate
from latchwork.errors import ConfigError
from latchwork.executor.template_process import Hello, template_command
from latchwork.node.engine import PostgresEngine
from latchwork.node.supervisor import Supervisor

FOLDER = Path(".latchwork")
DEV_GRACE_S = 10.0
GRACE_S = Settings(slots=1).grace_s
SLOTS = os.cpu_count() or 1
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

log = logging.getLogger("latchwork.node")


class LogLevel(StrEnum):
    """How much a node says."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


Target = Annotated[str, typer.Argument(metavar="MODULE:APP", help="The app: a module to import and its App in it.")]
Level = Annotated[
    LogLevel,
    typer.Option("--log-level", metavar="LEVEL", help="debug, info, warning or error: what is written to stderr."),
]
Name = Annotated[str | None, typer.Option("--name", metavar="NAME", help="How the node is called. Default: pid@host.")]


class Engine(PostgresEngine):
    """The engine of a node that says when it is ready."""

    async def join(self, names: Sequence[str], slots: int) -> None:
        """Join, and say so."""
        await super().join(names, slots)
        log.info("node %s is ready: %d tasks known, %d slots", self.node_id, len(names), slots)

    async def leave(self) -> None:
        """Leave, and say so."""
        await super().leave()
        log.info("node %s has left", self.node_id)


class Lines(logging.Formatter):
    """One line a message; further lines of one, as of a traceback, are indented. Nothing a terminal would obey."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s.%(msecs)03dZ %(levelname)-7s %(message)s", "%Y-%m-%dT%H:%M:%S")
        self.converter = time.gmtime

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of one message."""
        return block(super().format(record)).replace("\n", "\n    ")


def worker(
    target: Target,
    slots: Slots = SLOTS,
    name: Name = None,
    grace_s: GraceS = GRACE_S,
    log_level: Level = LogLevel.INFO,
) -> None:
    """Run a node until it is told to stop.

    The module is looked for in the current folder first. The app names the database, or LATCHWORK_DSN does.
    SIGTERM: running tasks may finish. Ctrl-C: the same, for --grace-s seconds; a second one ends them at once.
    """
    start_log(log_level)
    raise typer.Exit(run_node(target, Settings(slots=slots, grace_s=grace_s), name))


def run_node(target: str, settings: Settings, name: str | None = None, only_dsn: str | None = None) -> int:
    """Run a node of the app ``target`` in this process and return its exit code.

    Raises ConfigError if the app names another database than ``only_dsn``, and what ``Supervisor.run`` raises.
    """

    def make_engine(hello: Hello) -> Engine:
        if not hello.dsn:
            raise ConfigError(f"{target} names no database: write App(dsn), or set LATCHWORK_DSN")
        if only_dsn is not None and hello.dsn != only_dsn:
            raise ConfigError(
                f"{target} names a database of its own; write App() for `latchwork dev`, "
                "or run `latchwork worker` on that database"
            )
        return Engine(hello.dsn, hello.schema, new_id(), name)

    return asyncio.run(Supervisor(make_engine, template_command(target), settings).run())


def start_log(level: LogLevel) -> None:
    """Write log lines to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines())
    logging.basicConfig(level=level.value.upper(), handlers=[handler])


def dev(
    target: Annotated[
        str | None, typer.Argument(metavar="MODULE:APP", help="The app to run a node of. Without it: no node.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help=f"Where the data lies. Default: {FOLDER}, here.")
    ] = None,
    slots: Slots = 4,
    dsn: Dsn = None,
    schema: Schema = SCHEMA,
) -> None:
    """Start a database and a node, ready for use, until Ctrl-C.

    The database is the built-in PostgreSQL, in --folder. With --dsn or LATCHWORK_DSN, and no --folder, it is that one.
    """
    given = dsn if dsn and folder is None else f"{EMBEDDED}{(folder or FOLDER).absolute()}"
    opened = open_dsn(given)
    migrate(opened, schema)
    os.environ.update(LATCHWORK_DSN=opened, LATCHWORK_SCHEMA=schema)  # the template, and so the app, inherits them
    if target is None:
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)  # from here on they only end the wait below
    print(welcome(given, opened, schema, target), flush=True)
    if target is None:
        signal.sigwait(STOPS)
        return
    start_log(LogLevel.INFO)
    raise typer.Exit(run_node(target, Settings(slots=slots, grace_s=DEV_GRACE_S), only_dsn=opened))


def welcome(given: str, dsn: str, schema: str, target: str | None) -> str:
    """Return what ``dev`` says: where the data lies, and how to use it from another terminal."""
    where = f"on the data in {given.removeprefix(EMBEDDED)}" if given.startswith(EMBEDDED) else f"at {redacted(dsn)}"
    exports = [f"export LATCHWORK_DSN={shlex.quote(dsn)}"]
    if schema != SCHEMA:
        exports.append(f"export LATCHWORK_SCHEMA={shlex.quote(schema)}")
    ways = ["latchwork tasks list", "latchwork locks", "latchwork workers"]
    if target is None:
        ways.insert(0, "latchwork worker MODULE:APP")
    use = [f"  {line(command)}" for command in (*exports, *ways)]
    head = [f"PostgreSQL runs {line(where)}", "", "In another terminal:", ""]
    return "\n".join([*head, *use, "", "Ctrl-C ends it; the data stays.", ""])
