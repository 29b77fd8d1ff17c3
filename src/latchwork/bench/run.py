"""Runs one scenario from a fresh database to a report. A run that was not correct gives a reason and no figures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from latchwork.bench import environment, limits
from latchwork.bench.place import Place, place, server
from latchwork.bench.report import Measured, Report, refused
from latchwork.bench.scenarios import chain, depth, dispatch, engine, isolated, pickup
from latchwork.errors import ConfigError, LatchworkError


class Scenario(NamedTuple):
    """One thing to measure, in two sizes. ``tasks`` names the size that ``--tasks`` sets, if one does."""

    run: Callable[[Place, Any], Measured]
    full: Any
    quick: Any
    what: str
    tasks: str | None = None


SCENARIOS = {
    "depth": Scenario(depth.run, depth.FULL, depth.QUICK, "costs at 100 to 1,000,000 waiting on one resource"),
    "free": Scenario(engine.run_free, engine.FULL, engine.QUICK, "the engine without resources", "tasks"),
    "contended": Scenario(engine.run_contended, engine.FULL, engine.QUICK, "the engine with resources", "tasks"),
    "dispatch": Scenario(dispatch.run, dispatch.FULL, dispatch.QUICK, "storing tasks, in batches and one by one"),
    "isolated": Scenario(isolated.run, isolated.FULL, isolated.QUICK, "no-op tasks in a child each", "tasks"),
    "chain": Scenario(chain.run, chain.FULL, chain.QUICK, "hand-off on one resource, a child each", "tasks_a_turn"),
    "pickup": Scenario(pickup.run, pickup.FULL, pickup.QUICK, "dispatch to start on an idle node", "dispatches"),
}


def sizes_of(name: str, *, quick: bool = False, tasks: int | None = None) -> Any:
    """Return the sizes of a scenario. Raises ConfigError for an unknown one, or one whose tasks are not counted so."""
    if name not in SCENARIOS:
        raise ConfigError(f"there is no scenario {name!r:.60}; scenarios are {', '.join(SCENARIOS)}")
    scenario = SCENARIOS[name]
    sizes = scenario.quick if quick else scenario.full
    if tasks is None:
        return sizes
    if scenario.tasks is None:
        counted = ", ".join(other for other, one in SCENARIOS.items() if one.tasks)
        raise ConfigError(f"--tasks does not go with {name!r}; it goes with {counted}")
    return sizes._replace(**{scenario.tasks: tasks})


def run(name: str, sizes: Any, dsn: str | None = None) -> Report:
    """Run a scenario in a schema of its own, on the server at ``dsn`` or a built-in one, and report.

    Raises ConfigError and DatabaseUnavailable if there is no server to run on.
    """
    with server(dsn) as there, place(there) as home:
        return run_in(home, name, sizes)


def run_in(home: Place, name: str, sizes: Any) -> Report:
    """Run a scenario in ``home``, a fresh schema."""
    around = environment.describe(home)
    with home.connect() as conn:
        home.run(conn, "rate_table")
    try:
        before = limits.measure(home)
        measured = SCENARIOS[name].run(home, sizes)
        found = limits.mean(before, limits.measure(home))
    except LatchworkError as error:
        return refused(name, [f"{type(error).__name__}: {error}"])._replace(environment=around)
    if measured.faults:
        return refused(name, measured.faults)._replace(environment=around)
    return Report(name, True, None, around, found, measured.results, measured.judge(found))
