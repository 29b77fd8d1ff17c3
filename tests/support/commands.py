"""The command line for tests: run in this process for its words, or as a process of its own for its life."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import latchwork
from latchwork.cli.main import main
from tests.support.eventually import eventually

LIMIT_S = 60.0
ROOT = Path(latchwork.__path__[0]).parent


class Ran(NamedTuple):
    """What a command printed, and its exit code."""

    code: object
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)


class Commands:
    """Runs commands in this process, without LATCHWORK_* from outside."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        for name in ("LATCHWORK_DSN", "LATCHWORK_SCHEMA", "COLUMNS", "FORCE_COLOR"):
            monkeypatch.delenv(name, raising=False)

    def __call__(self, *arguments: str, columns: int | None = None, **env: str) -> Ran:
        with self._monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["latchwork", *arguments])
            for name, value in env.items():
                patch.setenv(name, value)
            if columns is not None:
                patch.setenv("COLUMNS", str(columns))
            self._capsys.readouterr()
            with pytest.raises(SystemExit) as ended:
                main()
        out, err = self._capsys.readouterr()
        return Ran(ended.value.code or 0, out, err)


class Process:
    """A command that runs in a process of its own, in ``folder``; its output goes to files there."""

    def __init__(self, folder: Path, *arguments: str, **env: str) -> None:
        self._out, self._err = folder / "stdout", folder / "stderr"
        clean = {name: value for name, value in os.environ.items() if not name.startswith("LATCHWORK_")}
        paths = os.pathsep.join([str(ROOT), *(path for path in sys.path if path and Path(path) != folder)])
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "latchwork.cli.main", *arguments],
                cwd=folder,
                env={**clean, "PYTHONPATH": paths, **env},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    @property
    def out(self) -> str:
        return self._out.read_text()

    @property
    def err(self) -> str:
        return self._err.read_text()

    def says(self, text: str) -> None:
        """Wait until it has written ``text``."""

        def said() -> bool:
            assert self.process.poll() is None or text in self.out + self.err, self.out + self.err
            return text in self.out + self.err

        eventually(said, LIMIT_S, f"it says {text!r}")

    def signal(self, signum: signal.Signals) -> None:
        self.process.send_signal(signum)

    def wait(self) -> int:
        """Wait for its end; return the exit code."""
        return self.process.wait(LIMIT_S)


@contextmanager
def started(folder: Path, *arguments: str, **env: str) -> Iterator[Process]:
    """A command that runs beside the test, and is gone afterwards."""
    running = Process(folder, *arguments, **env)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.wait(LIMIT_S)
