"""What becomes of a task, by what its function does: real nodes, templates and children, no database."""

from __future__ import annotations

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


# --- results


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [((), {}), ((1, "two", [None, True, 2.5]), {}), ((), {"naïve": "☃", "big": 2**80}), (("x" * 1_000,), {"y": {}})],
)
async def test_arguments_arrive_and_the_result_comes_back(
    node: Node, args: tuple[object, ...], kwargs: dict[str, object]
) -> None:
    assert result_of(await node.run("echo", *args, **kwargs)) == [list(args), kwargs]


async def test_large_arguments_arrive(node: Node) -> None:
    count = 7 * 1024 * 1024  # each quote takes two bytes in JSON
    payload = '{"args":["' + '\\"' * count + '"],"kwargs":{}}'
    assert result_of(await node.run("length", payload=payload)) == count


async def test_an_async_function_is_run_to_its_end(tmp_path: Path) -> None:
    async with Node("tests.support.apps.coloured:app", tmp_path) as node:
        assert result_of(await node.run("asynchronous", 3)) == [0, 1, 2]
        error = error_of(await node.run("asynchronous_failure"))
        assert (error["type"], error["message"]) == ("ValueError", "in a coroutine")


@pytest.mark.parametrize(
    ("what", "message"),
    [("set", "result: set is not JSON"), ("nan", "result[0]: nan is not JSON"), ("bytes", "base64"), ("app", "App"),
     ("large", "exceed the limit")],
)  # fmt: skip
async def test_a_result_that_is_not_json_fails_the_task_and_says_where(node: Node, what: str, message: str) -> None:
    error = error_of(await node.run("value", what))
    assert error["type"] == "PayloadError"
    assert error["message"].startswith("The result cannot be stored: result")
    assert message in error["message"]


# --- errors


async def test_an_error_has_type_message_and_traceback_without_locals(node: Node) -> None:
    error = error_of(await node.run("fail", "own"))
    assert (error["type"], error["message"]) == ("tests.support.apps.sample.Own", "what happened")
    assert error["traceback"].startswith("Traceback (most recent call last):\n  File ")
    assert 'raise Own("what happened")' in error["traceback"]
    assert "a local value" not in error["traceback"].replace('secret = "a local value"', "")
    assert "latchwork/executor" not in error["traceback"]


async def test_a_chained_error_shows_its_cause(node: Node) -> None:
    error = error_of(await node.run("fail", "chained"))
    assert error["message"] == "second"
    assert "ValueError: first" in error["traceback"]


@pytest.mark.parametrize(
    ("how", "kind", "message"),
    [
        ("broken", "tests.support.apps.sample.Broken", "__str__ raised RuntimeError"),
        ("rude", "tests.support.apps.sample.Rude", "not an Exception"),
        ("exit", "SystemExit", "sys.exit(3)"),
        ("interrupt", "KeyboardInterrupt", "interrupted"),
        ("deep", "RecursionError", "maximum recursion depth"),
        ("text", "tests.support.apps.sample.Own", "nul \ufffd and surrogate \ufffd"),
    ],
)
async def test_errors_that_are_no_plain_exceptions_are_told(node: Node, how: str, kind: str, message: str) -> None:
    error = error_of(await node.run("fail", how))
    assert error["type"] == kind
    assert message in error["message"]


async def test_a_long_error_keeps_its_head_and_its_tail(node: Node) -> None:
    error = error_of(await node.run("fail", "long"))
    assert len(error["message"]) < 9_000
    assert "characters dropped" in error["message"]
    assert len(error["traceback"]) < 66_000
    assert error["traceback"].startswith("Traceback")


async def test_a_name_the_app_does_not_have_is_not_looked_for_elsewhere(node: Node) -> None:
    for name in ("os.getpid", "tests.support.apps.sample.echo", "builtins.eval", "ech"):
        assert error_of(await node.run(name))["type"] == "UnknownTask"


@pytest.mark.parametrize("payload", ["", "{", "[]", '{"args":[NaN],"kwargs":{}}', '{"args":[],"kwargs":{"a":1,"a":2}}'])
async def test_arguments_that_are_not_exact_json_fail_the_task(node: Node, payload: str) -> None:
    error = error_of(await node.run("echo", payload=payload))
    assert error["type"] == "PayloadError"
    assert error["message"].startswith("The arguments cannot be read")


