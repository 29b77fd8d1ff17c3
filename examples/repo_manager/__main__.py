"""The command line: dispatch one task, wait for it, print its result.

python -m examples.repo_manager sync REPO FOLDER | publish REPO DISTRIBUTION | verify DISTRIBUTION | remove_orphans
"""

from __future__ import annotations

import json
import sys

from examples.repo_manager import tasks

COMMANDS = {task.__name__: task for task in (tasks.sync, tasks.publish, tasks.verify, tasks.remove_orphans)}


def main(argv: list[str]) -> int:
    """Run one command. Return 0 if its task has completed, 1 if not, 2 if there is no such command."""
    if not argv or argv[0] not in COMMANDS:
        print(__doc__, file=sys.stderr)
        return 2
    task = tasks.app.dispatch(COMMANDS[argv[0]], args=argv[1:])
    task = tasks.app.wait(task, timeout_s=600)
    print(json.dumps(task.result if task.ok else task.error, indent=1))
    return 0 if task.ok else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
