"""Each scenario of the bench, run tiny: the shape of what it reports and that its run was correct. Never its figures.

And the other way round: with a fault planted in the database each check must refuse the run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from latchwork.bench import cli, load
from latchwork.bench import run as bench_run
from latchwork.bench.place import Place, place
from latchwork.bench.run import run, run_in
from latchwork.bench.scenarios import chain, depth, dispatch, engine, isolated, pickup

TINY: dict[str, Any] = {
    "depth": depth.Sizes(depths=(20, 50), steps=10, warm_up_steps=2),
    "free": engine.Sizes(tasks=60, turns=2, batch=20),
    "contended": engine.Sizes(tasks=250, turns=2, batch=20),
    "dispatch": dispatch.Sizes(batch=120, turns=2, calls_a_turn=5),
    "isolated": isolated.Sizes(tasks=20, slots=2, warm_up_tasks=4, forks_a_turn=3),
    "chain": chain.Sizes(tasks_a_turn=6, turns=2, commits_a_turn=5),
    "pickup": pickup.Sizes(dispatches=5),
}
ROW_NAMES = {
    "depth": {"waiting", "dispatch_ms", "claim_finish_ms", "handoff_ms", "dispatch_same_ms", "cancel_ms"},
    "free": {"kind", "tasks_per_s"},
    "contended": {"kind", "tasks_per_s"},
    "dispatch": {"resources", "batch", "tasks_per_s", "call_ms"},
    "isolated": {
        "tasks_per_s",
        "fork_exit_per_s",
        "supervisor_rss_start_mb",
        "supervisor_rss_at_10_percent_mb",
        "supervisor_rss_end_mb",
    },
    "chain": {"handoff_p50_ms", "cycle_p50_ms", "finished_to_started_p50_ms", "commit_and_pipe_ms"},
    "pickup": {"pickup_p50_ms", "pickup_p99_ms", "dispatches"},
}
LIMITS = {
    "single_row_commits_per_s",
    "select_1_per_s",
    "fork_exit_per_s",
    "fork_exit_abreast_per_s",
    "pipe_round_trip_ms",
}


@pytest.fixture(autouse=True)
def _few_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("latchwork.bench.limits.CALLS", 10)
    monkeypatch.setattr("latchwork.bench.limits.FORKS", 3)


@pytest.fixture
def home(fresh_dsn: str) -> Iterator[Place]:
    """A schema of the bench's own making."""
    with place(fresh_dsn) as made:
        yield made


