"""``latchwork tasks``: list, show, cancel."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import Annotated

import typer

from latchwork.cli.options import SCHEMA, Dsn, Json, Limit, Schema, open_app
from latchwork.cli.output import Column, Row, columns_of_output, print_json, print_lines, styled, table
from latchwork.cli.task_text import as_json, detail, summary
from latchwork.core.states import ALL, CANCELED, CANCELING
from latchwork.core.task import Task
from latchwork.errors import InputError

WIDE_COLUMNS = 120
STATE_HELP = f"Only in this state: {', '.join(ALL[:-1])} or {ALL[-1]}. Repeat it for more."

app = typer.Typer(help="Look at tasks, and cancel them.", no_args_is_help=True, rich_markup_mode=None)

State = StrEnum("State", {name.upper(): name for name in ALL})  # type: ignore[misc] # made from the core's own list
Id = Annotated[str, typer.Argument(metavar="ID", help="The task's id, in full.")]


@app.command("list")
def list_tasks(  # noqa: PLR0917  the parser calls it, by name
    state: Annotated[list[State] | None, typer.Option(metavar="STATE", help=STATE_HELP)] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Only tasks of this name.")] = None,
    resource: Annotated[str | None, typer.Option(metavar="NAME", help="Only tasks that ask for this resource.")] = None,
    limit: Limit = 50,
    json: Json = False,
    dsn: Dsn = None,
    schema: Schema = SCHEMA,
) -> None:
    """List tasks, newest first."""
    states = [one.value for one in state] if state else None
    with open_app(dsn, schema) as latchwork:
        found = latchwork.tasks(state=states, name=name, resource=resource, limit=limit)
    if json:
        now = time.time()
        print_json({"tasks": [as_json(task, now) for task in found]})
    elif not found:
        print("no such tasks" if states or name or resource else "no tasks yet")
    else:
        _print_tasks(found)
        if len(found) == limit:
            print(f"\nthe newest {limit}; --limit shows more", flush=True)


def _print_tasks(found: list[Task]) -> None:
    now, width = time.time(), columns_of_output()
    wide = width >= WIDE_COLUMNS
    rows: list[Row] = []
    for task in found:
        words = summary(task, now)
        row: Row = [task.id, styled(words.state), words.age, words.ran, task.name]
        rows.append([*row, words.waited, words.locks] if wide else row)
    columns = [Column("id", own_line=True), Column("state"), Column("age", right=True), Column("ran", right=True)]
    columns += [Column("name", cut="front")]
    if wide:
        columns += [Column("waited", right=True), Column("resources", cut="end")]
    print_lines(table(columns, {"": rows}, width))


@app.command("show")
def show_task(task_id: Id, json: Json = False, dsn: Dsn = None, schema: Schema = SCHEMA) -> None:
    """Show all that is known of one task: times, waits, locks, result, error, output."""
    with open_app(dsn, schema) as latchwork:
        task = latchwork.get(task_id)
    if json:
        print_json(as_json(task, time.time()))
    else:
        print_lines(detail(task, time.time()))


@app.command("cancel")
def cancel_task(
    task_id: Id,
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="Kept with the task.")] = None,
    json: Json = False,
    dsn: Dsn = None,
    schema: Schema = SCHEMA,
) -> None:
    """Cancel a task. One that waits is canceled at once, one that runs is told to stop."""
    with open_app(dsn, schema) as latchwork:
        task = latchwork.cancel(task_id, reason)
    if task.state not in (CANCELED, CANCELING):
        raise InputError(f"task {task.id} is {task.state} already: there is nothing to cancel")
    if json:
        print_json(as_json(task, time.time()))
    else:
        print(f"task {task.id} is {task.state}")
