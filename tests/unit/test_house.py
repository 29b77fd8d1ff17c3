"""The house: what the wheel holds, what is pinned, what set-up does, and that the floors are really checked."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import latchwork

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program with our environment and what is given, and return what it said."""
    env = {**os.environ, **environment}
    return subprocess.run([*map(str, command)], cwd=cwd, env=env, capture_output=True, text=True, check=False)


# ------------------------------------------------------------------------------------------------------------- wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """The wheel, built from the checkout without network."""
    folder = tmp_path_factory.mktemp("dist")
    done = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as opened:
        yield opened


def test_the_wheel_holds_every_file_of_the_package(wheel: zipfile.ZipFile) -> None:
    tracked = run("git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "src").stdout.split("\0")
    expected = {path.removeprefix("src/") for path in tracked if path and (ROOT / path).exists()}

    assert {path for path in expected if path.endswith((".sql", "py.typed"))}
    assert expected <= set(wheel.namelist())


def test_the_wheel_holds_nothing_but_the_package_and_its_licence(wheel: zipfile.ZipFile) -> None:
    info = f"latchwork-{latchwork.__version__}.dist-info/"
    assert {name for name in wheel.namelist() if not name.startswith(("latchwork/", info))} == set()
    assert f"{info}licenses/LICENSE" in wheel.namelist()


def test_the_version_stands_in_one_place(wheel: zipfile.ZipFile) -> None:
    metadata = Parser().parsestr(wheel.read(f"latchwork-{latchwork.__version__}.dist-info/METADATA").decode())
    assert metadata["Version"] == latchwork.__version__
    assert "version" in PROJECT["dynamic"]


def test_the_core_install_is_the_driver_and_its_pool() -> None:
    assert PROJECT["dependencies"] == ["psycopg[binary,pool]>=3.2"]
    assert set(PROJECT["optional-dependencies"]) == {"all", "cli", "dev", "embedded", "metrics", "redis", "web"}


# -------------------------------------------------------------------------------------------------------------- pins


def test_each_package_that_an_extra_names_is_pinned_to_a_version_it_allows() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = dict(re.split(r"==| ;", line)[:2] for line in lines if line.lstrip()[:1] not in {"", "#"})
    extras = PROJECT["optional-dependencies"].values()

    for wanted in map(Requirement, [*PROJECT["dependencies"], *(name for extra in extras for name in extra)]):
        if wanted.name != "latchwork":
            assert wanted.name in pins, f"{wanted.name} is not in constraints.txt: run make lock"
            assert wanted.specifier.contains(pins[wanted.name]), f"{wanted}: constraints.txt says {pins[wanted.name]}"


# ------------------------------------------------------------------------------------------------------------ floors


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package and its contracts, to plant faults in."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "src/latchwork", tmp_path / "src/latchwork", ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def check_floors(folder: Path) -> subprocess.CompletedProcess[str]:
    lint_imports = Path(sys.executable).parent / "lint-imports"
    return run(lint_imports, "--no-cache", cwd=folder, PYTHONPATH=str(folder / "src"))


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("core/states.py", "import latchwork.db.records", "lower floors"),
        ("db/records.py", "import latchwork.node.engine", "lower floors"),
        ("transport/__init__.py", "import latchwork.executor.wire", "lower floors"),
        ("node/engine.py", "import latchwork.app", "lower floors"),
        ("errors.py", "import latchwork.core.states", "lower floors"),
        ("stranger.py", "", "lower floors"),
        ("node/engine.py", "import latchwork", "lower floors"),
        ("core/states.py", "import time", "pure"),
        ("core/states.py", "import psycopg", "pure"),
        ("executor/wire.py", "import psycopg", "never comes to the driver"),
        ("executor/wire.py", "import latchwork.db.async_store", "never comes to the driver"),
        ("db/records.py", "import rich", "only on floor 5"),
    ],
)
def test_a_forbidden_import_is_found(copy: Path, module: str, line: str, contract: str) -> None:
    path = copy / "src/latchwork" / module
    path.write_text(f"{path.read_text() if path.exists() else ''}\n{line}\n")

    done = check_floors(copy)

    assert done.returncode != 0
    broken = re.findall(r"^(.*) BROKEN$", done.stdout, flags=re.MULTILINE)
    assert any(contract in name for name in broken), done.stdout + done.stderr


def test_the_floors_as_they_are_hold(copy: Path) -> None:
    done = check_floors(copy)
    assert done.returncode == 0, done.stdout


