"""Starts the keeper: ``python -I -S keeper_main.py SPEC``. Run by its path, by ``cluster``.

The packages above the keeper are put in place empty, their ``__init__`` does not run. So a keeper imports nothing but
a few files and the standard library, is up in some 50 ms and small, and does not depend on how its user found
Latchwork.
"""

from __future__ import annotations

import sys
import types
from pathlib import Path


def start(spec: str) -> int:
    """Run the keeper of ``spec`` (JSON). Returns the exit status of this process."""
    folder = Path(__file__).resolve().parent
    for name in ("latchwork.db.embedded", "latchwork.db", "latchwork"):
        package = types.ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package
        folder = folder.parent
    from latchwork.db.embedded.keeper import main  # noqa: PLC0415 the way must be laid first

    return main(spec)


if __name__ == "__main__":
    sys.exit(start(sys.argv[1]))