def schemas(dsn: str) -> set[str]:
    with psycopg.connect(dsn) as conn:
        return {row[0] for row in conn.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'latchwork%'")}


@pytest.mark.parametrize("name", TINY)
def test_a_scenario_reports_a_correct_run_and_leaves_nothing(name: str, fresh_dsn: str) -> None:
    report = run(name, TINY[name], fresh_dsn)
    shown = json.loads(json.dumps(report.as_json()))
    assert shown["correct"], shown["reason"]
    assert shown["scenario"] == name
    assert {"cpu_count", "cpu_model", "python", "postgres", "settings", "commit"} <= set(shown["environment"])
    assert set(shown["limits"]) == LIMITS
    assert all(value > 0 for value in shown["limits"].values())
    assert shown["results"]
    assert all(ROW_NAMES[name] <= set(row) for row in shown["results"])
    assert shown["targets"]
    assert all({"figure", "bound", "to_reach", "reached", "met"} <= set(target) for target in shown["targets"])
    assert schemas(fresh_dsn) == set()


def test_the_schema_of_others_in_the_same_database_is_left_alone(dsn: str) -> None:
    with place(dsn) as made:
        assert schemas(dsn) == {"latchwork", made.schema}
    assert schemas(dsn) == {"latchwork"}


def test_depth_has_a_row_a_depth(home: Place) -> None:
    assert [row["waiting"] for row in run_in(home, "depth", TINY["depth"]).results] == [20, 50]


# ------------------------------------------------------------------------------------------------------ planted faults

# Each is planted into the bench's own schema before the run; the reason must name what it does.
ON_HISTORY = """
CREATE FUNCTION latchwork.planted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {} RETURN NEW; END $$;
CREATE TRIGGER planted BEFORE INSERT ON latchwork.history FOR EACH ROW EXECUTE FUNCTION latchwork.planted();
"""
PLANTED = {
    "an overlap": (
        ON_HISTORY.format("NEW.started_at := NEW.started_at - interval '1 hour';"),
        "tasks started before a conflicting earlier one had finished",
    ),
    "a second attempt": (ON_HISTORY.format("NEW.attempt := 2;"), "tasks did not run exactly once"),
    "a failure": (ON_HISTORY.format("NEW.state := 'failed';"), "tasks did not complete"),
    "a lost task": (ON_HISTORY.format("RETURN NULL;"), "tasks are missing from the history"),
    "a request left over": (
        "INSERT INTO latchwork.lock_request VALUES ('forgotten', 0, false, true, gen_random_uuid())",
        "lock requests are left over",
    ),
}


def plant(home: Place, text: str) -> None:
    with home.connect() as conn:
        conn.execute(text.replace("latchwork.", f"{home.schema}.").encode())


@pytest.mark.parametrize("fault", PLANTED)
def test_a_run_with_a_planted_fault_is_refused(home: Place, fault: str) -> None:
    text, reason = PLANTED[fault]
    plant(home, text)
    report = run_in(home, "contended", TINY["contended"])
    assert not report.correct
    assert reason in (report.reason or "")
    assert report.results == []


def test_a_fault_of_the_lines_is_refused_too(home: Place) -> None:
    with home.connect() as conn:
        store = home.store(conn)
        store.dispatch(load.new_tasks(3, load.two_locks))
        assert load.line_faults(home, conn, 3) == []
        plant(home, "UPDATE latchwork.lock_request SET granted = false")
        faults = load.line_faults(home, conn, 4)
    assert {fault.partition(" ")[2] for fault in faults} == {
        "requests are granted, or not, against the rule",
        "tasks count their missing grants wrong",
        "tasks are missing, or too many",
    }


def test_a_task_that_is_handed_out_twice_or_never_is_found() -> None:
    one, two = load.new_tasks(2)
    assert load.claim_faults([one, two], [one.id, two.id]) == []
    assert load.claim_faults([one, two], [one.id, one.id]) == [
        "1 tasks were handed out more than once",
        "1 tasks were never handed out",
    ]


# ------------------------------------------------------------------------------------------------------------ commands


@pytest.fixture
def command(fresh_dsn: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Run ``bench run free`` as the command line does, tiny."""
    scenario = bench_run.SCENARIOS["free"]._replace(quick=TINY["free"])
    monkeypatch.setitem(bench_run.SCENARIOS, "free", scenario)

    def invoke(*options: str) -> Any:
        return CliRunner().invoke(cli.app, ["run", "free", "--quick", "--dsn", fresh_dsn, *options])

    return invoke


def test_the_command_prints_one_json_object(command: Callable[..., Any]) -> None:
    result = command("--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["scenario"] == "free"


def test_the_command_shows_a_table_with_the_target(command: Callable[..., Any]) -> None:
    result = command()
    assert result.exit_code == 0, result.output
    assert "≥ 0.6" in result.stdout
    assert "single_row_commits_per_s" in result.stdout


def test_the_command_fails_and_gives_no_figures_if_the_run_was_not_correct(
    command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgetful(*args: Any) -> list[str]:
        return load.work_off(*args)[1:]

    monkeypatch.setattr(engine, "work_off", forgetful)
    result = command("--json")
    assert result.exit_code == 1
    shown = json.loads(result.stdout)
    assert shown["correct"] is False
    assert "1 tasks were never handed out" in shown["reason"]
    assert shown["results"] == []
    assert "NOT CORRECT" in command().stdout


def test_the_command_says_in_one_line_what_is_wrong_with_its_options() -> None:
    result = CliRunner().invoke(cli.app, ["run", "nope"])
    assert result.exit_code == 1
    assert result.stderr.strip().startswith("ConfigError: there is no scenario 'nope'")


def test_a_node_that_cannot_start_refuses_the_run(home: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("latchwork.bench.node_process.START_LIMIT_S", 0.0)
    report = run_in(home, "isolated", TINY["isolated"])
    assert not report.correct
    assert "had not joined" in (report.reason or "")
