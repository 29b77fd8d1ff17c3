"""An app with an async task and a sync one. It leaves importing asyncio to others."""

from __future__ import annotations

import sys

from latchwork import App

app = App("postgresql://nobody@localhost/none")


@app.task(name="asynchronous")
async def asynchronous(number: int) -> list[int]:
    import asyncio

    return await asyncio.gather(*(one(n) for n in range(number)))


@app.task(name="asynchronous_failure")
async def asynchronous_failure() -> None:
    await one(1)
    raise ValueError("in a coroutine")


@app.task(name="has_asyncio")
def has_asyncio() -> bool:
    return "asyncio" in sys.modules


async def one(number: int) -> int:
    return number
