"""Performs the demo's job: a node in a process of its own, the tasks, their progress, and the judgement at the end.

The job is the example ``examples/repo_manager``, which is not part of the installed package: it is found beside ``src``
in a checkout. Its tasks run in the node as anybody's do; this process only dispatches, watches and checks.
"""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import latchwork
from latchwork.app import App, Call
from latchwork.cli.demo_history import kind, problems
from latchwork.core.task import Task
from latchwork.db.dsn import EMBEDDED
from latchwork.errors import ConfigError, ExecutorError

EXAMPLE = "examples.repo_manager"
NODE_START_S = 60.0
NODE_STOP_S = 20.0
RUN_MAX_S = 900.0
LOOK_S = 0.1
# The command line, in a process that the kernel ends with this one: a demo that is killed leaves no node behind.
NODE = "import latchwork.executor.template as t; t.die_with_parent(); import latchwork.cli.main as m; m.main()"
PAGE = 500

Watch = Callable[[Sequence[Task]], None]


class Outcome(NamedTuple):
    """A finished job: what was dispatched, in order, and what became of it."""

    ids: list[str]
    history: list[Task]
    content: Path  # the folder that the example's tasks have filled


class Example(NamedTuple):
    """The example's modules: they are not installed, so they are not known before."""

    root: Path
    tasks: Any
    publish: Any
    python_install: Any


def load_example(content: Path, database: Path) -> Example:
    """Import the example, set to keep its content and, if ``LATCHWORK_DSN`` is not set, its database in these folders.

    Raises ConfigError where there is no checkout around this package.
    """
    root = Path(latchwork.__path__[0]).resolve().parents[1]
    if not (root / "examples" / "repo_manager" / "tasks.py").is_file():
        raise ConfigError(
            "the demo runs examples/repo_manager, which is part of the source and not of the installed package; "
            f"it is not in {root}. Get the source of Latchwork and run `make demo` there"
        )
    os.environ["REPO_MANAGER_HOME"] = str(content)
    os.environ.setdefault("LATCHWORK_DSN", f"{EMBEDDED}{database}")
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    return Example(
        root, *(importlib.import_module(f"{EXAMPLE}.{name}") for name in ("tasks", "publish", "python_install"))
    )


def calls(example: Example, steps: Sequence[Any]) -> list[Call]:
    """Return the steps as calls for ``App.dispatch_many``."""
    return [getattr(example.tasks, step.task).call(**step.kwargs) for step in steps]


def perform(example: Example, steps: Sequence[Any], *, slots: int, log: Path, watch: Watch) -> Outcome:
    """Dispatch the steps at once and let a node of ``slots`` slots run them. ``watch`` gets the tasks again and again.

    Raises ExecutorError if the node does not start, ends early, or the tasks don't end in time.
    """
    app: App = example.tasks.app
    if app.dsn.startswith(EMBEDDED):
        app.migrate()
    with node(example, slots, log) as process:
        _until_joined(app, process, log)
        ids = [task.id for task in app.dispatch_many(calls(example, steps))]
        history = _until_final(app, process, log, ids, watch)
    return Outcome(ids, history, example.tasks.HOME)


def judge(outcome: Outcome, example: Example) -> list[str]:
    """Return what is wrong with the outcome, one line each.

    Every task must have completed, no conflicting ones may have overlapped or overtaken each other, and every published
    index must verify, now and by a process that runs no task.
    """
    return [*problems(outcome.history, outcome.ids), *unverified(outcome, example)]


def unverified(outcome: Outcome, example: Example) -> Iterator[str]:
    """Yield a line for each distribution that should be published and does not verify."""
    expected = {task.result["distribution"] for task in outcome.history if task.ok and kind(task) == "publish"}
    found = {path.stem for path in (outcome.content / "published").glob("[!.]*.json")}
    yield from (f"distribution {name} was published and has no index" for name in sorted(expected - found))
    for name in sorted(found):
        try:
            example.publish.verify(outcome.content, name)
        except (ValueError, OSError, LookupError, TypeError) as error:
            yield f"distribution {name} does not verify: {type(error).__name__}: {error}"


@contextmanager
def node(example: Example, slots: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``latchwork worker`` on the example's app. It is asked to stop at the end, and killed if it doesn't."""
    command = [sys.executable, "-c", NODE, "worker", f"{EXAMPLE}.tasks:app", "--slots", str(slots)]
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own program
            command, cwd=example.root, stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(NODE_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _until_joined(app: App, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + NODE_START_S
    while not any(worker.pid == process.pid and worker.heartbeat_age_s is not None for worker in app.workers()):
        _check_alive(process, log, deadline, "has not joined the database")
        time.sleep(LOOK_S)


def _until_final(app: App, process: subprocess.Popen[bytes], log: Path, ids: Sequence[str], watch: Watch) -> list[Task]:
    deadline = time.monotonic() + RUN_MAX_S
    while True:
        tasks = look(app, ids)
        watch(tasks)
        if all(task.final for task in tasks):
            return tasks
        _check_alive(process, log, deadline, f"has not ended {sum(not task.final for task in tasks)} of its tasks")
        time.sleep(LOOK_S)


def look(app: App, ids: Sequence[str]) -> list[Task]:
    """Return these tasks as they are now, in ticket order; a database with other tasks in it is no hindrance."""
    wanted, oldest, before = set(ids), min(ids), None
    found: dict[str, Task] = {}
    while True:
        page = app.tasks(before=before, limit=PAGE)
        found.update((task.id, task) for task in page if task.id in wanted)
        before = page[-1].id if page else ""
        if len(page) < PAGE or before < oldest:
            return sorted(found.values(), key=lambda task: task.ticket or 0)


def _check_alive(process: subprocess.Popen[bytes], log: Path, deadline: float, what: str) -> None:
    ended = process.poll()
    if ended is None and time.monotonic() < deadline:
        return
    said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-15:]
    how = f"ended with {ended}" if ended is not None else f"{what} in time"
    raise ExecutorError("\n".join([f"the demo's node {how}; it said:", *said]))
