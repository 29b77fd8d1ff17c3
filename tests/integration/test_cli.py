"""The commands that read, and every error line, against a real database."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from latchwork import App, __version__
from latchwork.core.task import Finish
from tests.support.commands import Commands
from tests.support.drainer import Drainer

Connect = Callable[[str], psycopg.Connection[tuple[Any, ...]]]
ID = "01890a5d-ac96-774b-bcce-b302099a8057"
UNUSED = "postgresql://nobody@127.0.0.1:1/none"
HOSTILE = "[red]x[/red]\x1b[2J"


@pytest.fixture
def latchwork(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Commands:
    return Commands(monkeypatch, capsys)


@pytest.fixture
def app(dsn: str) -> Iterator[App]:
    with App(dsn) as app:

        @app.task(name="shop.deposit", exclusive=["account:{account}"], shared=["bank"])
        def deposit(account: str, amount: int = 1) -> None:
            """Only dispatched here."""

        yield app


def deposit(app: App, account: str, **options: Any) -> str:
    return app.dispatch("shop.deposit", args=(account,), **options).id


# --- migrate


def test_migrate_makes_the_schema_and_says_so_again_when_there_is_nothing_to_do(
    latchwork: Commands, fresh_dsn: str
) -> None:
    first = latchwork("migrate", "--dsn", fresh_dsn)
    assert (first.code, first.err) == (0, "")
    assert re.fullmatch(r"schema latchwork made, at version \d+\n", first.out)
    again = latchwork("migrate", LATCHWORK_DSN=fresh_dsn)
    assert re.fullmatch(r"schema latchwork is up to date, at version \d+\n", again.out)


def test_migrate_takes_another_schema_and_tasks_are_found_there(latchwork: Commands, fresh_dsn: str) -> None:
    assert "schema other made" in latchwork("migrate", "--schema", "other", LATCHWORK_DSN=fresh_dsn).out
    listed = latchwork("tasks", "list", LATCHWORK_DSN=fresh_dsn, LATCHWORK_SCHEMA="other")
    assert (listed.code, listed.out) == (0, "no tasks yet\n")


def test_migrate_prints_sql_that_makes_the_schema(latchwork: Commands, fresh_dsn: str, connect: Connect) -> None:
    printed = latchwork("migrate", "--print", "--schema", "mine")
    assert printed.code == 0
    with connect(fresh_dsn).transaction() as transaction:
        transaction.connection.execute(printed.out.encode())
    assert latchwork("workers", "--dsn", fresh_dsn, "--schema", "mine").code == 0


# --- tasks


def test_tasks_list_shows_full_ids_newest_first(latchwork: Commands, app: App) -> None:
    ids = [deposit(app, "a"), deposit(app, "a")]
    listed = latchwork("tasks", "list", LATCHWORK_DSN=app.dsn, columns=80)
    header, *rows = listed.out.splitlines()
    assert header.split() == ["id", "state", "age", "ran", "name"]
    assert {row.split()[0]: row.split()[1] for row in rows} == {ids[0]: "ready", ids[1]: "blocked"}
    assert all(len(row) <= 80 for row in rows)


def test_tasks_list_filters_and_says_that_there_is_more(latchwork: Commands, app: App) -> None:
    ids = [deposit(app, "a"), deposit(app, "b"), deposit(app, "b")]
    Drainer(app).claim(1)

    def found(*options: str) -> set[str]:
        document = latchwork("tasks", "list", "--json", *options, LATCHWORK_DSN=app.dsn).document
        return {task["id"] for task in document["tasks"]}

    assert found() == set(ids)
    assert found("--state", "running") == {ids[0]}
    assert found("--state", "running", "--state", "waiting") == set(ids)
    assert found("--resource", "account:b") == set(ids[1:])
    assert found("--name", "shop.deposit") == set(ids)
    assert found("--name", "no.such") == set()
    assert len(found("--limit", "2")) == 2
    assert "--limit shows more" in latchwork("tasks", "list", "--limit", "2", LATCHWORK_DSN=app.dsn).out
    assert latchwork("tasks", "list", "--name", "no.such", LATCHWORK_DSN=app.dsn).out == "no such tasks\n"


def test_tasks_list_names_resources_where_there_is_room(latchwork: Commands, app: App) -> None:
    deposit(app, "a")
    assert "exclusive account:a; shared bank" in latchwork("tasks", "list", LATCHWORK_DSN=app.dsn, columns=140).out
    assert "exclusive account:a; shared bank" in latchwork("tasks", "list", LATCHWORK_DSN=app.dsn).out


def test_tasks_show_tells_all_of_a_failed_task_and_obeys_nothing(latchwork: Commands, app: App) -> None:
    task_id = deposit(app, HOSTILE, exclusive=[HOSTILE])
    drainer = Drainer(app)
    error = json.dumps({"type": "ValueError", "message": HOSTILE, "traceback": f"Traceback\n{HOSTILE}"})
    (claimed,) = drainer.claim()
    drainer.advance([Finish(claimed.id, claimed.token, "failed", error=error, output=f"said\n{HOSTILE}\n")], 0)
    shown = latchwork("tasks", "show", task_id, LATCHWORK_DSN=app.dsn)
    assert "\x1b" not in shown.out
    escaped = "[red]x[/red]\\x1b[2J"
    assert f"ValueError: {escaped}\n" in shown.out
    assert f"output\n  said\n  {escaped}\n" in shown.out
    assert f"account:{escaped}\n" in shown.out
    document = latchwork("tasks", "show", task_id, "--json", LATCHWORK_DSN=app.dsn).document
    assert document["error"]["message"] == HOSTILE
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", document["finished_at"])


def on_a_terminal(*arguments: str, **env: str) -> str:
    """What a command writes to a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)
    clean = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS")}
    command = [sys.executable, "-m", "latchwork.cli.main", *arguments]
    subprocess.run(command, stdin=theirs, stdout=theirs, env={**clean, "TERM": "xterm", **env}, check=True)
    written = os.read(ours, 65_536)  # the terminal keeps it: a short table fits
    os.close(ours)
    os.close(theirs)
    return written.decode()


