"""Each planted fault is caught by the check that it names; the same check passes on the schema as it is."""

from __future__ import annotations

import pytest

from latchwork.db import sql_files
from latchwork.db.migrate import migrate
from proving.canaries.planting import Canary, Change, NotPlanted, canaries, plant
from tests.support import checks

FAULTS = {
    "claim_without_state",
    "finish_without_token",
    "missing_grant_latch",
    "shared_as_exclusive",
    "ticket_before_latch",
}

each_canary = pytest.mark.parametrize("canary", canaries(), ids=lambda canary: canary.name)


def test_no_canary_is_missing() -> None:
    assert {canary.name for canary in canaries()} >= FAULTS


@each_canary
def test_the_planted_fault_is_caught(canary: Canary, fresh_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = plant(canary, sql_files.code())
    monkeypatch.setattr(sql_files, "code", lambda: broken)
    migrate(fresh_dsn)
    with pytest.raises(AssertionError):
        getattr(checks, canary.caught_by)(fresh_dsn)


@each_canary
def test_the_same_check_passes_without_the_fault(canary: Canary, dsn: str) -> None:
    getattr(checks, canary.caught_by)(dsn)


def test_a_change_that_does_not_fit_is_an_error_and_not_a_pass() -> None:
    gone = Canary("gone", "", "", "", (Change("claim.sql", "no such text", "x"),))
    twice = Canary("twice", "", "", "", (Change("claim.sql", "latchwork", "x"),))
    for canary in (gone, twice):
        with pytest.raises(NotPlanted, match=r"claim\.sql"):
            plant(canary, sql_files.code())
