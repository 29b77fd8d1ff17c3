"""Whoever runs it: root, an ordinary user, a user without a passwd entry. Run as root these tests become the others."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import latchwork
from latchwork.db.embedded import cluster, find_binaries
from latchwork.db.embedded.identity import Identity, choose_identity, entrance
from latchwork.db.embedded.spec import Failure
from tests.support.embedded import LIMIT_S, User, ask, held, is_free, server_pid
from tests.support.eventually import eventually

NOBODY = 65_534
NAMELESS = 54_321  # no passwd file has it
AS_ROOT = os.geteuid() == 0


def namespaces_work() -> bool:
    """Whether this system lets root be called by another name."""
    try:
        return not AS_ROOT or choose_identity(["namespace"]).way == "namespace"
    except Failure:
        return False


def all_may_reach(path: Path) -> bool:
    return all(folder.stat().st_mode & 0o001 for folder in path.resolve().parents)


def becoming(uid: int) -> tuple[Callable[[], None] | None, str]:
    """How a process becomes ``uid``, and the Python it can run then. By name only where it could reach none.

    By name means a user namespace: after the next program has started it has no right of root left either.
    """
    if not AS_ROOT:
        return None, sys.executable
    needed = (Path(latchwork.__path__[0]), find_binaries())
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        if Path(python).exists() and all(map(all_may_reach, (Path(python), *needed))):
            return entrance(Identity("setuid", uid, uid)), python
    return entrance(Identity("namespace", uid, uid)), sys.executable


def test_root_needs_nothing_prepared_and_its_files_stay_its_own(used_folder: Path) -> None:
    with held(used_folder) as embedded:
        assert ask(embedded.dsn, "SELECT 1") == 1
        status = Path(f"/proc/{server_pid(used_folder)}/status").read_text()
        owner = (used_folder / "pgdata").stat().st_uid
    assert owner == (os.geteuid() if namespaces_work() else NOBODY)
    assert "CapEff:\t0000000000000000" in status, "the server has rights of root"


def test_an_ordinary_user_runs_it(data_folder: Path) -> None:
    prepare, python = becoming(NOBODY)
    user = User(data_folder, then="print(os.geteuid())", prepare=prepare, python=python)
    assert int(user.dsn()) == (NOBODY if AS_ROOT else os.geteuid())
    user.dsn()
    assert server_pid(data_folder)
    user.kill()


def test_a_user_without_a_passwd_entry_runs_it_or_is_told_why_not(data_folder: Path) -> None:
    prepare, python = becoming(NAMELESS)
    user = User(data_folder, prepare=prepare, python=python)
    if namespaces_work():
        assert "latchwork" in user.dsn()
        user.kill()
    else:
        assert "as uid 54321, which has no passwd entry" in user.error()


def test_without_namespaces_root_becomes_nobody_and_takes_its_data_back_later(
    used_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(cluster, "WAYS", ["setuid"])
        with held(used_folder, settings={}) as embedded:
            assert ask(embedded.dsn, "SELECT current_setting('fsync')") == "on"
            server = Path(f"/proc/{server_pid(used_folder)}")
            assert (
                server.stat().st_uid == (used_folder / "pgdata").stat().st_uid == (NOBODY if AS_ROOT else os.geteuid())
            )
            assert (used_folder / "run").stat().st_mode & 0o777 == 0o700
    eventually(lambda: is_free(used_folder), LIMIT_S, "the first server has stopped")
    with held(used_folder) as embedded:
        assert ask(embedded.dsn, "SELECT 1") == 1


def test_programs_that_the_other_user_cannot_reach_are_copied_with_their_libraries(
    used_folder: Path, open_to_all: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = find_binaries().parent.parent
    hidden = open_to_all / "hidden"
    hidden.mkdir(0o700)
    for source in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(source, hidden / source.name)
    monkeypatch.setattr(cluster, "WAYS", ["setuid"])
    with held(used_folder, binaries=hidden / package.name / "pginstall" / "bin") as embedded:
        assert ask(embedded.dsn, "SELECT 1") == 1
        program = Path(f"/proc/{server_pid(used_folder)}/exe").readlink()
    assert program.is_relative_to(used_folder / "programs" if AS_ROOT else hidden)
