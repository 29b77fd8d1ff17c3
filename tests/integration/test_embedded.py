"""The life of the embedded server, with real processes and real signals. Each test has a server of its own."""

from __future__ import annotations

import os
import resource
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from latchwork.db.embedded import Embedded
from latchwork.errors import ConfigError, DatabaseUnavailable
from tests.support.embedded import (
    FAST,
    LIMIT_S,
    User,
    Watched,
    ask,
    held,
    is_free,
    log_of,
    parent_of,
    pid_of_initdb,
    server_pid,
)
from tests.support.eventually import eventually

# ------------------------------------------------------------------------------------------------------ start and stop


def test_a_start_makes_the_database_and_the_next_one_finds_its_data(
    data_folder: Path, watch_process: Callable[[int], Watched]
) -> None:
    with Embedded.start(data_folder, grace_s=0.2) as first:
        with psycopg.connect(first.dsn) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS answer")
        server = watch_process(server_pid(data_folder))
    assert server.ends()
    assert "database system is shut down" in log_of(data_folder)
    with Embedded.start(data_folder, grace_s=0.2) as second:
        assert ask(second.dsn, "SELECT count(*) FROM kept") == 1
        assert watch_process(server_pid(data_folder)).pid != server.pid


def test_the_database_is_utf8_durable_in_utc_and_reachable_by_nobody_else(data_folder: Path) -> None:
    with Embedded.start(data_folder, grace_s=0.2) as embedded:
        settings = ("server_encoding", "fsync", "full_page_writes", "timezone", "listen_addresses", "lc_messages")
        found = [ask(embedded.dsn, f"SHOW {name}") for name in settings]
        assert found == ["UTF8", "on", "on", "UTC", "", "C.UTF-8"]
        assert ask(embedded.dsn, "SELECT current_database() || ' ' || datcollate FROM pg_database LIMIT 1")
        for private in (data_folder / "run", data_folder / "pgdata"):
            assert private.stat().st_mode & 0o077 == 0
        assert data_folder.stat().st_mode & 0o066 == 0
        assert embedded.tcp_dsn is None


def test_the_users_own_postgres_environment_does_not_reach_the_server(
    used_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"PGPORT": "1", "PGDATA": "/nowhere", "PGOPTIONS": "-c nonsense=1", "LC_ALL": "tlh"}.items():
        monkeypatch.setenv(name, value)
    with held(used_folder) as embedded:
        monkeypatch.undo()
        assert ask(embedded.dsn, "SHOW port") == "5432"


def test_close_may_be_called_again_and_a_start_follows_at_once_upon_a_stop(used_folder: Path) -> None:
    for _ in range(5):  # a start that meets the old keeper stopping waits for its end
        with held(used_folder, grace_s=0) as embedded:
            assert ask(embedded.dsn, "SELECT 1") == 1
            embedded.close()
            assert not embedded.is_held()
            embedded.close()


def test_the_end_of_the_thread_that_started_it_does_not_stop_the_server(used_folder: Path) -> None:
    started: list[Embedded] = []
    thread = threading.Thread(target=lambda: started.append(Embedded.start(used_folder, grace_s=0, settings=FAST)))
    thread.start()
    thread.join()
    with started[0] as embedded:
        assert ask(embedded.dsn, "SELECT 1") == 1
        assert "shutdown request" not in log_of(used_folder)


def test_a_temporary_one_leaves_nothing(data_folder: Path, watch_process: Callable[[int], Watched]) -> None:
    with held(data_folder, temporary=True):
        keeper = watch_process(parent_of(server_pid(data_folder)))
    assert keeper.ends()
    assert not data_folder.exists()


# ------------------------------------------------------------------------------------------------- several, and deaths


def test_two_processes_share_one_server_and_the_death_of_the_last_one_stops_it(
    used_folder: Path, start_user: Callable[..., User], watch_process: Callable[[int], Watched]
) -> None:
    first = start_user(used_folder)
    first_dsn = first.dsn()
    server = watch_process(server_pid(used_folder))
    second = start_user(used_folder)
    assert second.dsn() == first_dsn
    assert server_pid(used_folder) == server.pid
    first.kill()
    for _ in range(
        2
    ):  # the keeper, whose grace is zero, has seen the end of the first one when it answers the last of these
        with held(used_folder) as third:
            assert ask(third.dsn, "SELECT 1") == 1
            assert server_pid(used_folder) == server.pid, "it stopped although a user is left"
    second.kill()  # SIGKILL: nothing of it can say good-bye
    assert server.ends()
    assert "database system is shut down" in log_of(used_folder)
    eventually(lambda: is_free(used_folder), LIMIT_S, "the keeper is gone too")
    assert not (used_folder / "run").exists()


