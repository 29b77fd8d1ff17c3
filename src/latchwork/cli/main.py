"""The entry point ``latchwork``: every failure that has a reason is one line on stderr and exit code 1.

Usage errors end with 2, as the parser has it. What is not a :class:`LatchworkError` is a bug and shows its traceback.
"""

from __future__ import annotations

import sys
from typing import NoReturn

from latchwork.cli.text import block
from latchwork.errors import InputError, LatchworkError

# What the extra `cli` brings, by the names to import. Another missing module is a bug and must not be explained away.
_EXTRA = ("typer", "click", "rich")


def main() -> NoReturn:
    """Run the command line. Does not return."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # a name must not break the output
    try:
        from latchwork.cli.commands import app  # noqa: PLC0415  here, where its absence is explained
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if module not in _EXTRA:
            raise
        fail(f"the command line needs the module {module}; run: pip install 'latchwork[cli]'")
    try:
        _check_utf8(sys.argv[1:])
        app()
        sys.exit(0)
    except LatchworkError as error:
        fail(str(error))


def fail(message: str) -> NoReturn:
    """Say what went wrong and end the process with 1."""
    print(f"error: {block(message)}", file=sys.stderr)
    sys.exit(1)


def _check_utf8(arguments: list[str]) -> None:
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            raise InputError(f"the argument {argument!a} is not UTF-8; names and ids are") from None


if __name__ == "__main__":
    main()
