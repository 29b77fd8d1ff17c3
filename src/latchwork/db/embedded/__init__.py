"""A PostgreSQL that needs no installation: ready-made binaries, and the life cycle around them.

``Embedded.start("./data")`` makes a database in that folder, or opens it, and holds it until ``close()``. Any number of
processes may hold the same folder at once. The server stops about a second after the last of them is gone, whatever way
it went.

==============  ========================================================================================
``binaries``    finds ``postgres`` and ``initdb``, and refuses versions that Latchwork does not run on
``cluster``     the user's side: checks the folder, attaches to the keeper or starts one, knows the DSN
``keeper``      the process between: holds the lock, makes the cluster, runs the server, counts users
==============  ========================================================================================

In the folder: ``pgdata`` (the cluster), ``run`` (sockets, mode 0700), ``lock``, ``password`` (for TCP only),
``server.log`` of this run and ``server.log.1`` of the run before.

The server is meant for one machine and for trusted users of it: whoever may enter ``run`` is the superuser. It listens
on TCP only if a port is asked for, on 127.0.0.1, and then wants the password. Linux only.
"""

from __future__ import annotations

from latchwork.db.embedded.binaries import find_binaries
from latchwork.db.embedded.cluster import Embedded

__all__ = ["Embedded", "find_binaries"]
