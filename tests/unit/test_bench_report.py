"""What the bench says: its arithmetic, its targets, the shape of its JSON, and that it says nothing of a bad run."""

from __future__ import annotations

import json

import pytest

from latchwork.bench.figures import percentile, rounded
from latchwork.bench.limits import mean
from latchwork.bench.report import Report, at_least, at_most, refused
from latchwork.bench.run import SCENARIOS, sizes_of
from latchwork.bench.scenarios import depth, dispatch, engine
from latchwork.bench.scenarios.chain import overlap_faults
from latchwork.bench.scenarios.node import Run
from latchwork.errors import ConfigError


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(value) for value in range(1, 201)]
    assert (percentile(values, 50), percentile(values, 99), percentile(values, 100)) == (100, 198, 200)
    assert percentile([7.0], 99) == 7.0


def test_figures_have_four_digits() -> None:
    assert [rounded(value) for value in (12345.678, 0.00123456, 1.0)] == [12350.0, 0.001235, 1.0]


def test_a_limit_is_the_mean_of_before_and_after() -> None:
    assert mean({"a": 1.0, "b": 10.0}, {"a": 3.0, "b": 20.0}) == {"a": 2.0, "b": 15.0}


@pytest.mark.parametrize(("reached", "met"), [(0.59, False), (0.6, True), (0.61, True)])
def test_a_target_from_below(reached: float, met: bool) -> None:
    assert at_least("x", 0.6, reached).met is met


@pytest.mark.parametrize(("reached", "met"), [(1.31, False), (1.3, True), (0.9, True)])
def test_a_target_from_above(reached: float, met: bool) -> None:
    assert at_most("x", 1.3, reached).met is met


def test_depth_is_judged_by_its_worst_ratio_of_each_cost() -> None:
    shallow = {"waiting": 100, **dict.fromkeys(depth.COSTS, 1.0)}
    deep = {"waiting": 1_000, **dict.fromkeys(depth.COSTS, 1.0), "handoff_ms": 1.4}
    missed = [target for target in depth.judge([shallow, deep], {}) if not target.met]
    assert [target.figure for target in missed] == ["handoff at 1,000 waiting against 100"]


def test_batches_may_reach_the_rate_or_the_ratio() -> None:
    def met(none: float, two: float) -> bool:
        kinds = dict(zip(dispatch.KINDS, (none, two), strict=True))
        rows = [{"resources": kind, "batch": 1_000, "tasks_per_s": speed} for kind, speed in kinds.items()]
        rows += [{"resources": kind, "batch": 1, "tasks_per_s": 1.0} for kind in (*kinds, dispatch.COMMITS)]
        return dispatch.judge(rows, {})[0].met

    assert met(60_000, 21_000)
    assert met(30_000, 16_000)
    assert not met(60_000, 19_000)


def test_the_engine_is_judged_against_the_loop_and_against_itself() -> None:
    rows = [
        {"kind": kind, "tasks_per_s": speed} for kind, speed in (("loop", 100.0), ("free", 50.0), ("contended", 30.0))
    ]
    assert [(target.reached, target.met) for target in engine.judge_free(rows, {})] == [(0.5, False)]
    assert [(target.reached, target.met) for target in engine.judge_contended(rows, {})] == [(0.6, True)]


def test_code_that_began_too_early_is_found() -> None:
    def run(begin: int, end: int) -> Run:
        return Run("", 0, 0.0, 0.0, [begin, end])

    assert overlap_faults([run(1, 2), run(2, 3), run(5, 6)]) == []
    assert overlap_faults([run(1, 4), run(3, 5)]) != []


def test_the_json_has_the_names_that_others_read() -> None:
    report = Report(
        "x", True, None, {"cpu_count": 2}, {"a_per_s": 1.23456}, [{"b_ms": 1.23456}], [at_most("c", 1, 0.12345)]
    )
    shown = json.loads(json.dumps(report.as_json()))
    assert {"scenario", "version", "correct", "environment", "limits", "results", "targets"} <= set(shown)
    assert shown["results"] == [{"b_ms": 1.235}]
    assert shown["targets"][0]["met"] is True


def test_a_run_that_was_not_correct_has_no_figures() -> None:
    shown = refused("x", ["3 tasks did not complete"]).as_json()
    assert (shown["correct"], shown["reason"], shown["results"], shown["targets"], shown["limits"]) == (
        False,
        "3 tasks did not complete",
        [],
        [],
        {},
    )


def test_depth_goes_to_a_million_unless_it_should_be_quick() -> None:
    assert sizes_of("depth").depths == (100, 1_000, 10_000, 100_000, 1_000_000)
    assert sizes_of("depth", quick=True).depths == (100, 1_000, 10_000, 100_000)


def test_the_number_of_tasks_can_be_chosen_where_there_is_one() -> None:
    assert sizes_of("isolated", tasks=100_000).tasks == 100_000
    with pytest.raises(ConfigError, match="--tasks does not go with 'depth'"):
        sizes_of("depth", tasks=5)


def test_an_unknown_scenario_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"no scenario 'nope'; scenarios are depth, free, .*pickup"):
        sizes_of("nope")
    assert set(SCENARIOS) == {"depth", "free", "contended", "dispatch", "isolated", "chain", "pickup"}
