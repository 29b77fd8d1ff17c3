"""What a child has of its own, what it does not inherit, and what it can leave behind."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.eventually import aeventually
from tests.support.node import WAIT_S, Node, error_of, result_of

SAMPLE = "tests.support.apps.sample:app"


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with Node(SAMPLE, tmp_path) as node:
        yield node


def gone(pid: int) -> bool:
    """Whether the process has ended, reaped or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


async def test_each_task_has_a_process_a_session_and_a_group_of_its_own(node: Node) -> None:
    first, second = [result_of(await node.run("surroundings")) for _ in range(2)]
    assert first["pid"] == first["sid"] == first["pgid"]
    assert first["pid"] != second["pid"]


async def test_each_task_works_in_an_empty_private_directory(node: Node) -> None:
    for _ in range(3):
        surroundings = result_of(await node.run("surroundings"))
        assert surroundings["files"] == []
        assert surroundings["mode"] == "0o700"
        assert Path(surroundings["cwd"]).is_relative_to(node.workdir)


@pytest.mark.parametrize("how", ["file", "mode", "removed", "tree"])
async def test_a_directory_that_a_task_changed_is_removed_and_given_to_no_other(node: Node, how: str) -> None:
    path = Path(result_of(await node.run("litter", how)))
    await aeventually(lambda: not path.exists(), WAIT_S, "the directory is removed")
    assert result_of(await node.run("surroundings"))["cwd"] != str(path)


async def test_tasks_run_on_when_someone_cleans_up_the_place_for_temporary_files(node: Node) -> None:
    await node.run("nothing")
    (base,) = node.bases()
    shutil.rmtree(base)
    assert result_of(await node.run("surroundings"))["files"] == []


async def test_a_child_holds_its_socket_its_output_and_no_other_descriptor(node: Node) -> None:
    fds = result_of(await node.run("surroundings"))["fds"]
    assert fds["0"] == "/dev/null"
    assert fds["1"] == fds["2"]
    assert fds["1"].startswith("pipe:")
    others = [target for fd, target in fds.items() if int(fd) > 2 and not target.startswith("/proc/")]
    assert len(others) == 1
    assert others[0].startswith("socket:")


async def test_a_child_has_no_input_and_default_handlers(node: Node) -> None:
    surroundings = result_of(await node.run("surroundings"))
    assert surroundings["stdin"] == ""
    assert set(surroundings["handlers"].values()) == {repr(signal.SIG_DFL)}


async def test_what_makes_forks_slow_is_not_imported_for_the_app(node: Node) -> None:
    modules = set(result_of(await node.run("surroundings"))["modules"])
    assert "threading" in modules, "the sample app imports it; if it did not, this test would show nothing"
    assert modules.isdisjoint({"asyncio", "logging", "psycopg", "dataclasses", "concurrent.futures", "multiprocessing"})


async def test_what_makes_forks_slow_is_not_imported_by_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lean.py").write_text(
        "from latchwork import App\n"
        "app = App('postgresql://x')\n"
        "@app.task(name='modules')\n"
        "def modules():\n"
        "    import sys\n"
        "    return sorted(sys.modules)\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), "src"]))
    async with Node("lean:app", tmp_path) as node:
        modules = set(result_of(await node.run("modules")))
    heavy = {"asyncio", "threading", "logging", "psycopg", "dataclasses", "subprocess", "pathlib", "tempfile", "random"}
    assert modules.isdisjoint(heavy), modules & heavy
    assert "latchwork.executor.child" in modules


async def test_asyncio_is_imported_once_for_an_app_with_async_tasks(tmp_path: Path) -> None:
    async with Node("tests.support.apps.coloured:app", tmp_path) as node:
        assert result_of(await node.run("has_asyncio")) is True


@pytest.mark.parametrize("how", ["program", "fork"])
async def test_processes_left_in_the_group_are_killed(node: Node, how: str) -> None:
    pid = result_of(await node.run("leave_behind", how))
    await aeventually(lambda: gone(pid), WAIT_S, "what the task left behind is gone")


async def test_a_daemon_that_holds_the_socket_does_not_keep_the_slot(node: Node) -> None:
    pid = result_of(await node.run("leave_behind", "daemon"))
    os.kill(pid, 9)


