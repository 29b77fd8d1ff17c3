"""The tasks. What each touches stands above it, with the reason; the work itself is in the other modules.

Run a node with ``latchwork worker examples.repo_manager.tasks:app``, in the root of the checkout. ``LATCHWORK_DSN``
names the database, and for the node ``REPO_MANAGER_HOME`` the folder (default: ``repo-manager``, here).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from examples.repo_manager import publish as publishing
from examples.repo_manager import repository
from latchwork import App

HOME = Path(
    os.environ.get("REPO_MANAGER_HOME", "repo-manager")
).absolute()  # now: each task runs in a folder of its own

app = App()


# The repository exclusively: the next version's number follows from the latest, and readers see the latest stand still.
# The store shared: many syncs may add content, but none while orphans go: new content is in no manifest yet.
@app.task(exclusive=["repo:{repo}"], shared=["store"], timeout_s=600)
def sync(repo: str, folder: str, only: list[str] | None = None) -> dict[str, Any]:
    """Make the repository hold what the folder holds."""
    return repository.sync(HOME, repo, Path(folder), only)


# The repository shared: several distributions may publish it at once, but no sync may give it a new version meanwhile.
# The distribution exclusively: of two publications the later dispatched one stays, and nobody verifies in between.
# The store shared: the content that was looked for is still there when the index appears.
@app.task(exclusive=["dist:{distribution}"], shared=["repo:{repo}", "store"], timeout_s=60)
def publish(repo: str, distribution: str) -> dict[str, Any]:
    """Make the distribution show the latest version of the repository."""
    return publishing.publish(HOME, repo, distribution)


# The distribution shared: many may verify it, but its index must not be replaced while its content is read.
# The store shared: no content and no manifest goes while it is read. Syncs only add, so they do not disturb.
@app.task(shared=["dist:{distribution}", "store"], timeout_s=600)
def verify(distribution: str) -> dict[str, Any]:
    """Read everything that the distribution promises; fails if any of it is wrong."""
    return publishing.verify(HOME, distribution)


# The store exclusively: all others share it, so nothing is added, published or read while it is decided what may go.
@app.task(exclusive=["store"], timeout_s=600)
def remove_orphans() -> dict[str, int]:
    """Remove the content that neither a latest version nor a distribution needs."""
    return publishing.remove_orphans(HOME)
