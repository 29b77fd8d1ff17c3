"""An app whose tasks do what tasks do, and what they should not."""

# ruff: noqa: PTH101, PTH103, PTH104, PTH106, PTH109, PTH110, PTH115, PTH116, PTH123, PTH208, PTH211 - tasks meet the system here

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

from latchwork import App, current_task
from latchwork.executor.context import link

app = App("postgresql://nobody@localhost/none", schema="sample")


class Broken(Exception):
    """An error of the app, whose text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


class Own(Exception):
    """An error of the app."""


class Rude(BaseException):
    """Not even an Exception."""


@app.task(name="echo")
def echo(*args: Any, **kwargs: Any) -> Any:
    return [list(args), kwargs]


@app.task(name="length")
def length(text: str) -> int:
    return len(text)


@app.task(name="value")
def value(what: str) -> Any:
    return {"set": {1, 2}, "nan": [float("nan")], "bytes": b"x", "large": "x" * 2_000_000, "app": app}[what]


@app.task(name="fail")
def fail(how: str) -> None:
    secret = "a local value"  # noqa: F841  must not be in the traceback
    match how:
        case "own":
            raise Own("what happened")
        case "chained":
            try:
                raise ValueError("first")
            except ValueError as error:
                raise Own("second") from error
        case "broken":
            raise Broken
        case "rude":
            raise Rude("not an Exception")
        case "long":
            raise Own("x" * 1_000_000)
        case "text":
            raise Own("nul \0 and surrogate \udc80")
        case "exit":
            sys.exit(3)
        case "interrupt":
            raise KeyboardInterrupt
        case "deep":
            fail("deep")


@app.task(name="die")
def die(how: str) -> None:
    match how:
        case "exit 3":
            os._exit(3)
        case "exit 0":
            os._exit(0)
        case "exit in a thread":
            threading.Thread(target=lambda: os._exit(4)).start()
            time.sleep(60)
        case signame:
            os.kill(os.getpid(), getattr(signal, signame))
            time.sleep(60)


@app.task(name="hang")
def hang(path: str, ignore: bool = False) -> None:
    """Say that it runs, by a file, then go on for ever."""
    if ignore:
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(signum, signal.SIG_IGN)
    print("hanging")
    tell(path, os.getpid())
    time.sleep(600)


@app.task(name="wait_for_file")
def wait_for_file(mine: str, other: str, program: bool = False) -> str:
    """Say that it runs, or which program it has started, and wait until another says so."""
    tell(mine, subprocess.Popen(["sleep", "600"]).pid if program else os.getpid())
    while not os.path.exists(other):
        time.sleep(0.005)
    return "met"


@app.task(name="printing")
def printing(how: str) -> None:
    match how:
        case "all ways":
            print("print")
            print("error", file=sys.stderr)
            os.write(1, b"write\n")
            subprocess.run(["echo", "program"], check=True)
            sys.stdout.write("no newline")
        case "not text":
            os.write(1, b"\xff\xfe nul \0 end")
        case "much":
            for number in range(20_000):
                print(f"line {number:06d} " + "x" * 50)
        case "broken stdout":
            sys.stdout = None


@app.task(name="surroundings")
def surroundings() -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "sid": os.getsid(0),
        "pgid": os.getpgid(0),
        "cwd": os.getcwd(),
        "mode": oct(os.stat(".").st_mode & 0o7777),
        "files": os.listdir("."),
        "fds": {fd: os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if alive(fd)},
        "handlers": {name: repr(signal.getsignal(getattr(signal, name))) for name in ("SIGCHLD", "SIGUSR1")},
        "modules": sorted(sys.modules),
        "stdin": sys.stdin.read(),
    }


@app.task(name="litter")
def litter(how: str) -> str:
    directory = os.getcwd()
    match how:
        case "file":
            with open("file", "w") as file:
                file.write("x")
        case "mode":
            os.chmod(".", 0o777)
        case "removed":
            os.rmdir(directory)
        case "tree":
            os.makedirs("deep/er")
            os.symlink("/", "deep/link")
            os.chmod("deep/er", 0)
            os.chmod("deep", 0o500)
    return directory


@app.task(name="leave_behind")
def leave_behind(how: str) -> int:
    """Leave a process behind and return its id."""
    if how == "program":
        return subprocess.Popen(["sleep", "600"]).pid
    pid = os.fork()
    if pid == 0:
        if how == "daemon":
            os.setsid()
        time.sleep(600)
        os._exit(0)
    return pid


@app.task(name="threads")
def threads() -> str:
    threading.Thread(target=time.sleep, args=(600,)).start()
    return "done"


@app.task(name="me")
def me() -> list[Any]:
    return [current_task.id, current_task.name, current_task.attempt, current_task.token, current_task.ticket]


@app.task(name="ask")
def ask(method: str, params: dict[str, Any]) -> Any:
    node = link()
    assert node is not None
    return node.call(method, params)


@app.task(name="ask_in_threads")
def ask_in_threads(count: int) -> list[Any]:
    node = link()
    assert node is not None
    answers: list[Any] = []
    workers = [threading.Thread(target=lambda n=n: answers.append(node.call("n", {"n": n})["n"])) for n in range(count)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sorted(answers)


@app.task(name="ask_in_fork")
def ask_in_fork() -> str:
    node = link()
    assert node is not None
    read, write = os.pipe()
    if os.fork() == 0:
        try:
            node.call("n", {})
        except Exception as error:  # noqa: BLE001  it is what the test wants to see
            os.write(write, str(error).encode())
        os._exit(0)
    os.close(write)
    return os.read(read, 10_000).decode()


@app.task(name="ask_bad")
def ask_bad() -> Any:
    node = link()
    assert node is not None
    return node.call("n", {"x": {1, 2}})


@app.task(name="write_to_socket")
def write_to_socket(hexadecimal: str) -> None:
    """Write raw bytes to the socket that the outcome goes through."""
    os.write(control_fd(), bytes.fromhex(hexadecimal))
    time.sleep(600)


@app.task(name="close_socket")
def close_socket() -> None:
    os.close(control_fd())
    time.sleep(600)


@app.task(name="signal_self")
def signal_self(signame: str) -> str:
    os.kill(os.getpid(), getattr(signal, signame))
    return "alive"


@app.task(name="signal_fork")
def signal_fork() -> int:
    """Send SIGTERM to a fork of this process and return how that ended."""
    pid = os.fork()
    if pid == 0:
        time.sleep(600)
        os._exit(0)
    os.kill(pid, signal.SIGTERM)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@app.task(name="nothing")
def nothing() -> None:
    """Do nothing."""


def tell(path: str, what: object) -> None:
    with open(path + ".new", "w") as file:
        file.write(str(what))
    os.rename(path + ".new", path)


def alive(fd: str) -> bool:
    return os.path.lexists(f"/proc/self/fd/{fd}")


def control_fd() -> int:
    for fd in os.listdir("/proc/self/fd"):
        if alive(fd) and os.readlink(f"/proc/self/fd/{fd}").startswith("socket:"):
            return int(fd)
    raise AssertionError("no socket")