def test_four_first_starts_at_once_make_one_server(data_folder: Path, start_user: Callable[..., User]) -> None:
    together = [start_user(data_folder) for _ in range(4)]
    pids = {ask(user.dsn(), "SELECT pg_postmaster_start_time()") for user in together}
    assert len(pids) == 1
    assert log_of(data_folder).count("starting PostgreSQL") == 1
    assert not (data_folder / "server.log.1").exists(), "a second keeper has run"


def test_the_death_of_the_keeper_stops_the_server_cleanly_and_a_start_waits_for_its_end(
    used_folder: Path, start_user: Callable[..., User], watch_process: Callable[[int], Watched]
) -> None:
    first = start_user(used_folder)
    with psycopg.connect(first.dsn()) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept AS SELECT 1 AS answer")
    server = watch_process(server_pid(used_folder))
    server.send(signal.SIGSTOP)  # it cannot stop yet
    keeper = watch_process(parent_of(server.pid))
    keeper.kill()
    assert keeper.ends()
    assert not is_free(used_folder), "a second server could start beside the one that still stops"
    second = start_user(used_folder)
    server.send(signal.SIGCONT)
    assert server.ends()
    assert ask(second.dsn(), "SELECT count(*) FROM kept") == 1
    assert "database system is shut down" in (used_folder / "server.log.1").read_text()


def test_the_death_of_the_server_ends_the_keeper_and_the_next_start_recovers(
    used_folder: Path, watch_process: Callable[[int], Watched]
) -> None:
    with Embedded.start(used_folder, grace_s=0.2) as embedded:
        with psycopg.connect(embedded.dsn) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS kept AS SELECT 1 AS answer")
        server = watch_process(server_pid(used_folder))
        keeper = watch_process(parent_of(server.pid))
        assert embedded.is_held()
        server.kill()
        assert keeper.ends()
        assert not embedded.is_held()
    with held(used_folder) as again:
        assert ask(again.dsn, "SELECT count(*) FROM kept") == 1
        assert "automatic recovery in progress" in log_of(used_folder)


def test_a_keeper_killed_while_it_makes_the_cluster_costs_its_user_nothing(
    data_folder: Path, start_user: Callable[..., User], watch_process: Callable[[int], Watched]
) -> None:
    user = start_user(data_folder)
    initdb = eventually(lambda: pid_of_initdb(data_folder), LIMIT_S, "initdb is at work")
    assert initdb is not None
    watch_process(parent_of(initdb)).kill()
    assert ask(user.dsn(), "SELECT 1") == 1
    assert (data_folder / "server.log.1").exists(), (
        "no second keeper was needed, so the first one was not killed in time"
    )


def test_a_half_made_cluster_is_made_anew(data_folder: Path) -> None:
    (data_folder / "pgdata.new" / "base").mkdir(parents=True)
    (data_folder / "pgdata.new" / "PG_VERSION").write_text("18\n")
    data_folder.chmod(0o700)
    with held(data_folder) as embedded:
        assert ask(embedded.dsn, "SELECT 1") == 1


def test_a_left_pid_file_that_names_a_living_stranger_does_not_matter(used_folder: Path) -> None:
    with held(used_folder):
        pass
    eventually(lambda: is_free(used_folder), LIMIT_S, "the first server has stopped")
    (used_folder / "pgdata" / "postmaster.pid").write_text(
        f"{os.getpid()}\n{used_folder}/pgdata\n1\n5432\n\n\n\nready   \n"
    )
    with held(used_folder) as embedded:
        assert ask(embedded.dsn, "SELECT 1") == 1


@pytest.mark.parametrize(
    "child",
    [
        "child = os.fork()\nif child == 0: sys.stdin.read(); os._exit(0)",
        "import subprocess; child = subprocess.Popen(['/bin/cat'], close_fds=False).pid",
    ],
    ids=["forked", "executed"],
)
def test_a_child_that_outlives_its_parent_does_not_hold_the_server(
    used_folder: Path, start_user: Callable[..., User], watch_process: Callable[[int], Watched], child: str
) -> None:
    user = start_user(used_folder, then=f"{child}\nprint(child, flush=True)")
    outlives = watch_process(int(user.dsn()))
    user.dsn()
    server = watch_process(server_pid(used_folder))
    user.process.kill()
    user.process.wait()
    assert server.ends()
    assert not outlives.ends(timeout_s=0), "the child has ended too, so this shows nothing"
    outlives.kill()


