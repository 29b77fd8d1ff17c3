"""A node from start to end: slots, a database that is away, a template that dies, signals. Its processes are real."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.support.eventually import aeventually, eventually
from tests.support.node import WAIT_S, Node, error_of, result_of

SAMPLE = "tests.support.apps.sample:app"


async def test_slots_run_side_by_side(tmp_path: Path) -> None:
    async with Node(SAMPLE, tmp_path, slots=2) as node:
        one, two = str(tmp_path / "one"), str(tmp_path / "two")
        tasks = [node.engine.add("wait_for_file", one, two), node.engine.add("wait_for_file", two, one)]
        assert [result_of(await node.engine.outcome(task)) for task in tasks] == ["met", "met"]


@pytest.mark.parametrize("slots", [1, 3])
async def test_never_more_tasks_run_than_slots(tmp_path: Path, slots: int) -> None:
    async with Node(SAMPLE, tmp_path, slots=slots) as node:
        tasks = [node.engine.add("echo", number) for number in range(40)]
        results = [result_of(await node.engine.outcome(task)) for task in tasks]
        assert results == [[[number], {}] for number in range(40)]
        assert node.engine.most_running <= slots


async def test_finish_and_next_claim_share_a_call(tmp_path: Path) -> None:
    async with Node(SAMPLE, tmp_path, slots=1, heartbeat_s=3_600) as node:
        await node.run("nothing")
        before = node.engine.journal.count("advance")
        hint, node.engine._hint = node.engine._hint, lambda: None
        for _ in range(20):
            node.engine.add("nothing")
        hint()
        await node.engine.wait_for(lambda: len(node.engine.finished) == 21)
        assert node.engine.journal.count("advance") - before == 21


async def test_an_idle_node_wakes_by_a_hint(tmp_path: Path) -> None:
    async with Node(SAMPLE, tmp_path, poll_s=3_600) as node:
        await node.run("nothing")
        await node.run("nothing")


async def test_an_idle_node_wakes_by_polling_when_hints_are_lost(tmp_path: Path) -> None:
    async with Node(SAMPLE, tmp_path, poll_s=0.05) as node:
        node.engine._hint = lambda: None
        await node.run("nothing")


async def test_heartbeats_tell_what_the_node_does(tmp_path: Path) -> None:
    async with Node(SAMPLE, tmp_path, slots=1, heartbeat_s=0.05) as node:
        await node.engine.wait_for(lambda: ("sleeping", 0) in node.engine.beats)
        one, two = tmp_path / "one", tmp_path / "two"
        task = node.engine.add("wait_for_file", str(one), str(two))
        await node.engine.wait_for(lambda: ("working", 1) in node.engine.beats)
        node.supervisor.stop()
        await node.engine.wait_for(lambda: ("draining", 1) in node.engine.beats)
        two.touch()
        await node.engine.outcome(task)
        assert await node.ended() == 0


# --- the database is away


async def test_outcomes_survive_a_database_that_is_away(tmp_path: Path) -> None:
    async with Node(SAMPLE, tmp_path, slots=2) as node:
        one, two = tmp_path / "one", tmp_path / "two"
        first = node.engine.add("wait_for_file", str(one), str(two))
        await aeventually(one.exists, WAIT_S, "the task runs")
        node.engine.failures = 3
        two.touch()
        assert result_of(await node.engine.outcome(first)) == "met"
        assert node.engine.failures == 0
        assert result_of(await node.run("echo")) == [[], {}]


async def test_a_node_that_cannot_join_says_so_and_ends(tmp_path: Path) -> None:
    from latchwork.errors import DatabaseUnavailable

    node = Node(SAMPLE, tmp_path)
    node.engine.failures = 1
    with pytest.raises(DatabaseUnavailable, match="no database here"):
        await node.supervisor.run()
    assert node.engine.journal == ["join 2", "close"]
    assert is_empty(tmp_path)


async def test_a_template_that_cannot_be_started_is_told(tmp_path: Path) -> None:
    from latchwork.errors import ExecutorError

    node = Node(SAMPLE, tmp_path)
    node.supervisor._command = ["/no/such/python"]
    with pytest.raises(ExecutorError, match=r"could not be started.*no/such/python"):
        await node.supervisor.run()
    assert is_empty(tmp_path)


async def test_a_bug_in_the_engine_ends_the_node_and_its_children(tmp_path: Path) -> None:
    node = Node(SAMPLE, tmp_path)

    async def broken(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    node.engine.advance = broken  # type: ignore[assignment, method-assign]  # the planted bug
    with pytest.raises(ZeroDivisionError, match="a bug"):
        await node.supervisor.run()
    assert is_empty(tmp_path)


async def test_outcomes_that_are_refused_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with Node(SAMPLE, tmp_path) as node:
        one, two = tmp_path / "one", tmp_path / "two"
        task = node.engine.add("wait_for_file", str(one), str(two))
        await aeventually(one.exists, WAIT_S, "the task runs")
        node.engine.running.clear()  # the claim is taken away
        two.touch()
        await aeventually(lambda: f"the outcome of task {task} was not taken" in caplog.text, WAIT_S, "logged")


# --- the template dies


async def test_when_the_template_dies_tasks_fail_and_others_run_after_it_is_back(tmp_path: Path) -> None:
    async with Node(SAMPLE, tmp_path, slots=1) as node:
        one = tmp_path / "one"
        task = node.engine.add("wait_for_file", str(one), str(tmp_path / "never"), program=True)
        await aeventually(one.exists, WAIT_S, "the task runs")
        template = node.template_pid
        os.kill(template, signal.SIGKILL)
        error = error_of(await node.engine.outcome(task))
        assert error["type"] == "TemplateDied"
        assert "The template was killed by signal 9 (SIGKILL)." in error["message"]
        await aeventually(partial(gone, int(one.read_text())), WAIT_S, "the program that the task has started is gone")
        assert result_of(await node.run("echo", 1)) == [[1], {}]
        assert node.template_pid != template


async def test_a_node_whose_app_changed_on_disk_does_not_go_on_with_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from latchwork.errors import ConfigError

    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), "src"]))
    text = "from latchwork import App\napp = App('postgresql://x')\n@app.task(name='one')\ndef one(): pass\n"
    (tmp_path / "changing.py").write_text(text)
    async with Node("changing:app", tmp_path) as node:
        (tmp_path / "changing.py").write_text(text + "@app.task(name='another')\ndef another(): pass\n")
        os.kill(node.template_pid, signal.SIGKILL)
        with pytest.raises(ConfigError, match="start the node again"):
            await node.ended()


# --- the end, in this process


async def test_stopping_lets_running_tasks_end_and_leaves(tmp_path: Path) -> None:
    async with Node(SAMPLE, tmp_path) as node:
        one, two = tmp_path / "one", tmp_path / "two"
        task = node.engine.add("wait_for_file", str(one), str(two))
        await aeventually(one.exists, WAIT_S, "the task runs")
        node.supervisor.stop()
        late = node.engine.add("nothing")
        two.touch()
        assert await node.ended() == 0
        assert result_of(node.engine.finished[task]) == "met"
        assert late not in node.engine.finished
        assert node.engine.journal[-2:] == ["leave", "close"]


async def test_after_the_grace_tasks_are_aborted(tmp_path: Path) -> None:
    async with Node(SAMPLE, tmp_path, grace_s=0.1) as node:
        task = node.engine.add("hang", str(tmp_path / "one"), True)
        await aeventually((tmp_path / "one").exists, WAIT_S, "the task runs")
        node.supervisor.stop(hard=True)
        assert await node.ended() == 130
        assert error_of(node.engine.finished[task])["message"] == "Aborted during node shutdown."


async def test_an_abort_does_not_wait_for_a_database_that_is_away(tmp_path: Path) -> None:
    async with Node(SAMPLE, tmp_path, report_s=0.2) as node:
        node.engine.add("hang", str(tmp_path / "one"))
        await aeventually((tmp_path / "one").exists, WAIT_S, "the task runs")
        node.engine.failures = 1_000_000
        node.supervisor.stop(hard=True)
        node.supervisor.stop(hard=True)
        assert await node.ended() == 130


# --- the end, by real signals to a real program


@pytest.fixture
def program(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A node as a program, which runs one task that hangs until the file ``go`` is there."""
    command = [sys.executable, "-m", "tests.support.node_program", SAMPLE, str(tmp_path)]
    process = subprocess.Popen(command, start_new_session=True, env={**os.environ, "PYTHONPATH": "src"})
    eventually((tmp_path / "started").exists, WAIT_S, "the task runs")
    yield process
    process.kill()
    process.wait()


