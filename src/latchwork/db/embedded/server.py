"""The cluster and its postmaster, as the keeper runs them. The keeper holds the lock all the time."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from latchwork.db.embedded.identity import Identity, entrance, own
from latchwork.db.embedded.spec import USER_NAME, Failure, Spec

DEFAULT_PORT = 5432  # without TCP it is only a part of the socket's name
MAKE_LIMIT_S = 300.0
READY_LIMIT_S = 300.0  # replaying the log after a crash takes its time
STOP_LIMIT_S = 60.0
CREATE_DATABASE = Path(__file__).with_name("create_database.sql")

# Written into postgresql.conf when the cluster is made, so that they can be changed there.
INITIAL_SETTINGS = {"timezone": "'UTC'", "log_timezone": "'UTC'", "log_checkpoints": "off", "huge_pages": "off"}


class Server:
    """One PostgreSQL server: made, started, stopped."""

    def __init__(self, spec: Spec, identity: Identity, run: Path, lock: int) -> None:
        self.port = spec.port or DEFAULT_PORT
        self._spec = spec
        self._identity = identity
        self._run_folder = run
        self._lock = lock
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> subprocess.Popen[bytes]:
        """Make the cluster if there is none, start the server, wait until it is ready. Raises Failure."""
        spec = self._spec
        if spec.port is not None:
            check_port(spec.port)
        if not (spec.cluster / "PG_VERSION").exists():
            self._make_cluster()
        own(spec.cluster, self._identity)
        drop_stale_pid_file(spec.cluster)
        quoted = str(self._run_folder).replace('"', '""')
        settings = {
            **spec.settings,
            "listen_addresses": "127.0.0.1" if spec.port else "",
            "port": str(self.port),
            "unix_socket_directories": f'"{quoted}"',
            "logging_collector": "off",
        }
        self._process = self._popen("postgres", "-D", str(spec.cluster), *as_options(settings))
        self._wait_ready(self._process)
        return self._process

    def stop(self) -> None:
        """Stop the server if it runs: cleanly, unless its data is thrown away or it takes longer than a minute."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGQUIT if self._spec.temporary else signal.SIGINT)
        try:
            process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGQUIT)  # the next start replays the log
            process.wait()

    def _make_cluster(self) -> None:
        """Make the cluster under another name, and rename it when it is complete: a half-made one is never mistaken."""
        spec, identity = self._spec, self._identity
        if os.path.lexists(spec.cluster):
            raise Failure(
                "config", f"{spec.cluster} is no PostgreSQL cluster; move it away or name another data folder"
            )
        new = spec.cluster.with_name("pgdata.new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(0o700)
        own(new, identity)
        spec.password.unlink(missing_ok=True)
        spec.password.write_text(os.urandom(16).hex() + "\n")
        own(spec.password, identity)
        options = [f"--username={USER_NAME}", "--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions"]
        if spec.settings.get("fsync") == "off":
            options.append("--no-sync")
        access = ["--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={spec.password}"]
        self._run("initdb", "-D", str(new), *options, *access)
        with (new / "postgresql.conf").open("a") as config:
            config.writelines(f"{name} = {value}\n" for name, value in INITIAL_SETTINGS.items())
            config.flush()
            os.fsync(config.fileno())
        strict = as_options({**spec.settings, "exit_on_error": "on"})
        with CREATE_DATABASE.open("rb") as sql:
            self._run("postgres", "--single", "-D", str(new), *strict, "postgres", stdin=sql.fileno())
        new.rename(spec.cluster)

    def _run(self, program: str, *arguments: str, stdin: int = subprocess.DEVNULL) -> None:
        process = self._popen(program, *arguments, stdin=stdin)
        try:
            status = process.wait(MAKE_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise Failure("database", f"{program} took more than {MAKE_LIMIT_S:.0f} s") from None
        if status != 0:
            raise Failure("database", f"{program} failed with exit status {status} while the cluster was made")

    def _popen(self, program: str, *arguments: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
        return subprocess.Popen(  # noqa: S603 the program is the user's choice
            [str(Path(self._spec.programs, program)), *arguments],
            stdin=stdin,
            env={**kept, "LC_ALL": "C.UTF-8", "TZ": "UTC"},  # none of the user's PGPORT, PGDATA, PGOPTIONS
            pass_fds=(self._lock,),  # so the lock is held until the last process of the server is gone
            preexec_fn=entrance(self._identity),  # noqa: PLW1509 the keeper has one thread
        )

    def _wait_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + READY_LIMIT_S
        while not self._is_ready(process.pid):
            if process.poll() is not None:
                raise Failure("database", f"the server ended at its start with exit status {process.returncode}")
            if time.monotonic() > deadline:
                raise Failure("database", f"the server was not ready after {READY_LIMIT_S:.0f} s")
            time.sleep(0.01)

    def _is_ready(self, pid: int) -> bool:
        # The server writes its state into the eighth line; pg_ctl looks there too.
        try:
            lines = (self._spec.cluster / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"


def as_options(settings: dict[str, str]) -> list[str]:
    """Return the command line of ``postgres`` that makes these settings."""
    return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]


def drop_stale_pid_file(cluster: Path) -> None:
    """Remove a left ``postmaster.pid`` whose process is no server of this cluster.

    PostgreSQL refuses to start if that pid lives, whatever it is: after the restart of a container it usually does.
    We hold the lock, so no server of ours runs; one that somebody started by hand has the cluster as its working
    directory.
    """
    path = cluster / "postmaster.pid"
    try:
        pid = int(path.read_text().splitlines()[0])
        running = Path(f"/proc/{pid}/cwd").samefile(cluster)
    except (FileNotFoundError, PermissionError, ValueError, IndexError):
        # No file, no such process, one of another user (who cannot run a server on our files), or cut short by a crash.
        running = False
    if not running:
        path.unlink(missing_ok=True)


def check_port(port: int) -> None:
    """Raise Failure if ``port`` on 127.0.0.1 cannot be had."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise Failure(
                "config", f"port {port} on 127.0.0.1 cannot be used: {error.strerror}; choose another port or none"
            ) from None