def test_colours_are_for_terminals_that_want_them(latchwork: Commands, app: App) -> None:
    app.cancel(deposit(app, "a"))
    magenta = "\x1b[35mcanceled"
    assert magenta in on_a_terminal("tasks", "list", LATCHWORK_DSN=app.dsn)
    assert magenta not in on_a_terminal("tasks", "list", LATCHWORK_DSN=app.dsn, NO_COLOR="1")
    assert "\x1b" not in latchwork("tasks", "list", LATCHWORK_DSN=app.dsn).out


def test_tasks_cancel_cancels_once_and_says_what_became_of_it(latchwork: Commands, app: App) -> None:
    waiting, done = deposit(app, "a"), deposit(app, "b")
    canceled = latchwork("tasks", "cancel", waiting, "--reason", "no need", LATCHWORK_DSN=app.dsn)
    assert canceled.out == f"task {waiting} is canceled\n"
    assert app.get(waiting).error == {"type": "Canceled", "message": "no need"}
    Drainer(app).drain()
    late = latchwork("tasks", "cancel", done, LATCHWORK_DSN=app.dsn)
    assert (late.code, late.err) == (1, f"error: task {done} is completed already: there is nothing to cancel\n")


# --- locks and workers


def test_locks_show_who_holds_who_waits_and_who_waits_elsewhere(latchwork: Commands, app: App) -> None:
    first, second = deposit(app, "a"), deposit(app, "a", exclusive=["door"])
    Drainer(app).claim()
    places = {
        (row["resource"], row["place"]): (row["task"], row["mode"], row["status"], row["holds"])
        for row in latchwork("locks", "--json", LATCHWORK_DSN=app.dsn).document["locks"]
    }
    assert places == {
        ("account:a", 1): (first, "exclusive", "running", True),
        ("account:a", 2): (second, "exclusive", "waits", False),
        ("bank", 1): (first, "shared", "running", True),
        ("bank", 2): (second, "shared", "reserved", False),
        ("door", 1): (second, "exclusive", "reserved", False),
    }
    text = latchwork("locks", LATCHWORK_DSN=app.dsn, columns=80).out
    assert max(map(len, text.splitlines())) <= 80
    assert "1  exclusive  running" in text
    assert "reserved: its turn has come here" in text
    only = latchwork("locks", "--resource", "door", LATCHWORK_DSN=app.dsn).out
    assert "account:a" not in only


