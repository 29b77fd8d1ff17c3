"""What a run says: results with units in their names, targets with what was reached, or why it must not be believed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from latchwork._version import __version__
from latchwork.bench.figures import rounded
from latchwork.bench.limits import Limits

Row = dict[str, Any]


class Target(NamedTuple):
    """A figure to reach. ``bound``: ``at_least`` or ``at_most``. ``note`` may name an alternative to ``met``."""

    figure: str
    bound: str
    to_reach: float
    reached: float
    met: bool
    note: str = ""


class Measured(NamedTuple):
    """What a scenario found. ``judge`` gets the limits of the run; ``faults`` say what went wrong, if anything did."""

    results: list[Row]
    judge: Callable[[Limits], list[Target]]
    faults: list[str]


class Report(NamedTuple):
    """The whole run. If it was not correct there are no results, only the reason."""

    scenario: str
    correct: bool
    reason: str | None
    environment: dict[str, Any]
    limits: Limits
    results: list[Row]
    targets: list[Target]

    def as_json(self) -> dict[str, Any]:
        """Return the one object that ``--json`` prints."""
        targets = [{**one._asdict(), "reached": rounded(one.reached)} for one in self.targets]
        limits = {name: rounded(value) for name, value in self.limits.items()}
        results = [_rounded(row) for row in self.results]
        return {**self._asdict(), "version": __version__, "limits": limits, "results": results, "targets": targets}


def at_least(figure: str, to_reach: float, reached: float, note: str = "") -> Target:
    """Return the target of a figure that should be large."""
    return Target(figure, "at_least", to_reach, reached, reached >= to_reach, note)


def at_most(figure: str, to_reach: float, reached: float, note: str = "") -> Target:
    """Return the target of a figure that should be small."""
    return Target(figure, "at_most", to_reach, reached, reached <= to_reach, note)


def refused(scenario: str, reasons: Sequence[str]) -> Report:
    """Return the report of a run that was not correct."""
    return Report(scenario, False, "; ".join(reasons), {}, {}, [], [])


def _rounded(row: Row) -> Row:
    return {name: rounded(value) if isinstance(value, float) else value for name, value in row.items()}
