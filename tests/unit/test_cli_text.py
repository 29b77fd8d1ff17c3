"""Data of tasks as text: shown and never obeyed, at any width."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.text import Text

from latchwork.cli.output import CUT_COLUMNS_MIN, Column, table
from latchwork.cli.task_text import as_json, detail, state_of, summary, waits
from latchwork.cli.text import block, duration, iso, line
from latchwork.core.task import Task

ID = "01890a5d-ac96-774b-bcce-b302099a8057"
NOW = 1_000_100.0


def task(**changes: Any) -> Task:
    """A task that was dispatched 100 s before NOW and waits for a lock."""
    fields: dict[str, Any] = dict.fromkeys(Task._fields)
    fields.update(id=ID, name="shop.deposit", state="waiting", priority=0, attempt=0, exclusive=("account:a",))
    fields.update(shared=("bank", "clock"), created_at=NOW - 100, payload='{"args":[1],"kwargs":{"to":"ann"}}')
    return Task(**{**fields, **changes})


def shown(of: Task) -> str:
    return "\n".join(text.plain for text in detail(of, NOW))


@given(st.text())
def test_a_line_holds_nothing_that_a_terminal_obeys(text: str) -> None:
    assert line(text).isprintable()


@given(st.text())
def test_a_block_has_line_breaks_and_else_nothing_that_a_terminal_obeys(text: str) -> None:
    assert block(text).replace("\n", "").isprintable()


def test_escapes_are_written_out() -> None:
    assert line("a\x1b[2Jb\rc\nd\u202e") == "a\\x1b[2Jb\\rc\\nd\\u202e"
    assert block("a\r\nb\tc\x07") == "a\nb   c\\x07"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "–"),
        (-3, "0 ms"),
        (0.0032, "3 ms"),
        (0.9999, "1.0 s"),
        (9.94, "9.9 s"),
        (12.4, "12 s"),
        (59.6, "60 s"),
        (300, "5 min"),
        (7200, "2 h"),
        (400_000, "5 d"),
    ],
)
def test_a_duration_has_one_unit(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words


def test_times_are_iso_in_utc() -> None:
    assert iso(0.25) == "1970-01-01T00:00:00.250000Z"
    assert iso(None) is None


# --- one task


def test_waits_count_until_now_and_until_the_end() -> None:
    assert waits(task(), NOW) == (100, None, None)
    assert waits(task(unblocked_at=NOW - 40), NOW) == (60, 40, None)
    running = task(state="running", unblocked_at=NOW - 40, started_at=NOW - 30)
    assert waits(running, NOW) == (60, 10, 30)
    assert waits(running._replace(finished_at=NOW - 25), NOW) == (60, 10, 5)
    assert waits(task(state="canceled", finished_at=NOW - 90), NOW) == (10, None, None)


def test_waiting_is_told_apart_as_blocked_and_ready() -> None:
    assert state_of(task()) == "blocked"
    assert state_of(task(unblocked_at=NOW)) == "ready"
    assert state_of(task(state="failed")) == "failed"


def test_a_summary_names_modes_and_times() -> None:
    assert summary(task(), NOW) == ("blocked", "2 min", "2 min", "–", "exclusive account:a; shared bank, clock")


def test_json_has_iso_times_and_the_arguments_taken_apart() -> None:
    document = as_json(task(result={"x": 1}), NOW)
    assert document["created_at"] == "1970-01-12T13:46:40.000000Z"
    assert (document["args"], document["kwargs"], document["result"]) == ([1], {"to": "ann"}, {"x": 1})
    assert document.keys() == {*Task._fields, "args", "kwargs", "waits"} - {"payload"}
    assert document["waits"] == {"locks_s": 100, "slot_s": None, "run_s": None}


@pytest.mark.parametrize("payload", ["[1]", '{"x": 1}', '{"args": 1, "kwargs": []}', None])
def test_a_payload_that_is_no_call_is_shown_as_it_is(payload: str | None) -> None:
    odd = task(payload=payload)
    assert f"arguments   {payload or '–'}\n" in shown(odd)
    assert (as_json(odd, NOW)["args"], as_json(odd, NOW)["kwargs"]) == (None, None)


def test_a_blocked_task_shows_what_it_waits_for_so_far() -> None:
    text = shown(task())
    assert 'arguments   1, to="ann"' in text
    assert "shared      bank\n            clock" in text
    assert text.endswith("waited 2 min for locks so far")


def test_a_running_task_shows_how_long_so_far() -> None:
    assert shown(task(state="running", unblocked_at=NOW - 40, started_at=NOW - 30)).endswith("ran 30 s so far")


def test_a_task_canceled_while_blocked_shows_when() -> None:
    text = shown(task(state="canceled", finished_at=NOW - 90, error={"type": "Canceled", "message": "no need"}))
    assert "canceled    1970-01-12 13:46:50.000000 UTC  waited 10 s for locks" in text
    assert text.endswith("error\n  Canceled: no need")


def test_a_failed_task_shows_error_traceback_and_output_as_text() -> None:
    error = {"type": "ValueError", "message": "[red]x[/red]\x1b[2J", "traceback": "Traceback\n  File a\n"}
    times = {"unblocked_at": NOW, "started_at": NOW, "finished_at": NOW}
    text = shown(task(state="failed", error=error, output="one\n\x1b[31mtwo\n", **times))
    assert "error\n  ValueError: [red]x[/red]\\x1b[2J\n" in text
    assert "traceback\n  Traceback\n    File a\n" in text
    assert text.endswith("output\n  one\n  \\x1b[31mtwo")


def test_a_result_of_null_is_shown() -> None:
    assert shown(task(state="completed", finished_at=NOW, started_at=NOW, unblocked_at=NOW)).endswith("result\n  null")


# --- tables

COLUMNS = (Column("id"), Column("age", right=True), Column("name", cut="front"), Column("what", cut="end"))


def plain(rows: list[list[str | Text]], width: int) -> list[str]:
    return [text.plain for text in table(COLUMNS, {"": rows}, width)]


def test_a_table_is_as_wide_as_its_cells_and_has_no_trailing_blanks() -> None:
    assert plain([["1", "10 s", "a.b", "x"], ["2", "1 s", "c", ""]], 80) == [
        "id   age  name  what",
        "1   10 s  a.b   x",
        "2    1 s  c     ",
    ]


def test_only_columns_that_may_be_cut_give_way() -> None:
    row = plain([["0123456789", "1 s", "front" * 8, "end" * 8]], 50)[1]
    assert row == "0123456789  1 s  …rontfrontfront  endendendendend…"


@given(st.lists(st.lists(st.text(max_size=60), min_size=2, max_size=2), min_size=1), st.integers(50, 200))
def test_a_table_keeps_to_its_width(texts: list[list[str]], width: int) -> None:
    rows: list[list[str | Text]] = [[ID[:8], "1 s", *pair] for pair in texts]
    assert all(cell_len(row) <= width for row in plain(rows, width))


def test_a_table_that_cannot_fit_keeps_what_must_be_whole() -> None:
    row = plain([[ID, "1 s", "n" * 40, "w" * 40]], 20)[1]
    assert ID in row
    assert cell_len(row) == len(ID) + len("1 s") + 2 * CUT_COLUMNS_MIN + 6


def test_in_a_narrow_terminal_the_id_has_a_line_of_its_own() -> None:
    columns = [Column("id", own_line=True), Column("age", right=True), Column("name", cut="front")]
    wide, narrow = ([text.plain for text in table(columns, {"": [[ID, "1 s", "a.b"]]}, width)] for width in (80, 40))
    assert wide[1] == f"{ID}  1 s  a.b"
    assert narrow == ["age  name", "  id", "1 s  a.b", f"  {ID}"]


def test_a_dotted_name_is_cut_behind_a_dot_if_that_fits() -> None:
    names = {"": [["package.module.function"], ["f" * 30]]}
    assert [row.plain for row in table([Column("name", cut="front")], names, 12)][1:] == ["…function", "…" + "f" * 11]


def test_groups_have_their_name_above() -> None:
    lines = [text.plain for text in table([Column("a")], {"one\x1b": [["1"]], "two": [["2"]]}, 80)]
    assert lines == ["a", "", "one\\x1b", "1", "", "two", "2"]
