"""The keeper: one detached process for each data folder, between the users and the PostgreSQL server.

Promises
    One server for a folder, however many processes start at once. It runs while a user holds a connection to the
    keeper's socket, and stops ``grace_s`` after the last one is gone. It never outlives the keeper.

How
    *Lock.* The keeper takes ``flock`` on the file ``lock``, and ``initdb`` and the server inherit it. So the lock is
    free exactly when nothing of an old server is left, and no pid file needs to be believed.
    *Users.* Each keeps one connection to the socket ``run/keeper`` open and sends nothing. The system closes it at
    whatever end the user comes to, SIGKILL too. The keeper answers a new one with one line (``spec.Ready`` or
    ``spec.Refusal``). A connection that ends without a line met a keeper that was stopping: try again.
    *Death of the keeper.* The kernel then sends SIGINT to the server, a clean and fast shutdown (see ``identity``).

Failures
    A server that dies ends the keeper, and so every user's connection to it; the next ``Embedded.start`` begins anew.
    What a keeper that was killed left behind (sockets, half-made clusters) the next one removes, under the lock.
"""

from __future__ import annotations

import fcntl
import json
import os
import resource
import select
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from latchwork.db.embedded.identity import Identity, choose_identity, let_in
from latchwork.db.embedded.server import Server
from latchwork.db.embedded.spec import EXIT_BUSY, KEEPER_SOCKET, Failure, Ready, Refusal, Spec, encode

SOCKET_PATH_BYTES_MAX = 107
LONGEST_SOCKET_NAME = ".s.PGSQL.65535"
FIRST_USER_LIMIT_S = 5.0
LOG_TAIL_LINES = 6
LOG_TAIL_CHARS = 2000


def main(argument: str) -> int:
    """Take the lock, open the socket, detach, keep. ``argument`` is a Spec as JSON. Returns the exit status.

    Before it detaches: 0 serving, 75 somebody else holds the lock, 1 with ``kind: message`` on stderr.
    """
    os.umask(0o077)
    spec = Spec(**json.loads(argument))
    lock = take_lock(spec)
    if lock is None:
        return EXIT_BUSY
    try:
        identity = choose_identity(spec.ways)
        spec = let_in(identity, spec)
        run = make_run_folder(spec, identity)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(run / KEEPER_SOCKET))
        listener.listen(1024)
    except (Failure, OSError) as error:
        sys.stderr.write(f"{kind_of(error)}: {error}")
        return 1
    detach(spec)
    keep(spec, identity, run, lock, listener)
    return 0