# --- ends without an outcome


@pytest.mark.parametrize(
    ("how", "kind", "message"),
    [
        ("SIGKILL", "ChildKilled", "Killed by signal 9 (SIGKILL)."),
        ("SIGSEGV", "ChildKilled", "Killed by signal 11 (SIGSEGV)."),
        ("exit 3", "ChildExited", "Task process died unexpectedly with exit code 3."),
        ("exit 0", "ChildExited", "Task process died unexpectedly with exit code 0."),
        ("exit in a thread", "ChildExited", "Task process died unexpectedly with exit code 4."),
    ],
)
async def test_a_process_that_dies_fails_its_task_with_the_reason(
    node: Node, how: str, kind: str, message: str
) -> None:
    error = error_of(await node.run("die", how))
    assert (error["type"], error["message"]) == (kind, message)
    assert result_of(await node.run("echo")) == [[], {}]


@pytest.mark.parametrize("ignore", [False, True])
async def test_a_task_over_its_time_is_killed_whatever_it_ignores(node: Node, tmp_path: Path, ignore: bool) -> None:
    finish = await node.run("hang", str(tmp_path / "runs"), ignore, timeout_s=0.5)
    assert error_of(finish)["type"] == "TaskTimeout"
    assert "0.5 s" in error_of(finish)["message"]
    pid = int((tmp_path / "runs").read_text())
    await aeventually(lambda: not Path(f"/proc/{pid}").exists(), WAIT_S, "the process is gone")


async def test_a_child_that_closes_its_socket_and_goes_on_is_killed(node: Node) -> None:
    assert error_of(await node.run("close_socket"))["type"] == "ChildLost"


@pytest.mark.parametrize("garbage", ["ffffffff", "00000003616263", "0000000f" + b"completed {bad}".hex(),
                                     "00000004ff000000", "0000000e" + b'failed {"a":1}'.hex()])  # fmt: skip
async def test_nonsense_on_the_socket_costs_only_that_task(node: Node, garbage: str) -> None:
    error = error_of(await node.run("write_to_socket", garbage))
    assert error["type"] == "ChildBroken"
    assert result_of(await node.run("echo")) == [[], {}]


# --- output


async def test_all_that_a_task_and_its_programs_print_is_kept_in_order(node: Node) -> None:
    finish = await node.run("printing", "all ways")
    assert finish.output == "print\nerror\nwrite\nprogram\nno newline"


async def test_output_that_is_not_text_is_made_text(node: Node) -> None:
    assert (await node.run("printing", "not text")).output == "\ufffd\ufffd nul \ufffd end"


async def test_a_task_that_prints_much_is_not_blocked_and_only_head_and_tail_are_kept(node: Node) -> None:
    finish = await node.run("printing", "much")
    assert finish.state == "completed"
    assert finish.output is not None
    assert finish.output.startswith("line 000000 ")
    assert finish.output.endswith("line 019999 " + "x" * 50 + "\n")
    assert " bytes dropped " in finish.output
    assert len(finish.output) < 66_000


async def test_output_of_a_killed_task_is_kept(node: Node, tmp_path: Path) -> None:
    finish = await node.run("hang", str(tmp_path / "runs"), timeout_s=0.5)
    assert finish.output == "hanging\n"


async def test_a_task_without_output_has_none(node: Node) -> None:
    assert (await node.run("nothing")).output is None


async def test_a_task_may_break_its_own_stdout(node: Node) -> None:
    assert (await node.run("printing", "broken stdout")).state == "completed"


# --- signals


@pytest.mark.parametrize("signame", ["SIGTERM", "SIGINT", "SIGHUP"])
async def test_the_first_stop_signal_is_left_to_the_node(node: Node, signame: str) -> None:
    assert result_of(await node.run("signal_self", signame)) == "alive"


async def test_in_a_fork_of_the_task_a_stop_signal_works(node: Node) -> None:
    assert result_of(await node.run("signal_fork")) == -signal.SIGTERM