def test_a_long_line_shows_its_first_places_and_how_to_see_all(latchwork: Commands, app: App) -> None:
    ids = [deposit(app, "a") for _ in range(12)]
    text = latchwork("locks", LATCHWORK_DSN=app.dsn).out
    assert "account:a, the first 10 of 12; --resource shows all" in text
    text = latchwork("locks", "--resource", "account:a", LATCHWORK_DSN=app.dsn).out
    assert all(task_id in text for task_id in ids)
    cut = latchwork("locks", "--resource", "account:a", "--limit", "3", LATCHWORK_DSN=app.dsn).out
    assert "the first 3 places" in cut


def test_workers_are_told_apart_by_their_heartbeat(latchwork: Commands, app: App, connect: Connect) -> None:
    store = app.client.store()  # type: ignore[union-attr]  # outside a task it is a Client
    ids = [f"01890a5d-ac96-774b-bcce-b302099a800{i}" for i in range(3)]
    for node in ids:
        store.join({"id": node, "name": HOSTILE, "host": "h", "pid": 1, "slots": 4, "version": "1", "tasks": ["x"]})
    store.beat(ids[0], "working", 3)
    store.beat(ids[1], "working", 3)
    connect(app.dsn).execute(
        "UPDATE latchwork.heartbeat SET beat_at = beat_at - interval '16 s' WHERE app = %s", [ids[1]]
    )
    rows = latchwork("workers", "--json", LATCHWORK_DSN=app.dsn).document["workers"]
    assert {row["id"]: (row["alive"], row["running"]) for row in rows} == {
        ids[0]: (True, 3),
        ids[1]: (False, 3),
        ids[2]: (False, None),
    }
    text = latchwork("workers", LATCHWORK_DSN=app.dsn).out
    assert [row.split()[1:3] for row in text.splitlines()[1:]] == [["working", "3/4"], ["lost", "3/4"], ["lost", "0/4"]]
    assert "\x1b" not in text


def test_an_empty_database_is_told_in_words_and_in_json(latchwork: Commands, dsn: str) -> None:
    for command, words, key in (
        (("tasks", "list"), "no tasks yet", "tasks"),
        (("locks",), "no locks are held or waited for", "locks"),
        (("workers",), "no node runs; start one with: latchwork worker MODULE:APP", "workers"),
    ):
        assert latchwork(*command, LATCHWORK_DSN=dsn).out == f"{words}\n"
        assert latchwork(*command, "--json", LATCHWORK_DSN=dsn).document[key] == []


# --- errors

READERS = [("tasks", "list"), ("tasks", "show", ID), ("tasks", "cancel", ID), ("locks",), ("workers",)]


@pytest.mark.parametrize("command", READERS, ids=" ".join)
def test_an_unmigrated_database_is_one_line_that_says_migrate(
    latchwork: Commands, fresh_dsn: str, command: tuple[str, ...]
) -> None:
    ran = latchwork(*command, LATCHWORK_DSN=fresh_dsn)
    assert (ran.code, ran.out) == (1, "")
    assert re.fullmatch(r"error: .*run `latchwork migrate`\n", ran.err)


