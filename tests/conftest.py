"""What all tests share: one seed for everything random, printed so that a run can be repeated, and no timing rules."""

from __future__ import annotations

import os
import random

import hypothesis
import pytest

SEED_VARIABLE = "LATCHWORK_TEST_SEED"

pytest_plugins = ["tests.support.postgres", "tests.support.embedded"]

# No test may fail because the machine is slow, so Hypothesis sets no deadline for an example.
hypothesis.settings.register_profile(
    "latchwork", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
hypothesis.settings.load_profile("latchwork")


def _seed() -> int:
    """The seed of this run: the one asked for, else a new one. It is put where xdist's workers inherit it."""
    return int(os.environ.setdefault(SEED_VARIABLE, str(random.SystemRandom().randrange(2**32))))


@pytest.hookimpl(tryfirst=True)  # before Hypothesis reads its own option
def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("hypothesis_seed") is None:
        config.option.hypothesis_seed = str(_seed())


def pytest_report_header() -> str:
    return f"seed: {_seed()} ({SEED_VARIABLE}={_seed()} repeats it)"


@pytest.fixture(autouse=True)
def _seeded() -> None:
    random.seed(_seed())
