from __future__ import annotations

import io
import re
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from rich.console import Console, RenderableType

from latchwork.cli.demo_history import span, waits
from latchwork.cli.demo_picture import (
    Cell,
    Scale,
    axis,
    chain_text,
    line_cells,
    lines,
    palette,
    picture,
    run_cells,
    slots,
    waits_table,
)
from latchwork.cli.demo_progress import counts, counts_line, panel
from latchwork.core.resource import LockSet
from latchwork.core.task import Task
from tests.support.histories import Work, faultless, task
from tests.unit.test_demo_history import WORKS, real_job


def printed(renderable: RenderableType, width: int = 120, *, color: bool = False) -> str:
    out = io.StringIO()
    Console(file=out, width=width, force_terminal=color, color_system="standard" if color else None).print(renderable)
    return out.getvalue()


def signs(row: Iterable[Cell]) -> str:
    return "".join(cell.sign for cell in row)


HISTORY = faultless([Work("sync", ["repo:a"], [], 2.0), Work("publish", ["dist:x"], ["repo:a"], 2.0)], 2)


def test_a_line_shows_the_wait_and_then_the_run() -> None:
    scale = Scale(0.0, 4.0, 8)
    rows = {name: signs(line_cells(lane, scale, waits(HISTORY))) for name, lane in lines(HISTORY).items()}
    assert rows == {"repo:a": "SSSS    ", "dist:x": "····PPPP"}


def test_a_blocked_task_takes_the_colour_of_the_one_it_waits_for() -> None:
    row = line_cells([HISTORY[1]], Scale(0.0, 4.0, 8), waits(HISTORY))
    assert [cell.kind for cell in row] == ["sync"] * 4 + ["publish"] * 4


def test_a_ready_task_that_waits_for_a_slot_is_shaded() -> None:
    one = task(1, "sync", LockSet(("a",)), unblocked_at=1.0, started_at=3.0, finished_at=4.0)
    assert signs(line_cells([one], Scale(0.0, 4.0, 4), {})) == "·░░S"


def test_of_several_waiting_in_one_line_the_next_is_drawn() -> None:
    history = faultless([Work("x", ["a"]), Work("y", ["a"]), Work("z", ["a"])])
    assert signs(line_cells(history, Scale(0.0, 3.0, 6), waits(history))) == "XXYYZZ"
    row = line_cells(history[1:], Scale(0.0, 3.0, 6), waits(history))
    assert [cell.kind for cell in row] == ["x", "x", "y", "y", "z", "z"]


def test_a_run_too_short_for_a_column_still_shows() -> None:
    one = task(1, "blink", started_at=5.0, finished_at=5.001)
    assert signs(run_cells([one], Scale(0.0, 10.0, 10))) == "     B    "


def test_slots_are_as_many_as_ran_at_once_and_no_slot_runs_two() -> None:
    history = faultless(real_job(), slots=4)
    lanes = slots(history)
    assert len(lanes) == 4
    assert sum(map(len, lanes)) == len(history)
    for lane in lanes:
        assert all(span(before).finished <= span(after).started for before, after in pairwise(lane))


def test_each_task_has_its_line_and_readers_stand_in_that_of_the_resource_fewest_share() -> None:
    history = faultless(real_job())
    lanes = lines(history)
    assert sum(map(len, lanes.values())) == len(history)
    assert len([name for name in lanes if name.startswith("repo:")]) == 12
    assert len([name for name in lanes if name.startswith("dist:")]) == 15
    assert {one.name for one in lanes["store"]} == {"demo.remove_orphans"}


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_the_picture_of_the_demo_job_fits_the_width(width: int) -> None:
    text = printed(picture(faultless(real_job()), width), width)
    rows = text.splitlines()
    assert max(map(len, rows)) <= width
    assert len([row for row in rows if row.startswith("slot ")]) == 4
    assert re.search(r"^repo:r0 .*S", text, re.MULTILINE)
    assert re.search(r"^dist:stable +·+[░P]+·", text, re.MULTILINE)


@given(WORKS)
def test_any_history_can_be_drawn(works: list[Work]) -> None:
    history = faultless(works)
    for view in (picture(history), waits_table(history), chain_text(history), panel(history, 0.0)):
        assert printed(view)


@given(WORKS)
def test_any_moment_of_a_run_can_be_drawn(works: list[Work]) -> None:
    history = [moment(one, 1.5) for one in faultless(works)]
    for view in (picture(history), waits_table(history), chain_text(history), panel(history, 1.5)):
        assert printed(view)
    assert sum(counts(history).values()) == len(history)


def moment(one: Task, now: float) -> Task:
    """Return the task as it was at that time."""
    times = {name: at for name, at in one._asdict().items() if name.endswith("_at") and at is not None and at <= now}
    state = "completed" if "finished_at" in times else "running" if "started_at" in times else "waiting"
    hidden = dict.fromkeys(("unblocked_at", "started_at", "finished_at"))
    return one._replace(state=state, **{**hidden, **times})


def test_the_live_view_tells_what_runs_and_what_waits_for_what() -> None:
    text = printed(panel([moment(one, 1.0) for one in HISTORY], now=1.5))
    assert "0/2" in text
    assert re.search(r"sync a +1\.5 s", text)
    assert re.search(r"publish a → x +sync a \(runs\), repo:a", text)
    assert counts_line([moment(one, 1.0) for one in HISTORY]) == "1 running, 1 blocked"


def test_the_live_view_keeps_its_height_and_says_how_many_it_leaves_out() -> None:
    history = faultless(real_job())
    views = [printed(panel([moment(one, now) for one in history], now)) for now in (0.0, 2.0, 5.0, 100.0)]
    assert len({view.count("\n") for view in views}) == 1
    assert re.search(r"and \d+ more", views[0])
    assert f"{len(history)}/{len(history)}" in views[-1]


def test_names_from_data_are_not_read_as_markup_or_terminal_commands() -> None:
    nasty = task(1, "[red]x\x1b[2J", LockSet(("repo:[bold]y\x1b]0;t\x07",)))
    waiting = nasty._replace(id="2", ticket=2, state="waiting", unblocked_at=None, started_at=None, finished_at=None)
    running = nasty._replace(state="running", finished_at=None)
    for view in (picture([nasty]), panel([running, waiting], 0.0), waits_table([nasty, waiting])):
        text = printed(view, color=False)
        assert "\x1b" not in text
        assert "\x07" not in text
    assert "[red]x" in printed(panel([running, waiting], 0.0))


def test_the_colours_follow_how_frequent_a_kind_is() -> None:
    assert palette(faultless(real_job())) == {
        "publish": "cyan",
        "verify": "green",
        "sync": "yellow",
        "remove_orphans": "magenta",
    }


def test_the_axis_marks_round_seconds() -> None:
    assert axis(Scale(0.0, 4.0, 48)) == "|0          |1          |2          |3          "


def test_the_table_of_waits_counts_who_was_let_go_by_whom() -> None:
    works = [Work("a", ["x"], [], 3.0), Work("b", [], ["x"]), Work("c", [], ["x"]), Work("d", ["x"])]
    text = printed(waits_table(faultless(works)))
    assert [row.split() for row in text.splitlines()[2:]] == [
        ["2", "3.00", "s", "a", "x", "b,", "c"],
        ["1", "4.00", "s", "b", "x", "d"],
    ]
