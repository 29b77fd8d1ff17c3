"""The pieces of the keeper that need no server."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from latchwork.db.embedded.cluster import _attach
from latchwork.db.embedded.identity import Identity, choose_identity, let_in
from latchwork.db.embedded.keeper import clear_run_folder, make_run_folder, refuse, remove_all, take_lock
from latchwork.db.embedded.server import check_port, drop_stale_pid_file
from latchwork.db.embedded.spec import KEEPER_SOCKET, Failure, Ready, Refusal, Spec, decode, encode
from latchwork.errors import ConfigError

WE = Identity("plain", os.geteuid(), os.getegid())


def spec_of(folder: Path, *, temporary: bool = False) -> Spec:
    return Spec(str(folder), "", None, {}, 1.0, temporary, [])


@pytest.mark.parametrize("answer", [Ready("/a b", 5432, True), Refusal("config", "two\nlines", "ä")])
def test_an_answer_survives_the_socket_as_one_line(answer: Ready | Refusal) -> None:
    line = encode(answer)
    assert line.count(b"\n") == 1
    assert decode(line) == answer


def test_a_left_pid_file_of_a_strange_process_is_removed(tmp_path: Path) -> None:
    file = tmp_path / "postmaster.pid"
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, cwd="/") as stranger:
        file.write_text(f"{stranger.pid}\n/somewhere\n")
        drop_stale_pid_file(tmp_path)
    assert not file.exists()


def test_the_pid_file_of_a_server_that_runs_in_the_cluster_stays(tmp_path: Path) -> None:
    file = tmp_path / "postmaster.pid"
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, cwd=tmp_path) as server:
        file.write_text(f"{server.pid}\n")
        drop_stale_pid_file(tmp_path)
        assert file.exists()


@pytest.mark.parametrize("content", ["", "not a number\n", f"{2**22 + 1}\n"])
def test_a_pid_file_that_names_no_process_is_removed(tmp_path: Path, content: str) -> None:
    (tmp_path / "postmaster.pid").write_text(content)
    drop_stale_pid_file(tmp_path)
    assert not (tmp_path / "postmaster.pid").exists()


def test_a_taken_port_is_a_mistake_of_the_user_told_in_one_line() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(Failure, match=f"port {port} on 127.0.0.1 cannot be used: Address already in use") as caught:
            check_port(port)
    assert caught.value.kind == "config"
    check_port(port)


def test_the_sockets_lie_in_the_folder_if_the_path_is_short(tmp_path: Path) -> None:
    spec = spec_of(tmp_path)
    assert make_run_folder(spec, WE) == spec.run
    assert spec.run.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("name", ["d" * 100, "a,b"], ids=["deep", "comma"])
def test_the_sockets_lie_elsewhere_if_the_path_would_not_do(tmp_path: Path, name: str) -> None:
    spec = spec_of(tmp_path / name)
    Path(spec.folder).mkdir()
    first = make_run_folder(spec, WE)
    assert len(str(first)) < 90
    assert "," not in str(first)
    assert first.stat().st_mode & 0o777 == 0o700
    assert spec.run.resolve() == first
    second = make_run_folder(spec, WE)
    assert second != first
    assert not first.exists(), "what the keeper before left is removed"
    clear_run_folder(spec)
    assert not second.exists()
    assert not spec.run.is_symlink()
    third = make_run_folder(spec, WE)
    spec.run.unlink()  # as if somebody had deleted the data folder
    clear_run_folder(spec, third)
    assert not third.exists()


def test_one_keeper_gets_the_lock_and_none_gets_that_of_a_removed_folder(tmp_path: Path) -> None:
    spec = spec_of(tmp_path)
    lock = take_lock(spec)
    assert lock is not None
    assert take_lock(spec) is None
    os.close(lock)
    again = take_lock(spec)
    assert again is not None
    os.close(again)
    assert take_lock(spec_of(tmp_path / "removed")) is None


def test_removing_what_was_made_leaves_what_was_not(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, temporary=True)
    spec.cluster.mkdir()
    for file in (spec.lock, spec.log, tmp_path / "mine.txt"):
        file.write_text("")
    remove_all(spec)
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine.txt"]


def test_who_may_not_run_postgres_and_has_no_way_out_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(Failure, match=r"does not run as root.* run as an ordinary user, or set LATCHWORK_DSN"):
        choose_identity([])
    monkeypatch.setattr(os, "geteuid", lambda: 54_321)
    with pytest.raises(Failure, match="as uid 54321, which has no passwd entry"):
        choose_identity([])


def test_a_folder_that_the_other_user_could_not_enter_is_refused(tmp_path: Path) -> None:
    (tmp_path / "private").mkdir(0o700)
    inside = tmp_path / "private" / "data"
    inside.mkdir()
    with pytest.raises(Failure, match=r"who may not enter a folder above .*/private/data; choose a data folder"):
        let_in(Identity("setuid", os.geteuid(), os.getegid()), spec_of(inside))
    assert let_in(WE, spec_of(inside)) == spec_of(inside), "who stays the same needs no way in"


@pytest.mark.parametrize("ours", [True, False])
def test_that_a_keeper_cannot_start_is_the_error_of_the_user_who_started_it(tmp_path: Path, ours: bool) -> None:
    spec = spec_of(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(make_run_folder(spec, WE) / KEEPER_SOCKET))
        listener.listen()
        with ThreadPoolExecutor(1) as keeper:
            keeper.submit(refuse, listener, Refusal("config", "port 1 is taken", ""))
            if ours:
                with pytest.raises(ConfigError, match="port 1 is taken"):
                    _attach(spec, time.monotonic() + 60, ours=True)
            else:  # who asked for no port starts a keeper of its own
                assert _attach(spec, time.monotonic() + 60, ours=False) is None