async def test_threads_left_running_end_with_the_task(node: Node) -> None:
    assert result_of(await node.run("threads")) == "done"


async def test_the_supervisor_never_imports_the_app(node: Node) -> None:
    import sys

    await node.run("nothing")
    assert "tests.support.apps.sample" not in sys.modules


async def test_a_node_leaks_neither_descriptors_nor_processes_nor_directories(tmp_path: Path) -> None:
    async with Node(SAMPLE, tmp_path, slots=2) as node:
        for _ in range(20):
            node.engine.add("nothing")
        await node.engine.wait_for(lambda: len(node.engine.finished) == 20)
        known = node.supervisor._children._children

        def at_rest() -> bool:
            return len(known) == 3 and counts(node)[1:] == (3, 2)

        await aeventually(at_rest, WAIT_S, "three spares and two clean directories are left")
        before = counts(node)
        for how in ["file", "mode", "removed", "tree"] * 10:
            node.engine.add("nothing")
            node.engine.add("fail", "own")
            node.engine.add("litter", how)
        await node.engine.wait_for(lambda: len(node.engine.finished) == 140)
        seen: list[tuple[int, int, int]] = []

        def back() -> bool:
            seen[:] = [counts(node)]
            return all(now <= then for now, then in zip(seen[0], before, strict=True))

        await aeventually(back, WAIT_S, f"{before} descriptors, processes and directories; {seen}")
    assert not node.bases()


def counts(node: Node) -> tuple[int, int, int]:
    """Descriptors of the supervisor, processes below its template, directories of children."""
    processes = [path for path in Path("/proc").iterdir() if parent(path.name) == node.template_pid]
    (base,) = node.bases()
    return len(list(Path("/proc/self/fd").iterdir())), len(processes), len(list(base.iterdir()))


def parent(pid: str) -> int:
    if not pid.isdigit():
        return 0
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


# --- questions over the link


async def test_a_task_knows_itself(node: Node) -> None:
    task_id = node.engine.add("me")
    assert result_of(await node.engine.outcome(task_id)) == [task_id, "me", 1, "token-1", 1]


async def test_a_task_asks_its_node(node: Node) -> None:
    params = {"text": "naïve ☃", "list": [1, None]}
    finish = await node.run("ask", "lookup", params)
    assert result_of(finish) == {"method": "lookup", **params}
    assert node.engine.calls == [(finish.id, "lookup", params)]


async def test_large_questions_and_answers_pass(node: Node) -> None:
    node.engine.answer = lambda _, params: len(params["text"]) * [7]
    assert result_of(await node.run("ask", "n", {"text": "x" * 300_000})) == 300_000 * [7]


async def test_a_refusal_arrives_as_the_error_it_was(node: Node) -> None:
    from latchwork.errors import InputError

    def refuse(method: str, params: object) -> None:
        raise InputError(f"not {method}")

    node.engine.answer = refuse
    error = error_of(await node.run("ask", "that", {}))
    assert (error["type"], error["message"]) == ("latchwork.errors.InputError", "not that")


async def test_a_failure_of_the_node_itself_is_told_without_its_details(node: Node) -> None:
    def fail(method: str, params: object) -> None:
        raise ZeroDivisionError("inside")

    node.engine.answer = fail
    error = error_of(await node.run("ask", "that", {}))
    assert error["type"] == "latchwork.errors.LatchworkError"
    assert "inside" not in error["message"]
    assert result_of(await node.run("echo")) == [[], {}]


async def test_threads_of_a_task_ask_in_turn(node: Node) -> None:
    assert result_of(await node.run("ask_in_threads", 8)) == list(range(8))


async def test_a_fork_of_the_task_cannot_ask(node: Node) -> None:
    assert "has no link to the node" in result_of(await node.run("ask_in_fork"))
    assert node.engine.calls == []


async def test_a_question_that_is_not_json_is_refused_in_the_task(node: Node) -> None:
    assert error_of(await node.run("ask_bad"))["type"] == "latchwork.errors.PayloadError"


def test_outside_a_task_there_is_no_current_task_and_no_link() -> None:
    from latchwork import current_task
    from latchwork.errors import LatchworkError
    from latchwork.executor.context import link

    assert link() is None
    assert repr(current_task) == "<current task: none>"
    with pytest.raises(LatchworkError, match="no current task"):
        _ = current_task.id
