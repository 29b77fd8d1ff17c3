"""``latchwork worker`` and ``latchwork dev`` as real processes: what they run, say, and leave behind."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from latchwork import App
from tests.support.commands import LIMIT_S, ROOT, Process, started
from tests.support.eventually import eventually

Connect = Callable[[str], psycopg.Connection[tuple[Any, ...]]]

MODULE = """
import asyncio, os, pathlib, time
from latchwork import App

app = App()
not_an_app = 3

@app.task(exclusive=["{name}"])
def greet(name):
    print("printed", name)
    return {"hello": name}

@app.task
async def later(x):
    await asyncio.sleep(0)
    return x + 1

@app.task
def fails():
    raise ValueError("no such thing")

@app.task
def odd():
    return {1, 2}

@app.task
def hold(path):
    pathlib.Path(path, "began").touch()
    while not pathlib.Path(path, "go").exists():
        time.sleep(0.01)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project: one module with an app."""
    (tmp_path / "project.py").write_text(MODULE)
    return tmp_path


def of_one(value: Any) -> None:
    """Stands for a task of the project with one argument; only dispatched here."""


def of_none() -> None:
    """The same without arguments."""


def app_on(dsn: str) -> App:
    """The same tasks by name, for dispatching from here."""
    app = App(dsn)
    app.task(name="project.greet", exclusive=["{value}"])(of_one)
    for name in ("later", "hold"):
        app.task(name=f"project.{name}")(of_one)
    for name in ("fails", "odd"):
        app.task(name=f"project.{name}")(of_none)
    return app


def nodes(dsn: str) -> list[str]:
    with App(dsn) as app:
        return [row.name for row in app.workers() if row.kind == "node"]


def run_each_kind(dsn: str) -> None:
    with app_on(dsn) as app:
        calls: list[tuple[str, list[Any]]] = [("greet", ["ann"]), ("later", [1]), ("fails", []), ("odd", [])]
        tasks = [app.dispatch(f"project.{name}", args=args) for name, args in calls]
        greeted, added, failed, odd = app.wait(tasks, timeout_s=LIMIT_S)
    assert (greeted.state, greeted.result, greeted.output) == ("completed", {"hello": "ann"}, "printed ann\n")
    assert (added.state, added.result) == ("completed", 2)
    assert failed.state == "failed"
    assert failed.error is not None
    assert (failed.error["type"], failed.error["message"]) == ("ValueError", "no such thing")
    assert "project.py" in failed.error["traceback"]
    assert odd.state == "failed"
    assert odd.error is not None
    assert "set is not JSON" in odd.error["message"]


def test_a_worker_runs_all_kinds_of_tasks_and_sigterm_ends_it_without_a_trace(folder: Path, dsn: str) -> None:
    arguments = ("worker", "project:app", "--slots", "2", "--name", "mine")
    with started(folder, *arguments, LATCHWORK_DSN=dsn) as worker:
        worker.says("is ready: 5 tasks known, 2 slots")
        assert nodes(dsn) == ["mine"]
        run_each_kind(dsn)
        worker.signal(signal.SIGTERM)
        assert worker.wait() == 0
        assert worker.out == ""
        assert all(re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z (INFO|WARNING) +\S", line) for line in worker.err.splitlines())
        assert re.search(r"no new tasks; 0 running may finish\n.* has left\n$", worker.err)
    assert nodes(dsn) == []


def test_a_task_that_runs_may_finish_after_sigterm(folder: Path, dsn: str) -> None:
    with started(folder, "worker", "project:app", LATCHWORK_DSN=dsn) as worker, app_on(dsn) as app:
        task = app.dispatch("project.hold", args=(str(folder),))
        eventually((folder / "began").exists, LIMIT_S, "the task runs")
        worker.signal(signal.SIGTERM)
        worker.says("no new tasks; 1 running may finish")
        (folder / "go").touch()
        assert worker.wait() == 0
        assert app.get(task).state == "completed"


def test_a_second_ctrl_c_ends_the_tasks_and_says_so_in_them(folder: Path, dsn: str) -> None:
    with started(folder, "worker", "project:app", "--grace-s", "500", LATCHWORK_DSN=dsn) as worker, app_on(dsn) as app:
        task = app.dispatch("project.hold", args=(str(folder),))
        eventually((folder / "began").exists, LIMIT_S, "the task runs")
        worker.signal(signal.SIGINT)
        worker.says("no new tasks; 1 running have 500 s, the next Ctrl-C ends them at once")
        worker.signal(signal.SIGINT)
        assert worker.wait() == 130
        ended = app.get(task)
        assert ended.state == "failed"
        assert ended.error is not None
        assert ended.error["type"] == "NodeShutdown"
    assert nodes(dsn) == []


def test_a_worker_says_only_what_is_asked_for(folder: Path, dsn: str) -> None:
    with started(folder, "worker", "project:app", "--log-level", "error", LATCHWORK_DSN=dsn) as worker:
        eventually(lambda: nodes(dsn), LIMIT_S, "the node has joined")
        worker.signal(signal.SIGTERM)
        assert worker.wait() == 0
        assert worker.err == ""


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("nothing", r"error: 'nothing' is not MODULE:APP; .*"),
        ("no_module:app", r"error: there is no module 'no_module' in .*"),
        ("project:nothing", r"error: the module 'project' has no 'nothing'; .*"),
        ("project:not_an_app", r"error: 'project:not_an_app' is of type int, not a latchwork App; .*"),
    ],
)
def test_a_target_that_is_none_is_one_line(folder: Path, dsn: str, target: str, says: str) -> None:
    worker = Process(folder, "worker", target, LATCHWORK_DSN=dsn)
    assert worker.wait() == 1
    assert re.fullmatch(says + r"\n", worker.err)


def test_a_module_that_breaks_shows_the_end_of_its_own_traceback(folder: Path, dsn: str) -> None:
    (folder / "broken.py").write_text("1 / 0\n")
    worker = Process(folder, "worker", "broken:app", LATCHWORK_DSN=dsn)
    assert worker.wait() == 1
    assert worker.err.startswith("error: importing 'broken' failed with ZeroDivisionError; mend the module.")
    assert 'broken.py", line 1' in worker.err
    assert "latchwork/cli" not in worker.err


def test_a_worker_without_a_database_is_one_line(folder: Path) -> None:
    worker = Process(folder, "worker", "project:app")
    assert worker.wait() == 1
    assert re.fullmatch(r"error: no database: .*LATCHWORK_DSN\n", worker.err)


def test_a_worker_on_a_database_that_cannot_be_used_is_one_line(folder: Path, fresh_dsn: str) -> None:
    for dsn, says in (
        ("postgresql://nobody@127.0.0.1:1/none", r"error: the database at .* cannot be reached: .*\n"),
        ("no dsn at all", r"error: the DSN cannot be read: .*\n"),
        (fresh_dsn, r"error: .*run `latchwork migrate`\n"),
    ):
        worker = Process(folder, "worker", "project:app", LATCHWORK_DSN=dsn)
        assert worker.wait() == 1
        assert re.fullmatch(says, worker.err)


# --- dev


def exported(dev: Process) -> str:
    """The DSN that dev tells to export."""
    found = re.search(r"^ *export LATCHWORK_DSN='(.*)'$", dev.out, re.MULTILINE)
    assert found is not None, dev.out
    return found[1]


def test_dev_starts_a_database_and_a_node_that_another_terminal_uses(folder: Path) -> None:
    with started(folder, "dev", "project:app") as dev:
        dev.says("is ready")
        assert str(folder / ".latchwork") in dev.out
        run_each_kind(exported(dev))
        listing = Process(folder_of(folder, "second"), "tasks", "list", LATCHWORK_DSN=exported(dev))
        assert listing.wait() == 0
        assert listing.out.count("project.") == 4
        dev.signal(signal.SIGINT)
        assert dev.wait() == 0


def test_dev_without_an_app_is_a_database_and_keeps_its_data(folder: Path) -> None:
    with started(folder, "dev", "--folder", "data") as dev:
        dev.says("Ctrl-C")
        with app_on(exported(dev)) as app:
            task = app.dispatch("project.later", args=(1,))
        dev.signal(signal.SIGINT)
        assert dev.wait() == 0
        assert dev.err == ""
    with started(folder, "dev", "project:app", "--folder", "data") as dev:
        dev.says("is ready")
        with app_on(exported(dev)) as app:
            assert app.wait(task.id, timeout_s=LIMIT_S).result == 2
        dev.signal(signal.SIGTERM)
        assert dev.wait() == 0


def test_dev_uses_the_database_that_is_named_and_migrates_it(folder: Path, fresh_dsn: str) -> None:
    with started(folder, "dev", "project:app", LATCHWORK_DSN=fresh_dsn, LATCHWORK_SCHEMA="other") as dev:
        dev.says("is ready")
        assert exported(dev) == fresh_dsn
        assert "export LATCHWORK_SCHEMA=other" in dev.out
        assert not (folder / ".latchwork").exists()
        with App(fresh_dsn, schema="other") as app:
            assert len(app.workers()) == 1
        dev.signal(signal.SIGINT)
        assert dev.wait() == 0


def test_dev_refuses_an_app_with_a_database_of_its_own(folder: Path, dsn: str) -> None:
    (folder / "own.py").write_text("from latchwork import App\napp = App('postgresql://elsewhere/x')\n")
    dev = Process(folder, "dev", "own:app", LATCHWORK_DSN=dsn)
    assert dev.wait() == 1
    assert dev.err.startswith("error: own:app names a database of its own; write App() for `latchwork dev`")


def test_dev_in_a_folder_that_cannot_be_used_is_one_line(folder: Path) -> None:
    (folder / "file").touch()
    dev = Process(folder, "dev", "--folder", "file")
    assert dev.wait() == 1
    assert re.fullmatch(r"error: the data folder .*/file cannot be made: .*\n", dev.err)


def test_the_quickstart_runs_with_dev(folder: Path) -> None:
    example = (ROOT.parent / "examples" / "quickstart.py").read_text()
    assert len(example.splitlines()) <= 20
    (folder / "quickstart.py").write_text(example)
    with started(folder, "dev", "quickstart:app") as dev:
        dev.says("is ready")
        env = {"LATCHWORK_DSN": exported(dev), "PYTHONPATH": str(ROOT)}
        ran = subprocess.run(
            [sys.executable, "quickstart.py"], cwd=folder, env=env, capture_output=True, text=True, check=True
        )
        assert ran.stdout == "completed 10 to ann\ncompleted 10 to bob\ncompleted 10 to ann\n"
        dev.signal(signal.SIGTERM)
        assert dev.wait() == 0


def folder_of(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    return folder / name
