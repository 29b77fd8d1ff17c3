"""The user's side: one hold on the server of a data folder.

``Embedded.start`` connects to the folder's keeper, or starts one and connects then. The connection is the hold:
nothing has to be said at the end, so no ``atexit`` and no signal handler is needed. A forked child lets go of it at
once (the parent still holds), an executed program never gets it. Only a fork made outside of Python that executes
nothing would keep the server alive.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import weakref
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from latchwork.db.embedded import keeper_main
from latchwork.db.embedded.binaries import find_binaries, major_version
from latchwork.db.embedded.spec import (
    DATABASE_NAME,
    EXIT_BUSY,
    KEEPER_SOCKET,
    USER_NAME,
    Ready,
    Refusal,
    Spec,
    decode,
)
from latchwork.errors import ConfigError, DatabaseUnavailable

START_LIMIT_S = 60.0
GRACE_S = 1.0
WAYS = ["namespace", "setuid"]
PAUSE_MIN_S = 0.02
PAUSE_MAX_S = 0.5

_holds: weakref.WeakSet[socket.socket] = weakref.WeakSet()


class Embedded:
    """A hold on the embedded server of one data folder. The server runs at least until ``close()``.

    ``dsn`` reaches the database ``latchwork`` as superuser over the unix socket. ``tcp_dsn`` does so over 127.0.0.1,
    with the password in it, and is None without a port. ``data_dir`` is the folder, absolute.
    """

    def __init__(self, spec: Spec, ready: Ready, hold: socket.socket) -> None:
        self.data_dir = Path(spec.folder)
        self.dsn = f"postgresql://{USER_NAME}@/{DATABASE_NAME}?host={quote(ready.host, safe='')}&port={ready.port}"
        self.tcp_dsn: str | None = None
        if ready.tcp:
            password = spec.password.read_text().strip()
            self.tcp_dsn = f"postgresql://{USER_NAME}:{password}@127.0.0.1:{ready.port}/{DATABASE_NAME}"
        self._hold = hold
        _holds.add(hold)

    @classmethod
    def start(
        cls,
        data_dir: str | os.PathLike[str],
        *,
        binaries: str | os.PathLike[str] | None = None,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
        grace_s: float = GRACE_S,
        temporary: bool = False,
        timeout_s: float = START_LIMIT_S,
    ) -> Self:
        """Return a hold on the server of ``data_dir``, which is made and started if need be.

        ``binaries`` is as in ``find_binaries``. ``port``: listen on 127.0.0.1 too. ``settings``: PostgreSQL's own.
        ``grace_s``: how long the server stays when the last hold is gone. ``temporary``: then delete what was made in
        the folder. A server that runs already keeps the settings, grace and binaries it was started with.

        Raises ConfigError if the folder, the binaries or the port cannot be used, and DatabaseUnavailable if the
        server does not start or is not ready after ``timeout_s`` seconds.
        """
        _check_arguments(port, grace_s, timeout_s)
        folder = Path(data_dir).expanduser().resolve()
        spec = Spec(str(folder), "", port, dict(settings or {}), grace_s, temporary, WAYS)
        deadline, pause_s = time.monotonic() + timeout_s, PAUSE_MIN_S
        launched = False
        while True:
            held = _attach(spec, deadline, ours=launched)
            if held is not None:
                return cls(spec, *held)
            _prepare_folder(folder)
            if not spec.programs:
                spec = spec._replace(programs=str(_fitting_binaries(spec, binaries)))
            launched = _launch_keeper(spec)
            if not launched:  # another keeper has the lock: it starts too, or it is just stopping
                time.sleep(pause_s)
                pause_s = min(pause_s * 2, PAUSE_MAX_S)
            if time.monotonic() > deadline:
                raise DatabaseUnavailable(
                    f"the embedded PostgreSQL in {folder} could not be had within {timeout_s:g} s: something "
                    f"still holds {spec.lock}; see {spec.log}, and stop what is left of the old server"
                )

    def is_held(self) -> bool:
        """Whether the server is still kept for us: not after ``close()``, in a forked child, or when it has ended."""
        if self._hold.fileno() < 0:
            return False
        try:
            return self._hold.recv(1) != b""
        except BlockingIOError:
            return True  # the keeper says nothing more, so silence is what holds
        except OSError:
            return False

    def close(self) -> None:
        """Let go. If this was the last hold, the server stops after the grace time. May be called again."""
        self._hold.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _close_holds_in_child() -> None:
    for hold in _holds:
        hold.close()


os.register_at_fork(after_in_child=_close_holds_in_child)


def _check_arguments(port: int | None, grace_s: float, timeout_s: float) -> None:
    if not sys.platform.startswith("linux"):
        raise ConfigError(f"the embedded PostgreSQL runs on Linux only, this is {sys.platform}; set LATCHWORK_DSN")
    if port is not None and not 1 <= port <= 65535:
        raise ConfigError(f"port {port} is none; choose one from 1 to 65535, or none for the unix socket only")
    for name, value in (("grace_s", grace_s), ("timeout_s", timeout_s)):
        if not 0 <= value <= 86_400:
            raise ConfigError(f"{name} is {value}; it must be from 0 to 86400 seconds")


def _attach(spec: Spec, deadline: float, *, ours: bool) -> tuple[Ready, socket.socket] | None:
    """Connect to the keeper and wait until the server is ready. Returns None if there is none, or it is stopping.

    That it cannot start is our error if the keeper is ours. Another's may have been asked for what we do not want.
    """
    hold = socket.socket(socket.AF_UNIX)
    try:
        answer = _ask(hold, spec, deadline)
        if isinstance(answer, Refusal):
            if ours:
                raise _as_error(spec, answer)
            answer = None
        if answer is not None and spec.port is not None and (answer.port, answer.tcp) != (spec.port, True):
            there = f"on port {answer.port}" if answer.tcp else "without TCP"
            raise ConfigError(
                f"the embedded PostgreSQL in {spec.folder} already runs {there}, so port {spec.port} cannot be opened; "
                "close its other users first, or ask for no port"
            )
    except BaseException:
        hold.close()
        raise
    if answer is None:
        hold.close()
        return None
    hold.setblocking(False)
    return answer, hold


def _ask(hold: socket.socket, spec: Spec, deadline: float) -> Ready | Refusal | None:
    hold.settimeout(max(0.1, deadline - time.monotonic()))
    try:
        hold.connect(str(spec.run.resolve() / KEEPER_SOCKET))
        with hold.makefile("rb") as answers:
            line = answers.readline()
    except TimeoutError:
        raise DatabaseUnavailable(
            f"the embedded PostgreSQL in {spec.folder} was not ready in time; it may be replaying its log, "
            f"see {spec.log}; try again, with a longer timeout_s"
        ) from None
    except OSError:
        return None
    return decode(line) if line else None


def _as_error(spec: Spec, refusal: Refusal) -> ConfigError | DatabaseUnavailable:
    if refusal.kind == "config":
        return ConfigError(refusal.message)
    return DatabaseUnavailable(
        f"the embedded PostgreSQL in {spec.folder} does not start: {refusal.message}. Put right what the end of "
        f"{spec.log} tells, then start again:\n{refusal.log_tail}"
    )


def _prepare_folder(folder: Path) -> None:
    """Make the data folder, or check that an existing one is ours. Raises ConfigError."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"the data folder {folder} cannot be made: {error.strerror}; name another one") from error
    if folder.stat().st_uid != os.geteuid():
        raise ConfigError(
            f"the data folder {folder} belongs to uid {folder.stat().st_uid}, we are uid {os.geteuid()}; "
            "name a folder of your own, or run as its owner"
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"the data folder {folder} cannot be written to; change its mode, or name another one")
    if folder.stat().st_mode & 0o002:
        raise ConfigError(f"everybody may write to the data folder {folder}; name a folder of your own, or: chmod o-w")
    if (folder / "PG_VERSION").exists():
        raise ConfigError(
            f"{folder} is itself a PostgreSQL data directory; name a folder that Latchwork may fill, or start that "
            "server yourself and set LATCHWORK_DSN"
        )