# ------------------------------------------------------------------------------------------------------------ set-up

# Stands in for Python: says whether it is new enough and has venv, makes a .venv of itself, and writes down what else
# it is asked. Only the installing itself is left out; `make test` has done that before it comes here.
STUB = """#!/bin/sh
case "$1 $2" in
"-c "*version_info*) exit ${TOO_OLD:-0} ;;
"-c "*ensurepip*) exit ${NO_VENV:-0} ;;
"-V "*) echo "Python 3.11.0" ;;
"-m venv") echo "venv" >>asked; mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
"-m pip") echo "$*" >>asked; exit ${NO_NETWORK:-0} ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What set-up needs of a checkout, and a stand-in for Python."""
    for name in ("scripts/setup", "pyproject.toml", "constraints.txt", "src/latchwork/_version.py", "Makefile"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "python").write_text(STUB)
    (tmp_path / "python").chmod(0o755)
    return tmp_path


def set_up(checkout: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return run("sh", "scripts/setup", cwd=checkout, **{"PYTHON": str(checkout / "python"), **environment})


def asked(checkout: Path) -> list[str]:
    """What was asked of Python: to make a venv, to install this or that."""
    return [line.split()[-1] for line in (checkout / "asked").read_text().splitlines()]


def test_set_up_installs_once_with_the_pins(checkout: Path) -> None:
    first, second = set_up(checkout), set_up(checkout)

    assert first.returncode == second.returncode == 0, first.stderr
    assert asked(checkout) == ["venv", "hatchling", ".[dev]"]
    assert (checkout / "asked").read_text().count("--constraint constraints.txt") == 2
    assert second.stdout == ""


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt", "src/latchwork/_version.py"])
def test_set_up_installs_over_what_is_there_when_its_input_changed(checkout: Path, name: str) -> None:
    set_up(checkout)
    (checkout / name).write_text((checkout / name).read_text() + "\n")
    set_up(checkout)

    assert asked(checkout) == ["venv", "hatchling", ".[dev]", "hatchling", ".[dev]"]


def test_set_up_starts_anew_in_a_moved_checkout_and_when_python_went(checkout: Path) -> None:
    set_up(checkout)
    moved = checkout.rename(checkout.with_name("moved"))
    set_up(moved)
    (moved / ".venv/bin/python").unlink()
    set_up(moved)

    assert asked(moved) == ["venv", "hatchling", ".[dev]"] * 3


def test_the_python_once_chosen_stays_until_another_one_is_chosen(checkout: Path) -> None:
    set_up(checkout)
    kept = set_up(checkout, PYTHON="")
    other = shutil.copy(checkout / "python", checkout / "other")
    set_up(checkout, PYTHON=str(other))

    assert (kept.returncode, kept.stdout) == (0, "")
    assert asked(checkout) == ["venv", "hatchling", ".[dev]"] * 2


def test_set_up_that_failed_is_not_taken_for_done(checkout: Path) -> None:
    failed = set_up(checkout, NO_NETWORK="1")
    assert failed.returncode == 1
    assert failed.stderr.splitlines()[-1].startswith("setup: pip could not install the packages")

    assert set_up(checkout).returncode == 0
    assert asked(checkout) == ["venv", "hatchling", "hatchling", ".[dev]"]


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        ({"TOO_OLD": "1"}, "setup: Latchwork needs Python 3.11 or newer, and {python} is not one; install it"),
        ({"PYTHON": "no-such-python"}, "setup: Latchwork needs Python 3.11 or newer, and no-such-python is not one"),
        ({"NO_VENV": "1"}, "setup: {python} cannot make virtual environments; install its venv package"),
    ],
)
def test_set_up_without_what_it_needs_says_so_in_one_line(
    checkout: Path, environment: dict[str, str], line: str
) -> None:
    done = set_up(checkout, **environment)

    assert done.returncode == 1
    (said,) = done.stderr.splitlines()
    assert said.startswith(line.format(python=checkout / "python"))
    assert not (checkout / ".venv").exists()


def test_make_alone_lists_every_target(checkout: Path) -> None:
    targets = re.findall(r"^\.PHONY: (.*)$", (checkout / "Makefile").read_text(), flags=re.MULTILINE)[0].split()
    done = run("make", "--no-print-directory", cwd=checkout, MAKEFLAGS="")

    assert [line.split()[1] for line in done.stdout.splitlines()] == targets
    assert not (checkout / "asked").exists()
