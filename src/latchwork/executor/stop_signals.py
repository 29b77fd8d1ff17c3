"""SIGTERM, SIGINT and SIGHUP in a child. A service manager sends them to all processes; the node decides what ends.

So the template lets all of them pass and a child the first of each; the second has the default effect. Processes that
the task forks get the default at once: there such a signal is meant (``multiprocessing`` ends its workers by SIGTERM).
It must be set back before the fork: a new process of Python forgets what arrives while a Python handler stands and it
is not set up yet.
"""

from __future__ import annotations

import os
import signal

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

_template = 0
_leader = 0  # the child, in the child and its forks
_lifted: list[signal.Signals] = []


def swallow() -> None:
    """Let them pass in this process, the template, and the first of each in its forks."""
    global _template  # noqa: PLW0603  a signal handler can know it in no other way
    _template = os.getpid()
    for signum in SIGNALS:
        signal.signal(signum, _swallow_first)


def own() -> None:
    """Make this process, a child, one whose forks get the default back."""
    global _leader  # noqa: PLW0603  as above
    _leader = os.getpid()
    os.register_at_fork(before=_lift, after_in_parent=_restore)


def _swallow_first(signum: int, _frame: object) -> None:
    pid = os.getpid()
    if pid == _template:
        return
    signal.signal(signum, signal.SIG_DFL)
    if _leader not in (0, pid):  # a fork that was made by another thread, where signals cannot be set
        os.kill(pid, signum)


def _lift() -> None:
    try:
        for signum in SIGNALS:
            if signal.getsignal(signum) is _swallow_first:
                signal.signal(signum, signal.SIG_DFL)
                _lifted.append(signum)
    except ValueError:  # not the main thread
        pass


def _restore() -> None:
    while _lifted:
        signal.signal(_lifted.pop(), _swallow_first)
