"""The example's plain functions on real files; that its tasks run as tasks is shown by the demo's own test."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from examples.repo_manager.documents import CorruptError, checksum, read_document, write_document
from examples.repo_manager.publish import index_path, publish, remove_orphans, verify
from examples.repo_manager.python_install import CHANNELS, cut, job, sources
from examples.repo_manager.repository import files_of, latest_version, read_version, sync, version_path, walk
from examples.repo_manager.store import Store


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "input"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "a.txt").write_bytes(b"alpha")
    (folder / "same.txt").write_bytes(b"alpha")
    (folder / "deep" / "er" / "b.bin").write_bytes(bytes(range(256)) * 10_000)
    (folder / "empty").touch()
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "a.pyc").write_bytes(b"made while running")
    return folder


def stored(home: Path) -> set[str]:
    return {path.name for path in Store(home).contents()}


def test_a_sync_stores_each_content_once_and_lists_every_file(home: Path, folder: Path) -> None:
    done = sync(home, "r", folder)
    assert (done["version"], done["changed"], done["files"], done["new_files"]) == (1, True, 4, 3)
    assert done["bytes"] == 5 + 5 + 2_560_000
    files = files_of(read_version(home, "r", 1))
    assert sorted(files) == ["a.txt", "deep/er/b.bin", "empty", "same.txt"]
    assert stored(home) == {content.sha256 for content in files.values()}
    assert all(Store(home).is_intact(content) for content in files.values())


def test_syncing_again_makes_a_version_only_if_something_changed(home: Path, folder: Path) -> None:
    sync(home, "r", folder)
    assert sync(home, "r", folder)["changed"] is False
    assert latest_version(home, "r") == 1
    (folder / "a.txt").write_bytes(b"other")
    done = sync(home, "r", folder)
    assert (done["version"], done["new_files"], done["new_bytes"]) == (2, 1, 5)


def test_a_sync_can_be_limited_to_some_entries(home: Path, folder: Path) -> None:
    assert sync(home, "r", folder, ["deep", "empty"])["files"] == 2


def test_a_published_distribution_verifies_and_keeps_its_version(home: Path, folder: Path) -> None:
    sync(home, "r", folder)
    assert publish(home, "r", "stable") == {"distribution": "stable", "repo": "r", "version": 1, "files": 4}
    (folder / "a.txt").write_bytes(b"other")
    sync(home, "r", folder)
    assert verify(home, "stable") == {"distribution": "stable", "files": 4, "bytes": 2_560_010}
    assert read_document(index_path(home, "stable"))["version"] == 1


def test_a_flipped_byte_in_the_store_fails_verify(home: Path, folder: Path) -> None:
    sync(home, "r", folder)
    publish(home, "r", "stable")
    content = files_of(read_version(home, "r", 1))["deep/er/b.bin"]
    damaged = Store(home).path(content.sha256)
    damaged.chmod(0o644)
    raw = bytearray(damaged.read_bytes())
    raw[1_234_567] ^= 1
    damaged.write_bytes(raw)
    with pytest.raises(CorruptError, match=r"'stable': deep/er/b\.bin: content .* is damaged or missing"):
        verify(home, "stable")


def test_a_missing_content_fails_verify_and_publish(home: Path, folder: Path) -> None:
    sync(home, "r", folder)
    publish(home, "r", "stable")
    Store(home).path(files_of(read_version(home, "r", 1))["empty"].sha256).unlink()
    with pytest.raises(CorruptError, match="empty: content"):
        verify(home, "stable")
    with pytest.raises(CorruptError, match="lacks the content of 1 files"):
        publish(home, "r", "stable")


def test_an_index_changed_by_hand_fails_verify(home: Path, folder: Path) -> None:
    sync(home, "r", folder)
    publish(home, "r", "stable")
    path = index_path(home, "stable")
    path.write_text(path.read_text().replace('"a.txt"', '"z.txt"'))
    with pytest.raises(CorruptError, match="does not match its own checksum"):
        verify(home, "stable")


@pytest.mark.parametrize("wrong", ["drop", "swap", "version"])
def test_a_wrong_index_with_a_right_checksum_fails_verify(home: Path, folder: Path, wrong: str) -> None:
    sync(home, "r", folder)
    (folder / "a.txt").write_bytes(b"other")
    sync(home, "r", folder)
    publish(home, "r", "stable")
    index = read_document(index_path(home, "stable"))
    if wrong == "drop":
        del index["files"]["a.txt"]
    elif wrong == "swap":
        index["files"]["a.txt"] = index["files"]["same.txt"]
    else:
        index["version"] = 1
    write_document(index_path(home, "stable"), index)
    with pytest.raises(CorruptError, match="differs from the version"):
        verify(home, "stable")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"checksum": 1}', "{", "null"])
def test_what_is_no_document_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(CorruptError):
        read_document(tmp_path / "x.json")


def test_the_checksum_does_not_depend_on_the_order_of_keys() -> None:
    assert checksum({"a": 1, "b": 2}) == checksum({"b": 2, "a": 1}) != checksum({"a": 1, "b": 3})


def test_orphans_go_and_what_is_latest_or_published_stays(home: Path, folder: Path) -> None:
    for text in (b"one", b"two", b"three"):
        (folder / "a.txt").write_bytes(text)
        sync(home, "r", folder)
        if text == b"one":
            publish(home, "r", "old")
    before = stored(home)
    gone = files_of(read_version(home, "r", 2))["a.txt"].sha256
    assert remove_orphans(home) == {"versions": 1, "files": 1, "bytes": 3}
    assert stored(home) == before - {gone}
    assert not version_path(home, "r", 2).exists()
    verify(home, "old")
    publish(home, "r", "new")
    verify(home, "new")
    assert remove_orphans(home) == {"versions": 0, "files": 0, "bytes": 0}


def test_what_a_killed_task_left_is_removed_and_the_task_can_run_again(home: Path, folder: Path) -> None:
    sync(home, "r", folder)
    publish(home, "r", "stable")
    whole = index_path(home, "stable").read_bytes()
    (Store(home).incoming / "half").write_bytes(b"x" * 10)
    (home / "repos" / "r" / ".new-1").write_text('{"half')
    (home / "published" / ".new-2").write_text('{"half')
    assert sync(home, "r", folder)["changed"] is False
    assert remove_orphans(home)["files"] == 1
    assert not [*home.rglob(".new-*"), *Store(home).incoming.iterdir()]
    assert index_path(home, "stable").read_bytes() == whole
    verify(home, "stable")


def test_content_cut_short_by_a_power_loss_is_written_again(home: Path, folder: Path) -> None:
    sync(home, "r", folder)
    content = files_of(read_version(home, "r", 1))["a.txt"]
    Store(home).path(content.sha256).unlink()
    Store(home).path(content.sha256).touch()
    assert sync(home, "r", folder)["new_files"] == 1
    assert Store(home).is_intact(content)


def test_orphan_removal_stops_at_a_damaged_index_and_removes_nothing(home: Path, folder: Path) -> None:
    sync(home, "r", folder)
    publish(home, "r", "stable")
    index_path(home, "stable").write_text("{}")
    before = stored(home)
    with pytest.raises(CorruptError):
        remove_orphans(home)
    assert stored(home) == before


@pytest.mark.parametrize("name", ["", "..", "../x", "/etc", "A", ".hidden", "a/b", "a\0", "x" * 101])
def test_arguments_do_not_choose_paths(home: Path, folder: Path, name: str) -> None:
    calls: list[Callable[[], object]] = [
        lambda: sync(home, name, folder),
        lambda: publish(home, name, "d"),
        lambda: verify(home, name),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="is no name"):
            call()


def test_a_relative_folder_and_a_repository_without_version_are_refused(home: Path) -> None:
    with pytest.raises(ValueError, match="relative"):
        sync(home, "r", Path("here"))
    with pytest.raises(FileNotFoundError, match="sync it first"):
        publish(home, "r", "stable")


def test_cutting_a_folder_spreads_all_entries_evenly_and_loses_none(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"f{number}").write_bytes(b"x" * (number + 1))
    parts = cut("f", tmp_path, 4)
    assert sorted(entry for part in parts for entry in part.only) == sorted(f"f{number}" for number in range(20))
    sizes = [sum(path.stat().st_size for path in walk(tmp_path, part.only)) for part in parts]
    assert max(sizes) - min(sizes) <= 20


def test_the_job_is_twelve_repositories_of_this_python_and_at_least_sixty_tasks() -> None:
    found = sources()
    assert len({source.repo for source in found}) == 12
    assert any("json" in source.only for source in found)
    steps = job(found)
    assert len(steps) >= 60
    assert {step.task for step in steps} == {"sync", "publish", "verify", "remove_orphans"}
    json.dumps(steps)
    for channel in CHANNELS:
        repos = {step.kwargs["repo"] for step in steps if step.task == "publish" and channel in step.kwargs.values()}
        assert len(repos) == 4, "a channel is a conflict between repositories"
