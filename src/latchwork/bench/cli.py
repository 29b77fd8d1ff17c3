"""``latchwork bench``."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from latchwork.bench.report import Report, Row, Target
from latchwork.bench.run import SCENARIOS, sizes_of
from latchwork.bench.run import run as run_scenario
from latchwork.errors import LatchworkError

app = typer.Typer(help="Measure this machine and this version.", no_args_is_help=True)

NAMES = "; ".join(f"{name}: {scenario.what}" for name, scenario in SCENARIOS.items())


@app.callback()
def bench() -> None:
    """Measure this machine and this version."""


@app.command()
def run(
    name: Annotated[str, typer.Argument(help=NAMES)],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Smaller counts; depth stops at 100,000.")] = False,
    tasks: Annotated[int | None, typer.Option(min=2, help="How many tasks, where a scenario counts them.")] = None,
    dsn: Annotated[str | None, typer.Option(help="A server to use instead of a built-in one of its own.")] = None,
) -> None:
    """Run a scenario, check that the run was correct, and report it beside the machine's own limits.

    Exit code 1 if the run was not correct or could not be made; targets that are missed are reported, and no error.
    """
    try:
        report = run_scenario(name, sizes_of(name, quick=quick, tasks=tasks), dsn)
    except LatchworkError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    if as_json:
        print(json.dumps(report.as_json(), indent=2, ensure_ascii=False))
    else:
        show(report, Console())
    raise typer.Exit(0 if report.correct else 1)


def show(report: Report, console: Console) -> None:
    """Print the report for people."""
    around = {name: value for name, value in report.environment.items() if name != "settings"}
    console.print(", ".join(f"{name} {value}" for name, value in around.items()), style="dim")
    settings = report.environment.get("settings", {})
    console.print(", ".join(f"{name}={value}" for name, value in settings.items()), style="dim")
    if not report.correct:
        console.print(f"{report.scenario}: NOT CORRECT, no figures: {report.reason}", style="bold red")
        return
    console.print(results_table(report.scenario, report.results))
    console.print(targets_table(report.targets))
    limits = ", ".join(f"{name} {number(value)}" for name, value in report.limits.items())
    console.print(f"This machine's own limits, in this run: {limits}")


def results_table(title: str, rows: list[Row]) -> Table:
    """Return the results: several rows as they are, a single one as name and value."""
    table = Table(title=title)
    if len(rows) == 1:
        table.add_column("figure")
        table.add_column("value", justify="right")
        for name, value in rows[0].items():
            table.add_row(name, number(value))
        return table
    for name in rows[0]:
        table.add_column(name, justify="left" if isinstance(rows[0][name], str) else "right")
    for row in rows:
        table.add_row(*map(number, row.values()))
    return table


def targets_table(targets: list[Target]) -> Table:
    """Return what was to reach and what was reached."""
    table = Table(title="targets")
    for name in ("figure", "to reach", "reached", "", "note"):
        table.add_column(name, justify="right" if "reach" in name else "left")
    for one in targets:
        sign = {"at_least": "≥", "at_most": "≤"}[one.bound]
        met = "[green]met[/]" if one.met else "[red]missed[/]"
        table.add_row(one.figure, f"{sign} {number(one.to_reach)}", number(one.reached), met, one.note)
    return table


def number(value: Any) -> str:
    """Return a value for a table: three digits of a fraction, thousands with commas."""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
