"""The public door against a real database: dispatch, wait, cancel, get, list, in both colours."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from latchwork import (
    App,
    ArgumentsError,
    Call,
    ConfigError,
    DatabaseUnavailable,
    IdConflict,
    InputError,
    IsolationError,
    PayloadError,
    ResourceError,
    SchemaMismatch,
    TaskNotFound,
    UnknownTask,
    WaitTimeout,
)
from tests.support.drainer import Drainer
from tests.support.eventually import eventually

Connect = Callable[[str], psycopg.Connection[tuple[Any, ...]]]
ID = "01890a5d-ac96-774b-bcce-b302099a8057"


def make_app(dsn: str, **options: Any) -> App:
    app = App(dsn, **options)

    @app.task(name="sync", exclusive=["repo:{repo}"], shared=["domain:default"], timeout_s=600)
    def sync(repo: str, url: str = "") -> dict[str, str]:
        return {"repo": repo, "url": url}

    @app.task(name="noop")
    async def noop() -> None:
        return None

    return app


@pytest.fixture
def app(dsn: str) -> Iterator[App]:
    with make_app(dsn) as app:
        yield app


def test_a_dispatched_task_is_what_get_shows(app: App) -> None:
    task = app.dispatch("sync", kwargs={"repo": "a"}, shared=["extra"], priority=7)
    assert (task.state, task.ready, task.exclusive, task.shared) == (
        "waiting",
        True,
        ("repo:a",),
        ("domain:default", "extra"),
    )
    assert app.get(task) == task
    assert app.tasks(state="waiting") == [task]


def test_a_default_that_names_a_resource_is_stored_with_the_task(app: App) -> None:
    @app.task(name="clean", exclusive=["store:{store}"])
    def clean(days: int, store: str = "main", level: int = 1) -> None: ...

    task = app.dispatch(clean, args=(3,))
    assert task.exclusive == ("store:main",)
    assert task.payload == '{"args":[3],"kwargs":{"store":"main"}}'
    assert app.dispatch(clean, args=(3, "main")).payload == '{"args":[3,"main"],"kwargs":{}}'


def test_a_conflicting_task_is_blocked_until_the_first_is_canceled(app: App) -> None:
    first, second = app.dispatch("sync", args=("a",)), app.dispatch("sync", args=("a",))
    assert first.ready
    assert second.blocked
    assert app.cancel(first, "not needed").state == "canceled"
    assert app.get(first).error == {"type": "Canceled", "message": "not needed"}
    assert app.get(second).ready


def test_dispatch_many_keeps_the_order_and_goes_in_one_call_a_thousand(app: App) -> None:
    tasks = app.dispatch_many([Call("sync", (f"r{number % 7}",), {}, {}) for number in range(2_345)])
    assert [task.ticket for task in tasks] == sorted(task.ticket or 0 for task in tasks)
    assert sum(task.ready for task in tasks) == 7
    assert app.counts() == {"ready": 7, "blocked": 2_338}
    assert Drainer(app).drain() == 2_345
    assert app.counts() == {"completed": 2_345}
    assert app.locks() == []


def test_the_caller_s_transaction_decides_whether_the_task_exists(app: App, dsn: str, connect: Connect) -> None:
    connection = connect(dsn)
    with connection.transaction(force_rollback=True):
        lost = app.dispatch("noop", conn=connection)
    with connection.transaction():
        kept = app.dispatch("noop", conn=connection)
        assert app.tasks() == []
    assert [task.id for task in app.tasks()] == [kept.id]
    with pytest.raises(TaskNotFound, match=lost.id):
        app.get(lost)


@pytest.mark.parametrize("level", [psycopg.IsolationLevel.REPEATABLE_READ, psycopg.IsolationLevel.SERIALIZABLE])
def test_a_transaction_above_read_committed_is_refused(
    app: App, dsn: str, connect: Connect, level: psycopg.IsolationLevel
) -> None:
    connection = connect(dsn)
    connection.isolation_level = level
    with pytest.raises(IsolationError, match="READ COMMITTED"), connection.transaction():
        app.dispatch("noop", conn=connection)
    assert app.tasks() == []


def test_a_repeated_dispatch_with_its_id_makes_no_second_task(app: App) -> None:
    first, again = app.dispatch("sync", args=("a",), id=ID), app.dispatch("sync", args=("a",), id=ID)
    assert first == again
    assert Drainer(app).drain() == 1
    assert app.dispatch("sync", args=("a",), id=ID).ticket == first.ticket, "it is found in the history too"
    assert app.counts() == {"completed": 1}
    with pytest.raises(IdConflict, match="sync"):
        app.dispatch("noop", id=ID)


def test_a_dispatch_whose_connection_breaks_is_repeated_under_its_id(app: App, dsn: str, connect: Connect) -> None:
    app.dispatch("noop")
    assert terminate_others(connect(dsn)) > 0
    app.dispatch("noop")
    assert app.counts() == {"ready": 2}


def terminate_others(admin: psycopg.Connection[tuple[Any, ...]]) -> int:
    """Cut every other connection to this database; return how many there were."""
    row = admin.execute(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_wait_returns_the_final_task_with_its_result(app: App) -> None:
    task = app.dispatch("sync", args=("a",))
    drainer = Drainer(app)
    claimed = drainer.claim()
    with finishing_once_somebody_waits(app, lambda: drainer.finish(claimed, result='{"n": 1}')):
        done = app.wait(task, timeout_s=30)
    assert (done.state, done.result, done.attempt) == ("completed", {"n": 1}, 1)
    assert app.wait(task) == done, "a final task is not waited for"


@contextmanager
def finishing_once_somebody_waits(app: App, finish: Callable[[], object]) -> Iterator[None]:
    """Call ``finish`` in a thread as soon as the body waits for a task."""

    def run() -> None:
        waiter = app.client._waiter  # type: ignore[union-attr]  # outside a task it is a Client
        assert waiter is not None
        eventually(lambda: waiter._waits, 30, "somebody waits")
        finish()

    thread = threading.Thread(target=run)
    thread.start()
    yield
    thread.join()


def test_wait_without_hints_polls(dsn: str) -> None:
    with make_app(dsn, listen=False) as app:
        task = app.dispatch("noop")
        drainer = Drainer(app)
        claimed = drainer.claim()
        with finishing_once_somebody_waits(app, lambda: drainer.finish(claimed)):
            assert app.wait(task, timeout_s=30).ok


def test_wait_ends_with_a_time_out_that_names_the_task(app: App) -> None:
    task = app.dispatch("noop")
    with pytest.raises(WaitTimeout, match=task.id):
        app.wait(task, timeout_s=0.01)
    with pytest.raises(TaskNotFound, match=ID):
        app.wait(ID, timeout_s=0.01)


def test_a_thousand_waiters_share_the_looks(app: App) -> None:
    tasks = app.dispatch_many([Call("noop", (), {}, {})] * 1_000)
    drainer = Drainer(app)

    async def all_of_them() -> int:
        waiting = asyncio.gather(*(app.await_(task, timeout_s=120) for task in tasks))
        await app.async_client.store()  # type: ignore[union-attr]  # outside a task it is an AsyncClient
        waiter = app.async_client._waiter  # type: ignore[union-attr]  # as above
        assert waiter is not None
        await asyncio.to_thread(eventually, lambda: len(waiter._waits) == len(tasks), 60, "all are in line")
        looks = waiter.looks
        await asyncio.to_thread(drainer.drain)
        assert all(task.ok for task in await waiting)
        looks = waiter.looks - looks
        await app.aclose()
        return looks

    assert asyncio.run(all_of_them()) < len(tasks), "each look is for all of them"


def test_async_calls_do_the_same(app: App) -> None:
    async def run() -> None:
        task = await app.adispatch("sync", args=("a",))
        assert await app.aget(task) == task
        assert await app.atasks(limit=1) == [task]
        assert (await app.acancel(task)).state == "canceled"
        assert (await app.await_(task)).state == "canceled"
        connection = await psycopg.AsyncConnection.connect(app.dsn, autocommit=True)
        async with connection, connection.transaction(force_rollback=True):
            await app.adispatch("noop", conn=connection)
        assert len(await app.adispatch_many([Call("noop", (), {}, {})] * 3)) == 3
        await app.aclose()

    asyncio.run(run())
    asyncio.run(run())  # another event loop gets a client of its own
    assert app.counts() == {"ready": 6, "canceled": 2}


BAD: list[tuple[type[Exception], dict[str, Any]]] = [
    (UnknownTask, {"task": "os.system"}),
    (ArgumentsError, {"task": "sync"}),
    (ArgumentsError, {"task": "sync", "kwargs": {"repo": "a", "nope": 1}}),
    (PayloadError, {"task": "sync", "kwargs": {"repo": "a", "url": float("nan")}}),
    (PayloadError, {"task": "sync", "kwargs": {"repo": "a", "url": b"x"}}),
    (PayloadError, {"task": "sync", "kwargs": {"repo": "a", "url": {1}}}),
    (PayloadError, {"task": "sync", "kwargs": {"repo": "a", "url": "\ud800"}}),
    (PayloadError, {"task": "sync", "kwargs": {"repo": "a", "url": "\x00"}}),
    (PayloadError, {"task": "sync", "kwargs": {"repo": "a", "url": "x" * 2_000_000}}),
    (ResourceError, {"task": "sync", "kwargs": {"repo": None}}),
    (ResourceError, {"task": "noop", "exclusive": [""]}),
    (ResourceError, {"task": "noop", "exclusive": ["x" * 201]}),
    (ResourceError, {"task": "noop", "shared": [f"r{n}" for n in range(65)]}),
    (ResourceError, {"task": "noop", "shared": "not a list"}),
    (InputError, {"task": "noop", "priority": 1_001}),
    (InputError, {"task": "noop", "timeout_s": -1}),
    (InputError, {"task": "noop", "timeout_s": float("inf")}),
    (InputError, {"task": "noop", "id": "not-a-uuid"}),
    (InputError, {"task": "noop", "no_such_option": 1}),
    (InputError, {"task": 7}),
]


@pytest.mark.parametrize(("error", "call"), BAD)
def test_bad_input_is_refused_and_nothing_is_stored(app: App, error: type[Exception], call: dict[str, Any]) -> None:
    call = dict(call)
    with pytest.raises(error):
        app.dispatch(call.pop("task"), **call)
    assert app.counts() == {}


def test_a_wrong_dsn_is_one_clear_error() -> None:
    for dsn, error in [
        ("postgresql://nobody@127.0.0.1:1/none", DatabaseUnavailable),
        ("this is no dsn", ConfigError),
    ]:
        app = make_app(dsn)
        with pytest.raises(error) as caught:
            app.dispatch("noop")
        assert "\n" not in str(caught.value)


def test_no_dsn_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LATCHWORK_DSN", raising=False)
    app = App()
    with pytest.raises(ConfigError, match="LATCHWORK_DSN"):
        _ = app.dsn


def test_an_unmigrated_schema_says_what_to_run(fresh_dsn: str) -> None:
    with make_app(fresh_dsn) as app:
        with pytest.raises(SchemaMismatch, match="latchwork migrate"):
            app.dispatch("noop")
        app.migrate()
        assert app.dispatch("noop").ready


def test_a_program_that_does_not_close_its_app_ends_without_a_word(dsn: str) -> None:
    program = """
import sys
from latchwork import App
app = App(sys.argv[1])
task = app.task(name="noop")(lambda: None)
task.dispatch()
try:
    app.wait(task.dispatch(), timeout_s=0.01)
except TimeoutError:
    pass
"""
    ended = subprocess.run(
        [sys.executable, "-c", program, dsn], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_the_password_of_a_dsn_is_not_shown() -> None:
    app = make_app("postgresql://user:geheim@127.0.0.1:1/none")
    with pytest.raises(DatabaseUnavailable) as caught:
        app.dispatch("noop")
    assert "geheim" not in str(caught.value)
