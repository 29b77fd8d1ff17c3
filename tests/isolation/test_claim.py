"""Claims at the same moment, and claims beside cancels."""

from __future__ import annotations

from tests.support import checks
from tests.support.sessions import Session, sessions


def cancel_once(session: Session, task: str) -> str | None:
    """The SQL function itself: the store asks again when it says ``busy``."""
    row = session.conn.execute("SELECT latchwork.cancel(%s)", [task]).fetchone()
    assert row is not None
    return None if row[0] is None else str(row[0])


def test_two_claimers_never_get_the_same_task(dsn: str) -> None:
    checks.two_claimers_never_get_the_same_task(dsn)


def test_a_finish_needs_the_token(dsn: str) -> None:
    checks.a_finish_needs_the_token(dsn)


def test_a_claim_that_is_rolled_back_gives_the_task_to_the_next(dsn: str) -> None:
    with sessions(dsn, 2) as (one, other):
        task = one.write("r").id
        one.begin()
        assert one.claim() == [task]
        assert other.start(other.claim).result(0) == []
        one.rollback()
        assert other.claim() == [task]


def test_each_claim_has_its_own_token(dsn: str) -> None:
    with sessions(dsn, 1) as (one,):
        tasks = [one.write().id for _ in range(50)]
        one.claim()
        assert len({one.owned[task].token for task in tasks}) == 50


def test_cancel_of_a_task_that_is_being_claimed_does_not_wait_and_tells_to_ask_again(dsn: str) -> None:
    with sessions(dsn, 2) as (node, client):
        task = node.write("r").id
        node.begin()
        node.claim()
        assert client.start(lambda: cancel_once(client, task)).result(0) == "busy"
        node.commit()
        assert cancel_once(client, task) == "canceling"
        node.finish(task)
        assert node.state(task) == "canceled"


def test_a_claim_skips_what_is_being_canceled(dsn: str) -> None:
    with sessions(dsn, 2) as (node, client):
        first, second = node.write("r").id, node.write("s").id
        client.begin()
        assert cancel_once(client, first) == "canceled"
        assert node.start(node.claim).result(0) == [second]
        client.rollback()
        assert node.claim() == [first]