def take_lock(spec: Spec) -> int | None:
    """Return the held lock, or None if somebody else has it or the folder is just being removed."""
    try:
        lock = os.open(spec.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(lock).st_nlink:
            return lock
    except BlockingIOError:
        pass  # somebody else has it
    os.close(lock)
    return None


def detach(spec: Spec) -> None:
    """Go on as a process of its own that writes to the log. The one that was started ends, which tells its user so."""
    if os.fork():
        os._exit(0)
    os.setsid()
    os.chdir("/")
    if spec.log.exists():
        spec.log.replace(spec.old_log)
    output = os.open(spec.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # one file for each user


def keep(spec: Spec, identity: Identity, run: Path, lock: int, listener: socket.socket) -> None:
    """Run the server for its users, then leave the folder in order."""
    server = Server(spec, identity, run, lock)
    try:
        process = server.start()
        say(serve(listener, process, Ready(str(run), server.port, spec.port is not None), spec.grace_s))
    except (Failure, OSError) as error:
        say(str(error))
        refuse(listener, Refusal(kind_of(error), str(error), log_tail(spec)))
    listener.close()  # who connects from here on meets nobody, or an end of file, and tries again
    server.stop()
    clear_run_folder(spec, run)
    if spec.temporary:
        remove_all(spec)


def serve(listener: socket.socket, server: subprocess.Popen[bytes], ready: Ready, grace_s: float) -> str:
    """Answer and count users until nobody is left for ``grace_s`` or the server has ended. Returns why it ended.

    The first user, who has just started us, may take longer to come.
    """
    users: dict[int, socket.socket] = {}
    server_fd = os.pidfd_open(server.pid)
    poll = select.poll()
    for fd in (listener.fileno(), server_fd):
        poll.register(fd, select.POLLIN)
    end = time.monotonic() + max(grace_s, FIRST_USER_LIMIT_S)
    while True:
        left_s = end - time.monotonic()
        if not users and left_s <= 0:
            return "the last user is gone, stopping"
        for fd, _ in poll.poll(None if users else left_s * 1000):
            if fd == server_fd:
                return f"the server ended with exit status {server.wait()}"
            if fd == listener.fileno():
                user = listener.accept()[0]
                users[user.fileno()] = user
                poll.register(user, select.POLLIN)
                tell(user, ready)
            elif not heard(users[fd]):
                poll.unregister(fd)
                users.pop(fd).close()
                end = time.monotonic() + grace_s


def tell(user: socket.socket, answer: Ready | Refusal) -> None:
    """Send the answer. A user who is gone already is found out by the next read."""
    try:
        user.sendall(encode(answer))
    except OSError:
        pass


def heard(user: socket.socket) -> bool:
    """Whether the user, whose socket is readable, is still there."""
    try:
        return bool(user.recv(1024))
    except OSError:
        return False


def refuse(listener: socket.socket, refusal: Refusal) -> None:
    """Tell all who wait, at least one, that there is no server."""
    listener.settimeout(FIRST_USER_LIMIT_S)
    try:
        while True:
            with listener.accept()[0] as user:
                tell(user, refusal)
            listener.settimeout(0)
    except (TimeoutError, BlockingIOError):
        return


def make_run_folder(spec: Spec, identity: Identity) -> Path:
    """Make the private folder of the sockets, empty. Returns its path, short enough for every socket in it.

    Where the data folder is too deep, ``run`` is a link to a short private folder; also where its path has a comma,
    which a DSN would take for a list of hosts.
    """
    clear_run_folder(spec)
    if _fits(spec.run):
        where = spec.run
        where.mkdir(0o700)
    else:
        where = _make_short_folder()
        spec.run.symlink_to(where)
    os.chown(where, *identity.owner)
    return where


def _fits(run: Path) -> bool:
    return "," not in str(run) and len(os.fsencode(run / LONGEST_SOCKET_NAME)) <= SOCKET_PATH_BYTES_MAX


def _make_short_folder() -> Path:
    bases = [os.environ.get("TMPDIR", "/tmp"), "/tmp"]  # noqa: S108 a random name, and mkdir takes no existing one
    for base in bases:
        folder = Path(base, f"latchwork-{os.urandom(8).hex()}")
        if folder.is_absolute() and _fits(folder) and os.access(base, os.W_OK):
            folder.mkdir(0o700)
            return folder
    raise Failure("config", f"the data folder's path is too long for a socket, and {bases} cannot be used instead")


def clear_run_folder(spec: Spec, where: Path | None = None) -> None:
    """Remove the folder of sockets that this or an earlier keeper made. The lock must be held.

    ``where`` it really is, if that is known: the data folder may have been deleted, and the link to it with that.
    """
    where = where or spec.run.resolve()
    if where.is_dir():
        for entry in where.iterdir():
            if entry.name == KEEPER_SOCKET or entry.name.startswith(".s.PGSQL."):
                entry.unlink(missing_ok=True)
        where.rmdir()
    if spec.run.is_symlink():
        spec.run.unlink()


def remove_all(spec: Spec) -> None:
    """Delete what was made in the folder, and the folder if nothing else is in it. The lock file goes last."""
    for name in ("pgdata", "pgdata.new", "programs"):
        shutil.rmtree(Path(spec.folder, name), ignore_errors=True)
    for file in (spec.password, spec.log, spec.old_log, spec.lock):
        file.unlink(missing_ok=True)
    try:
        Path(spec.folder).rmdir()
    except OSError:
        pass  # it holds something that is not ours


def log_tail(spec: Spec) -> str:
    """Return the last lines of the log."""
    text = spec.log.read_text(errors="replace")
    return "\n".join(text[-LOG_TAIL_CHARS:].splitlines()[-LOG_TAIL_LINES:])


def kind_of(error: Exception) -> str:
    """Return ``config`` or ``database``, as in Failure."""
    return error.kind if isinstance(error, Failure) else "database"


def say(message: str) -> None:
    """Write a line to the log."""
    sys.stderr.write(f"keeper: {message}\n")
    sys.stderr.flush()
