"""A node as a program: ``python -m tests.support.node_program MODULE:APP FOLDER``. It tells what happens by files."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from latchwork.core.plan_types import Settings
from latchwork.executor.template_process import template_command
from latchwork.node.supervisor import Supervisor
from tests.support.node import MemoryEngine


class TellingEngine(MemoryEngine):
    """Tells in ``folder`` that the node drains, and how its one task ended."""

    folder: Path

    async def beat(self, state: str, running: int) -> None:
        await super().beat(state, running)
        if state == "draining":
            (self.folder / "draining").touch()

    async def leave(self) -> None:
        await super().leave()
        (finish,) = self.finished.values()
        (self.folder / "finished").write_text(finish.state)


async def main(target: str, folder: Path) -> int:
    engine = TellingEngine()
    engine.folder = folder
    engine.add("wait_for_file", str(folder / "started"), str(folder / "go"), program=True)
    (folder / "work").mkdir()
    settings = Settings(slots=1, heartbeat_s=0.05)
    return await Supervisor(lambda _: engine, template_command(target), settings, workdir=str(folder / "work")).run()


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1], Path(sys.argv[2]))))
