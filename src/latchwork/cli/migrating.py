"""``latchwork migrate``."""

from __future__ import annotations

from typing import Annotated

import typer

from latchwork.cli.options import SCHEMA, Dsn, Schema, need_dsn
from latchwork.cli.text import line
from latchwork.db import migrate as steps
from latchwork.db.dsn import open_dsn


def migrate(
    dsn: Dsn = None,
    schema: Schema = SCHEMA,
    print_: Annotated[
        bool, typer.Option("--print", help="Print the SQL of a fresh schema, for `psql -1`, and change nothing.")
    ] = False,
) -> None:
    """Make the schema, or bring it up to date. Safe to repeat, and to run from several machines at once."""
    if print_:
        print(steps.script(schema))
        return
    done = steps.migrate(open_dsn(need_dsn(dsn)), schema)
    name = line(done.schema)
    if done.before == done.after:
        print(f"schema {name} is up to date, at version {done.after}")
    elif done.before == 0:
        print(f"schema {name} made, at version {done.after}")
    else:
        print(f"schema {name} brought from version {done.before} to {done.after}")
