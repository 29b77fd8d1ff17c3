"""What the user's side and the keeper tell each other. Standard library only, as all that the keeper imports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

EXIT_BUSY = 75  # the keeper's exit status if another one holds the lock
KEEPER_SOCKET = "keeper"
USER_NAME = "postgres"
DATABASE_NAME = "latchwork"


class Failure(Exception):
    """The server cannot be had. ``kind`` is ``config`` if the user can set it right, else ``database``."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Spec(NamedTuple):
    """What to keep. Travels as JSON."""

    folder: str  # absolute, exists
    programs: str  # the folder of postgres and initdb
    port: int | None  # TCP on 127.0.0.1; None: only the unix socket
    settings: dict[str, str]
    grace_s: float
    temporary: bool  # delete all that was made in the folder at the end
    ways: list[str]  # whom to become where PostgreSQL refuses us, best first: "namespace", "setuid"

    @property
    def cluster(self) -> Path:
        """PostgreSQL's own data directory."""
        return Path(self.folder, "pgdata")

    @property
    def run(self) -> Path:
        """The folder of the sockets, or a link to it."""
        return Path(self.folder, "run")

    @property
    def lock(self) -> Path:
        """The file that is locked as long as anything of a keeper or its server lives."""
        return Path(self.folder, "lock")

    @property
    def password(self) -> Path:
        """The file with the password for TCP."""
        return Path(self.folder, "password")

    @property
    def log(self) -> Path:
        """The log of this run: the keeper's, initdb's and the server's."""
        return Path(self.folder, "server.log")

    @property
    def old_log(self) -> Path:
        """The log of the run before."""
        return Path(self.folder, "server.log.1")


class Ready(NamedTuple):
    """The keeper's answer to a user: where the server is."""

    host: str  # folder of the server's unix socket
    port: int  # names that socket, and is the TCP port if there is one
    tcp: bool


class Refusal(NamedTuple):
    """The keeper's answer to a user if there will be no server."""

    kind: str  # as in Failure
    message: str
    log_tail: str


def encode(answer: Ready | Refusal) -> bytes:
    """Return the line that carries ``answer``."""
    return json.dumps({type(answer).__name__: answer._asdict()}).encode() + b"\n"


def decode(line: bytes) -> Ready | Refusal:
    """Return the answer that ``line`` carries."""
    ((name, fields),) = json.loads(line).items()
    return Ready(**fields) if name == "Ready" else Refusal(**fields)
