"""The command line as a whole: what commands there are."""

from __future__ import annotations

from typing import Annotated

import typer

from latchwork._version import __version__
from latchwork.bench.cli import app as bench
from latchwork.cli import look, migrating, node, tasks
from latchwork.cli.demo import demo

app = typer.Typer(
    name="latchwork",
    help="Run Python functions as tasks that name the resources they touch.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("dev")(node.dev)
app.command("worker")(node.worker)
app.command("migrate")(migrating.migrate)
app.add_typer(tasks.app, name="tasks")
app.command("locks")(look.locks)
app.command("workers")(look.workers)
app.command("demo", short_help="Run the main job on real input.")(demo)
app.add_typer(bench, name="bench")


def _version(asked: bool) -> None:
    if asked:
        print(f"latchwork {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Run Python functions as tasks that name the resources they touch."""