def test_a_newer_schema_is_one_line_that_says_update(latchwork: Commands, dsn: str, connect: Connect) -> None:
    connect(dsn).execute("INSERT INTO latchwork.migration (version, name, checksum) VALUES (9999, 'x', 'y')")
    for command in (("tasks", "list"), ("migrate",)):
        ran = latchwork(*command, LATCHWORK_DSN=dsn)
        assert (ran.code, ran.out) == (1, "")
        assert re.fullmatch(r"error: .*version 9999.*: update Latchwork\n", ran.err)


@pytest.mark.parametrize("command", [*READERS, ("migrate",)], ids=" ".join)
@pytest.mark.parametrize(
    ("dsn", "says"),
    [
        (UNUSED, r"error: the database at '.*port=1' cannot be reached: .*refused.*"),
        ("no dsn at all", r"error: the DSN cannot be read: .*"),
        ("", r"error: no database: pass --dsn, or set LATCHWORK_DSN; .*"),
    ],
    ids=["unreachable", "unreadable", "none"],
)
def test_a_dsn_that_cannot_be_used_is_one_line(
    latchwork: Commands, command: tuple[str, ...], dsn: str, says: str
) -> None:
    ran = latchwork(*command, LATCHWORK_DSN=dsn)
    assert (ran.code, ran.out) == (1, "")
    assert re.fullmatch(says + r"\n", ran.err)


def test_a_password_is_not_shown(latchwork: Commands) -> None:
    ran = latchwork("workers", "--dsn", "postgresql://me:secret@127.0.0.1:1/x")
    assert ran.code == 1
    assert "secret" not in ran.err


def test_no_such_task_and_no_id_are_one_line(latchwork: Commands, dsn: str) -> None:
    for command in ("show", "cancel"):
        ran = latchwork("tasks", command, ID, LATCHWORK_DSN=dsn)
        assert (ran.code, ran.err) == (1, f"error: no task has the id '{ID}', neither waiting nor in the history\n")
        ran = latchwork("tasks", command, "01890a5d", LATCHWORK_DSN=dsn)
        assert (ran.code, ran.out) == (1, "")
        assert re.fullmatch(r"error: '01890a5d' is no task id; ids look like .*\n", ran.err)


@pytest.mark.parametrize("schema", ["Other", "x; drop", "pg_x"])
def test_a_schema_that_is_none_is_one_line(latchwork: Commands, dsn: str, schema: str) -> None:
    for command in (("migrate",), ("tasks", "list")):
        ran = latchwork(*command, LATCHWORK_DSN=dsn, LATCHWORK_SCHEMA=schema)
        assert (ran.code, ran.out) == (1, "")
        assert re.fullmatch(r"error: schema .* is not usable: .*\n", ran.err)


def test_an_argument_that_is_not_utf8_is_one_line(latchwork: Commands) -> None:
    ran = latchwork("tasks", "list", "--name", "\udcff")
    assert (ran.code, ran.err) == (1, "error: the argument '\\udcff' is not UTF-8; names and ids are\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ("nothing",),
        ("tasks", "list", "--limit", "0"),
        ("tasks", "list", "--state", "x"),
        ("tasks", "show"),
        ("worker",),
    ],
    ids=" ".join,
)
def test_wrong_usage_ends_with_2(latchwork: Commands, arguments: tuple[str, ...]) -> None:
    ran = latchwork(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert "Traceback" not in ran.err


def test_the_version_is_printed(latchwork: Commands) -> None:
    assert latchwork("--version").out == f"latchwork {__version__}\n"


@pytest.mark.parametrize("module", ["typer", "rich"])
def test_a_missing_extra_is_one_line_that_names_it(module: str) -> None:
    program = f"import sys; sys.modules['{module}'] = None\nfrom latchwork.cli.main import main\nmain()"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == f"error: the command line needs the module {module}; run: pip install 'latchwork[cli]'\n"