# ----------------------------------------------------------------------------------------------------------------- TCP


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_port_opens_tcp_for_those_who_know_the_password(used_folder: Path) -> None:
    port = free_port()
    with held(used_folder, port=port) as embedded:
        assert embedded.tcp_dsn is not None
        assert f"@127.0.0.1:{port}/" in embedded.tcp_dsn
        assert ask(embedded.tcp_dsn, "SELECT current_database()") == "latchwork"
        assert ask(embedded.dsn, "SELECT 1") == 1
        with pytest.raises(psycopg.OperationalError, match="no password supplied"):
            psycopg.connect(f"postgresql://postgres@127.0.0.1:{port}/latchwork")
        with pytest.raises(ConfigError, match=f"already runs on port {port}, so port 1 cannot be opened"):
            Embedded.start(used_folder, port=1)
        with held(used_folder) as other:
            assert other.tcp_dsn == embedded.tcp_dsn, "who asks for no port may still use the one there is"


def test_a_taken_port_is_told_in_one_line(data_folder: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} on 127.0.0.1 cannot be used: Address already") as caught:
            Embedded.start(data_folder, port=port, settings=FAST)
    assert "\n" not in str(caught.value)


# ----------------------------------------------------------------------------------------------- folders that do not do


@pytest.mark.parametrize("name", ["d" * 120, "a, b", 'quo"te', "späß"], ids=["deep", "comma", "quote", "unicode"])
def test_any_path_will_do(used_folder: Path, open_to_all: Path, name: str) -> None:
    folder = open_to_all / name
    if used_folder.exists():
        used_folder.rename(folder)
    with held(folder) as embedded:
        assert ask(embedded.dsn, "SELECT 1") == 1
        sockets = (folder / "run").resolve()
    eventually(lambda: is_free(folder), LIMIT_S, "the server has stopped")
    assert not sockets.exists()
    folder.rename(used_folder)


def test_data_of_another_major_version_is_refused_with_what_to_do(data_folder: Path) -> None:
    (data_folder / "pgdata").mkdir(parents=True)
    (data_folder / "pgdata" / "PG_VERSION").write_text("16\n")
    with pytest.raises(ConfigError, match=r"was made by PostgreSQL 16, .* are 18; name binaries of version 16, or"):
        Embedded.start(data_folder)


def test_folders_that_cannot_be_used_are_refused_with_the_reason(data_folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(ConfigError, match=f"the data folder {file} cannot be made: File exists"):
        Embedded.start(file)
    with pytest.raises(ConfigError, match="is 86401; it must be from 0 to 86400"):
        Embedded.start(data_folder, grace_s=86_401)
    with pytest.raises(ConfigError, match="port 70000 is none"):
        Embedded.start(data_folder, port=70_000)
    data_folder.mkdir()
    data_folder.chmod(0o777)
    with pytest.raises(ConfigError, match="everybody may write to the data folder"):
        Embedded.start(data_folder)
    data_folder.chmod(0o700)
    (data_folder / "PG_VERSION").write_text("18\n")
    with pytest.raises(ConfigError, match="is itself a PostgreSQL data directory"):
        Embedded.start(data_folder)
    (data_folder / "PG_VERSION").unlink()
    (data_folder / "pgdata").mkdir()
    with pytest.raises(ConfigError, match="pgdata is no PostgreSQL cluster; move it away"):
        Embedded.start(data_folder)


def test_a_folder_of_somebody_else_is_refused(data_folder: Path) -> None:
    theirs = Path("/usr")  # root's
    if os.geteuid() == 0:
        theirs = data_folder
        theirs.mkdir()
        os.chown(theirs, 54_321, 54_321)
    with pytest.raises(ConfigError, match=r"belongs to uid \d+, we are uid \d+; name a folder of your own"):
        Embedded.start(theirs)


def test_a_start_that_fails_shows_the_end_of_the_log(data_folder: Path) -> None:
    with pytest.raises(DatabaseUnavailable, match=r"does not start: .*server\.log(.|\n)*nonsense") as caught:
        Embedded.start(data_folder, settings={**FAST, "nonsense": "1"})
    assert 'unrecognized configuration parameter "nonsense"' in str(caught.value)
    with held(data_folder) as embedded:
        assert ask(embedded.dsn, "SELECT 1") == 1


def test_a_full_disk_is_told_and_the_start_after_it_works(data_folder: Path, start_user: Callable[..., User]) -> None:
    # A limit on the size of files stands in for the disk: writing fails in the same places.
    starved = start_user(data_folder, prepare=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20)))
    assert "DatabaseUnavailable: the embedded PostgreSQL in" in (said := starved.error())
    assert "initdb failed" in said
    assert "could not write" in said or "File size limit exceeded" in said
    with held(data_folder) as embedded:
        assert ask(embedded.dsn, "SELECT 1") == 1