def _fitting_binaries(spec: Spec, setting: str | os.PathLike[str] | None) -> Path:
    """Return the binaries to use. Raises ConfigError if the cluster was made by another major version."""
    programs = find_binaries(setting)
    try:
        made_by = int((spec.cluster / "PG_VERSION").read_text())
    except FileNotFoundError:
        return programs
    ours = major_version(programs)
    if ours != made_by:
        raise ConfigError(
            f"the data in {spec.folder} was made by PostgreSQL {made_by}, the programs in {programs} are {ours}; name "
            f"binaries of version {made_by}, or carry the data over with pg_dump, or name a new data folder"
        )
    return programs


def _launch_keeper(spec: Spec) -> bool:
    """Start a keeper. Returns whether it has taken the lock and its socket is open."""
    command = [sys.executable, "-I", "-S", keeper_main.__file__, json.dumps(spec._asdict())]
    result = subprocess.run(  # noqa: S603 our own interpreter and file
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, start_new_session=True, check=False
    )
    if result.returncode == EXIT_BUSY:
        return False
    if result.returncode != 0:
        kind, _, message = result.stderr.strip().partition(": ")
        if kind not in ("config", "database"):
            kind, message = "database", f"its keeper ended with exit status {result.returncode}"
        raise _as_error(spec, Refusal(kind, message, result.stderr))
    return True
