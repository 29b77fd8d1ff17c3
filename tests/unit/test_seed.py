"""The seed in the header of a run governs both the random module and Hypothesis."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import hypothesis

ROOT = Path(__file__).parents[2]

PROBE = """
import random
from hypothesis import given, strategies as st

drawn = []

@given(st.integers())
def test_draws(number):
    drawn.append(number)

def test_shows():
    print("drawn:", drawn, random.random())
"""


def run_probe(folder: Path, seed: str) -> str:
    """Run the probe under our conftest in a process of its own, and return what it drew."""
    (folder / "conftest.py").write_text((ROOT / "tests/conftest.py").read_text())
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_probe.py").write_text(PROBE)
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "-p", "no:xdist", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LATCHWORK_TEST_SEED": seed}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return next(line for line in done.stdout.splitlines() if "drawn:" in line)


def test_the_same_seed_draws_the_same_and_another_one_does_not(tmp_path: Path) -> None:
    first, again, other = (run_probe(tmp_path, seed) for seed in ("7", "7", "8"))

    assert first == again
    assert first != other


def test_every_test_starts_from_the_seed() -> None:
    seed = int(os.environ["LATCHWORK_TEST_SEED"])
    assert random.random() == random.Random(seed).random()


def test_hypothesis_has_no_deadline() -> None:
    assert hypothesis.settings().deadline is None
