"""How the public API may be used, as the type checker sees it. Read by ``make types``, never run.

A line that must be refused carries the error in an ignore; mypy complains about an ignore that ignores nothing, so a
wrong use that becomes accepted is found as well as a right one that becomes refused.
"""

from __future__ import annotations

from typing import Any, assert_type

import psycopg

from latchwork import App, Task, current_task

app = App("postgresql://localhost/latchwork", schema="latchwork", pool_max=2)


@app.task
def plain(repo: str) -> int:
    return len(repo)


@app.task(name="sync", exclusive=["repo:{repo}"], shared=["domain:default"], timeout_s=600, priority=1)
def sync(repo: str, url: str = "") -> dict[str, Any]:
    return {"repo": repo, "url": url}


@app.task(exclusive=lambda arguments: [f"repo:{arguments['repo']}"])
async def later(repo: str) -> None:
    assert_type(current_task.attempt, int)


def a_task_is_still_the_function() -> None:
    assert_type(plain("a"), int)
    assert_type(sync("a", url="b"), dict[str, Any])
    plain(1)  # type: ignore[arg-type]  # refused: the argument is a str
    plain()  # type: ignore[call-arg]  # refused: the argument is missing


def dispatch_takes_the_arguments_of_the_function(conn: psycopg.Connection[Any]) -> None:
    assert_type(sync.dispatch("a", url="b"), Task)
    sync.dispatch(repo=1)  # type: ignore[arg-type]  # refused: the argument is a str
    sync.dispatch("a", "b", "c")  # type: ignore[call-arg]  # refused: one too many
    assert_type(app.dispatch(sync, args=("a",), kwargs={"url": "b"}, exclusive=["c"], conn=conn), Task)
    assert_type(app.dispatch("sync", args=("a",)), Task)
    app.dispatch(len)  # type: ignore[arg-type]  # refused: not a task
    assert_type(app.dispatch_many([sync.call("a"), plain.call("b")]), list[Task])
    sync.call(1)  # type: ignore[arg-type]  # refused: the argument is a str


def a_wait_gives_back_what_it_was_given(task: Task) -> None:
    assert_type(app.wait(task), Task)
    assert_type(app.wait(task.id, timeout_s=30), Task)
    assert_type(app.wait([task]), list[Task])
    app.wait(1)  # type: ignore[call-overload]  # refused: neither a task nor an id
    assert_type(app.get(task.id), Task)
    assert_type(app.cancel(task), Task)
    assert_type(app.tasks(state=["waiting"], resource="repo:a"), list[Task])
    task.state = "completed"  # type: ignore[misc]  # refused: a task is a value


async def the_async_twins_give_the_same(task: Task) -> None:
    assert_type(await sync.adispatch("a"), Task)
    assert_type(await app.adispatch(sync, args=("a",)), Task)
    assert_type(await app.aget(task), Task)
    assert_type(await app.acancel(task), Task)
    assert_type(await app.atasks(), list[Task])