def finished(tmp_path: Path) -> str:
    return (tmp_path / "finished").read_text()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_the_first_signal_drains(program: subprocess.Popen[bytes], tmp_path: Path, signum: signal.Signals) -> None:
    program.send_signal(signum)
    eventually((tmp_path / "draining").exists, WAIT_S, "the node drains")
    (tmp_path / "go").touch()
    assert program.wait(WAIT_S) == 0
    assert finished(tmp_path) == "completed"


def test_signals_to_all_processes_of_the_node_let_the_task_end(
    program: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    for pid in [program.pid, *descendants(program.pid)]:
        os.kill(pid, signal.SIGTERM)
    eventually((tmp_path / "draining").exists, WAIT_S, "the node drains")
    (tmp_path / "go").touch()
    assert program.wait(WAIT_S) == 0
    assert finished(tmp_path) == "completed"


def test_ctrl_c_in_the_terminal_reaches_the_supervisor_alone(program: subprocess.Popen[bytes], tmp_path: Path) -> None:
    os.killpg(program.pid, signal.SIGINT)
    eventually((tmp_path / "draining").exists, WAIT_S, "the node drains")
    (tmp_path / "go").touch()
    assert program.wait(WAIT_S) == 0


def test_the_second_sigint_aborts(program: subprocess.Popen[bytes], tmp_path: Path) -> None:
    program.send_signal(signal.SIGINT)
    eventually((tmp_path / "draining").exists, WAIT_S, "the node drains")
    program.send_signal(signal.SIGINT)
    assert program.wait(WAIT_S) == 130
    assert finished(tmp_path) == "failed"


def test_when_the_supervisor_is_killed_all_its_processes_end(program: subprocess.Popen[bytes], tmp_path: Path) -> None:
    pids = descendants(program.pid)
    assert int((tmp_path / "started").read_text()) in pids, "a program that the task has started"
    assert len(pids) >= 3
    program.kill()
    for pid in pids:
        eventually(partial(gone, pid), WAIT_S, f"process {pid} is gone")


def is_empty(folder: Path) -> bool:
    return not list(folder.iterdir())


def descendants(pid: int) -> list[int]:
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return children + [grandchild for child in children for grandchild in descendants(child)]


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


# --- services


async def test_a_service_starts_and_stops_any_number_of_times(tmp_path: Path) -> None:
    from latchwork.node.service import Service

    class Counting(Service):
        runs = ended = 0

        async def run(self) -> None:
            self.runs += 1
            try:
                await asyncio.Event().wait()
            finally:
                self.ended += 1

    failures: list[BaseException] = []
    service = Counting(failures.append)

    def reached(number: int) -> bool:
        return service.runs == number

    await service.stop()
    for number in range(1, 50):
        service.start()
        service.start()
        await aeventually(partial(reached, number), WAIT_S, "it runs")
        assert service.running
        await asyncio.gather(service.stop(), service.stop())
        assert not service.running
    assert service.runs == service.ended == 49
    assert failures == []


async def test_a_service_that_fails_tells_and_can_be_started_again() -> None:
    from latchwork.node.service import Service

    class Failing(Service):
        async def run(self) -> None:
            raise ValueError("broken")

    failures: list[BaseException] = []
    service = Failing(failures.append)

    def reached(number: int) -> bool:
        return len(failures) == number

    for number in (1, 2):
        service.start()
        await aeventually(partial(reached, number), WAIT_S, "it fails")
        assert not service.running
    await service.stop()
    assert [str(failure) for failure in failures] == ["broken", "broken"]
