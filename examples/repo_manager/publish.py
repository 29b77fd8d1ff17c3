"""Distributions: the index that makes one version of a repository public, and the check of all that it promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from examples.repo_manager.documents import CorruptError, check_name, read_document, write_document
from examples.repo_manager.repository import files_of, latest_version, read_version, version_path
from examples.repo_manager.store import Store

SHOWN_PROBLEMS = 5


def index_path(home: Path, distribution: str) -> Path:
    """Return where the index of a distribution lies."""
    return home / "published" / f"{check_name(distribution)}.json"


def publish(home: Path, repo: str, distribution: str) -> dict[str, Any]:
    """Make the distribution show the latest version of the repository. Return what was published.

    Raises FileNotFoundError if the repository has no version, CorruptError if content of it is missing.
    """
    number = latest_version(home, repo)
    if not number:
        raise FileNotFoundError(f"repository {repo!r} has no version yet; sync it first")
    manifest, store = read_version(home, repo, number), Store(home)
    missing = [path for path, content in files_of(manifest).items() if not store.has(content)]
    if missing:
        raise CorruptError(f"version {number} of {repo!r} lacks the content of {len(missing)} files: {missing[:3]}")
    write_document(index_path(home, distribution), {"distribution": distribution, **manifest})
    return {"distribution": distribution, "repo": repo, "version": number, "files": len(manifest["files"])}


def verify(home: Path, distribution: str) -> dict[str, Any]:
    """Read all that the distribution promises and return files and bytes read. Raises CorruptError if any is wrong."""
    index = read_document(index_path(home, distribution))
    manifest = read_version(home, index["repo"], index["version"])
    problems = []
    if index != {"distribution": distribution, **manifest}:
        problems.append("the index differs from the version that it names")
    store, files = Store(home), files_of(index)
    problems += [f"{path}: content {entry.sha256[:12]}… is damaged or missing"
                 for path, entry in files.items() if not store.is_intact(entry)]  # fmt: skip
    if problems:
        more = f", and {len(problems) - SHOWN_PROBLEMS} more" if len(problems) > SHOWN_PROBLEMS else ""
        raise CorruptError(f"distribution {distribution!r}: {'; '.join(problems[:SHOWN_PROBLEMS])}{more}")
    return {"distribution": distribution, "files": len(files), "bytes": sum(entry.size for entry in files.values())}


def remove_orphans(home: Path) -> dict[str, int]:
    """Remove the versions that are neither the latest nor published, and the content that no version left needs."""
    indexes = [read_document(path) for path in sorted((home / "published").glob("[!.]*.json"))]
    kept = {version_path(home, index["repo"], index["version"]) for index in indexes}
    repos = [folder.name for folder in sorted((home / "repos").glob("[!.]*"))]
    kept |= {version_path(home, repo, latest_version(home, repo)) for repo in repos}
    old = [path for path in sorted((home / "repos").glob("*/*.json")) if path not in kept]
    for path in old:  # before the content: killed in between, content is left over, and never a promise broken
        path.unlink()
    for path in [*(home / "repos").glob("*/.new-*"), *(home / "published").glob(".new-*")]:
        path.unlink()  # left over by killed tasks
    documents = [*indexes, *(read_document(path) for path in kept if path.exists())]
    wanted = {content.sha256 for document in documents for content in files_of(document).values()}
    files, removed_bytes = Store(home).remove_all_but(wanted)
    return {"versions": len(old), "files": files, "bytes": removed_bytes}
