"""What the template says of an app: who it is, what is wrong with it, what tasks will feel of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.node import Node, error_of, refuse, result_of

APP = "from latchwork import App\napp = App('postgresql://x', schema='mine')\n"

Write = Callable[[str, str], None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a module that templates can import."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), "src"]))

    def write_module(name: str, text: str) -> None:
        (tmp_path / f"{name}.py").write_text(text)

    return write_module


async def test_the_node_learns_of_the_app_what_the_template_imported(tmp_path: Path) -> None:
    async with Node("tests.support.apps.coloured:app", tmp_path) as node:
        hello = node.supervisor._children.hello
        assert hello is not None
        assert hello.names == ("asynchronous", "asynchronous_failure", "has_asyncio")
        assert (hello.dsn, hello.schema) == ("postgresql://nobody@localhost/none", "latchwork")
        assert node.engine.names == hello.names


async def test_an_app_may_have_many_tasks_with_long_names(tmp_path: Path, write: Write) -> None:
    write("many", APP + "for n in range(3000):\n    app.task(name=f'{n:04d}' + '☃' * 196)(lambda: None)\n")
    async with Node("many:app", tmp_path) as node:
        assert len(node.engine.names) == 3000
        assert result_of(await node.run("2999" + "☃" * 196)) is None


async def test_what_is_not_a_target_is_refused(tmp_path: Path) -> None:
    for target in ("nocolon", ":app", "module:", ""):
        assert "is not MODULE:APP" in await refuse(target, tmp_path)


async def test_a_module_that_is_not_there_is_named(tmp_path: Path) -> None:
    message = await refuse("no_such_module.tasks:app", tmp_path)
    assert message.startswith("ConfigError: there is no module 'no_such_module' in ")
    assert "PYTHONPATH" in message
    assert "Traceback" not in message


async def test_a_module_that_fails_shows_the_end_of_its_traceback(tmp_path: Path, write: Write) -> None:
    write("failing", "def deep(n):\n    return deep(n - 1) if n else 1 / 0\ndeep(50)\n")
    message = await refuse("failing:app", tmp_path)
    assert message.startswith("ConfigError: importing 'failing' failed with ZeroDivisionError; mend the module.")
    assert "1 / 0" in message
    assert len(message.splitlines()) <= 13


@pytest.mark.parametrize(
    ("text", "kind"),
    [("import no_such_dependency", "ModuleNotFoundError"), ("import sys; sys.exit('enough')", "SystemExit"),
     ("def f(:", "SyntaxError")],
)  # fmt: skip
async def test_other_failures_of_the_import_are_told(tmp_path: Path, write: Write, text: str, kind: str) -> None:
    write("failing", text)
    assert f"importing 'failing' failed with {kind}" in await refuse("failing:app", tmp_path)


async def test_a_template_that_dies_while_importing_is_told(tmp_path: Path, write: Write) -> None:
    write("dying", "import os\nos._exit(7)\n")
    message = await refuse("dying:app", tmp_path)
    assert message.startswith("ExecutorError: The template exited with code 7. It had not imported the app yet")


async def test_a_name_the_module_does_not_have(tmp_path: Path, write: Write) -> None:
    write("nothere", APP)
    assert "the module 'nothere' has no 'application'" in await refuse("nothere:application", tmp_path)


async def test_what_is_not_an_app(tmp_path: Path, write: Write) -> None:
    write("noapp", "from latchwork import App\napp = 7\n")
    assert "is of type int, not a latchwork App" in await refuse("noapp:app", tmp_path)


async def test_an_app_without_a_database_is_told(tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LATCHWORK_DSN", raising=False)
    write("nodsn", "from latchwork import App\napp = App()\n")
    assert "LATCHWORK_DSN" in await refuse("nodsn:app", tmp_path)


async def test_a_socket_opened_by_the_import_is_dead_in_tasks_and_warned_of(
    tmp_path: Path, write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    write(
        "connected",
        APP + "import socket\nours, theirs = socket.socketpair()\nfile = open(__file__)\n"
        "@app.task(name='use')\ndef use():\n    ours.send(b'x')\n"
        "@app.task(name='read')\ndef read():\n    return file.readline()\n",
    )
    async with Node("connected:app", tmp_path) as node:
        assert error_of(await node.run("use"))["type"] == "BrokenPipeError"
        assert result_of(await node.run("read")) == "from latchwork import App\n", "a file is left open"
    assert "opens a socket when it is imported" in caplog.text


async def test_threads_started_by_the_import_are_warned_of(
    tmp_path: Path, write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    write(
        "threaded",
        APP + "import threading, time\nthreading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n",
    )
    async with Node("threaded:app", tmp_path):
        pass
    assert "starts 1 threads when it is imported" in caplog.text


async def test_what_the_import_leaves_in_buffers_is_not_printed_by_every_task(tmp_path: Path, write: Write) -> None:
    write("buffered", APP + "print('import', end='')\n@app.task(name='quiet')\ndef quiet():\n    pass\n")
    async with Node("buffered:app", tmp_path) as node:
        assert (await node.run("quiet")).output is None
