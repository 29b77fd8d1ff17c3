"""``latchwork demo``: the main job on real input, watched, drawn and checked.

A node of four slots and the example content manager over this machine's own Python installation: more than a hundred
tasks, dispatched at once, whose order follows from the resources they name. Everything lies in one folder, which is
removed if all went well.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from latchwork.cli.demo_history import figures, kind
from latchwork.cli.demo_picture import chain_text, picture, waits_table
from latchwork.cli.demo_progress import counts_line, panel
from latchwork.cli.demo_run import Outcome, Watch, judge, load_example, perform
from latchwork.cli.options import Json, Slots
from latchwork.cli.output import print_json
from latchwork.core.task import Task
from latchwork.errors import ConfigError

NAMES = ("repo_manager",)
PLAIN_EVERY_S = 1.0
WIDTH_MIN, WIDTH_MAX, WIDTH_PLAIN = 60, 160, 120


def demo(
    name: Annotated[str, typer.Argument(help="Which one; there is repo_manager.")] = NAMES[0],
    slots: Slots = 4,
    folder: Annotated[
        Path | None,
        typer.Option(help="Keep database and content here. Default: a temporary folder, removed at the end."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Run the main job on real input: a content manager over this machine's Python installation.

    Exits with 1 if a task did not complete, conflicting tasks overlapped, or something published does not verify.
    """
    if name not in NAMES:
        raise ConfigError(f"there is no demo {name!r}; there is {', '.join(NAMES)}")
    console = Console(stderr=as_json)
    console.width = min(WIDTH_MAX, max(WIDTH_MIN, console.width)) if console.is_terminal else WIDTH_PLAIN
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: the node stops, the folder goes
    with workplace(folder, console) as home:
        summary = run(home, slots, console)
        if as_json:
            print_json(summary)
        if not summary["correct"]:
            sys.exit(1)


@contextmanager
def workplace(folder: Path | None, console: Console) -> Iterator[Path]:
    """Make the folder that everything lies in. A temporary one is removed at the end, unless something went wrong."""
    home = Path(tempfile.mkdtemp(prefix="latchwork-demo-")) if folder is None else folder.absolute()
    try:
        home.mkdir(parents=True, exist_ok=True)
        if folder is None and os.geteuid() == 0:
            home.chmod(0o711)  # where root may make no user namespace, the server runs as another user and must get in
    except OSError as error:
        raise ConfigError(f"the folder {home} cannot be made: {error.strerror}; name another by --folder") from None
    try:
        yield home
    except KeyboardInterrupt:
        _remove(home, given=folder is not None)
        raise
    except BaseException:
        console.print(f"Database, content and the node's log are kept in {home}", markup=False)
        raise
    _remove(home, given=folder is not None)


def _remove(home: Path, *, given: bool) -> None:
    if not given:
        shutil.rmtree(home, ignore_errors=True)  # the embedded server may still be writing its last lines


def run(home: Path, slots: int, console: Console) -> dict[str, Any]:
    """Perform, watch, check and show the job; return its summary."""
    example = load_example(home / "content", home / "database")
    sources = example.python_install.sources()
    steps = example.python_install.job(sources)
    console.print(
        f"{len(steps)} tasks over the Python installation of this machine, cut into {len(sources)} repositories; "
        f"a node with {slots} slots",
        markup=False,
    )
    with watching(console) as watch:
        outcome = perform(example, steps, slots=slots, log=home / "node.log", watch=watch)
    wrong = judge(outcome, example)
    example.tasks.app.close()
    summary = summarise(outcome, len(sources), wrong)
    show(outcome, summary, wrong, console)
    return summary


@contextmanager
def watching(console: Console) -> Iterator[Watch]:
    """Show the progress: redrawn in place on a terminal, else a line now and then."""
    if console.is_terminal:
        with Live(console=console, transient=True, auto_refresh=False) as live:
            yield lambda tasks: live.update(panel(tasks, time.time()), refresh=True)
        return
    began = time.monotonic()
    said_at = began - PLAIN_EVERY_S

    def say(tasks: Sequence[Task]) -> None:
        nonlocal said_at
        now = time.monotonic()
        if now - said_at >= PLAIN_EVERY_S or all(task.final for task in tasks):
            console.print(f"{now - began:7.1f} s  {counts_line(tasks)}", markup=False, highlight=False)
            said_at = now

    yield say


def summarise(outcome: Outcome, repositories: int, wrong: Sequence[str]) -> dict[str, Any]:
    """Return the summary as one JSON object."""
    return {
        "correct": not wrong,
        "problems": list(wrong),
        "repositories": repositories,
        **figures(outcome.history),
        "files_synced": total(outcome.history, "sync", "files"),
        "bytes_synced": total(outcome.history, "sync", "bytes"),
        "files_verified": total(outcome.history, "verify", "files"),
        "bytes_verified": total(outcome.history, "verify", "bytes"),
        "orphans_removed": total(outcome.history, "remove_orphans", "files"),
    }


def total(history: Sequence[Task], of: str, what: str) -> int:
    """Return the sum of one number in the results of all tasks of one kind."""
    return sum(task.result[what] for task in history if task.ok and kind(task) == of)


def show(outcome: Outcome, summary: dict[str, Any], wrong: Sequence[str], console: Console) -> None:
    """Print the picture, the waits, the figures and the verdict."""
    console.print(picture(outcome.history, console.width), "", waits_table(outcome.history), "", sep="\n")
    console.print(chain_text(outcome.history), "", sep="\n")
    console.print(summary_table(summary), "", sep="\n")
    for problem in wrong:
        console.print(Text(f"wrong: {problem}", style="bold red"))
    if not wrong:
        console.print(
            "All tasks completed, no conflicting ones overlapped, every published index verifies.", style="bold green"
        )


def summary_table(summary: dict[str, Any]) -> Table:
    """Return the figures as a table."""
    kinds = ", ".join(f"{number} {name}" for name, number in summary["tasks_by_kind"].items())
    rows = {
        "tasks": f"{summary['tasks']} ({kinds}), {summary['waited_for_others']} waited for another one",
        "synced": f"{summary['files_synced']:,} files, {summary['bytes_synced'] / 1e6:,.1f} MB",
        "verified": f"{summary['files_verified']:,} files, {summary['bytes_verified'] / 1e6:,.1f} MB",
        "orphans removed": f"{summary['orphans_removed']:,} files",
        "time": f"{summary['wall_s']:.1f} s, {summary['parallel']:.1f} tasks at once on average",
        "wait after ready": f"p50 {summary['wait_after_ready_p50_ms']:,.0f} ms, "
        f"p95 {summary['wait_after_ready_p95_ms']:,.0f} ms (for a free slot)",
        "blocked": f"p50 {summary['blocked_p50_ms']:,.0f} ms, "
        f"p95 {summary['blocked_p95_ms']:,.0f} ms (by another task)",
    }
    table = Table.grid(padding=(0, 2))
    for name, value in rows.items():
        table.add_row(Text(name, style="bold"), Text(value))
    return table
