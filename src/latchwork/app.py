"""The app: tasks, and the calls on them. Composition only; what it does lives on the floors below.

Kept light on purpose: a node's template imports the user's module, this one with it, and pays for it at each fork. So
the driver, asyncio and threads are imported by the first call that needs the database.
"""

from __future__ import annotations

import os
import time
from _thread import allocate_lock  # importing threading would be paid at each fork
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, ParamSpec, TypeVar, overload

from latchwork.core.ids import RANDOM_BYTES, check_id, uuid7
from latchwork.core.payload import PAYLOAD_BYTES_DEFAULT, encode_arguments
from latchwork.core.registry import Registry, Resources, TaskDef, check_priority, check_timeout_s
from latchwork.core.task import NewTask, Task
from latchwork.errors import ConfigError, InputError
from latchwork.executor.context import link

if TYPE_CHECKING:
    from latchwork.async_client import AsyncClient
    from latchwork.client import Client
    from latchwork.db.records import AppRow, LockRow
    from latchwork.link_client import AsyncLinkClient, LinkClient

_id_lock = allocate_lock()
_last = (0, 0, 0)  # process, millisecond and random part of the last id

P = ParamSpec("P")
R = TypeVar("R")


class Call(NamedTuple):
    """One dispatch to be made by ``dispatch_many``: the task, its arguments, and the options of ``dispatch``."""

    task: str
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    options: Mapping[str, Any]


class TaskFunction(Generic[P, R]):
    """A registered function. Calling it runs it here, as always; ``dispatch`` makes it a task."""

    def __init__(self, app: App, definition: TaskDef, function: Callable[P, R]) -> None:
        self.app = app
        self.definition = definition
        self.name = definition.name
        self.__wrapped__ = function
        self.__doc__ = function.__doc__
        self.__name__ = getattr(function, "__name__", definition.name)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function here and now, as if it were no task."""
        return self.__wrapped__(*args, **kwargs)

    def dispatch(self, *args: P.args, **kwargs: P.kwargs) -> Task:
        """Store this call as a task and return it. Options beside the arguments: see ``App.dispatch``."""
        return self.app.dispatch(self.name, args=args, kwargs=kwargs)

    async def adispatch(self, *args: P.args, **kwargs: P.kwargs) -> Task:
        """``dispatch`` for async code."""
        return await self.app.adispatch(self.name, args=args, kwargs=kwargs)

    def call(self, *args: P.args, **kwargs: P.kwargs) -> Call:
        """Return this call for ``App.dispatch_many``."""
        return Call(self.name, args, kwargs, {})

    def __repr__(self) -> str:
        return f"<task {self.name}>"


class App:
    """A set of tasks and the database they are dispatched to.

    ``dsn`` is PostgreSQL's (a URL or ``key=value`` pairs) or ``embedded:FOLDER``; without it ``LATCHWORK_DSN`` is read
    when it is needed. ``schema`` (default: ``LATCHWORK_SCHEMA`` or ``latchwork``) holds the tables. ``pool_max`` bounds
    the connections of each colour, sync and async. ``payload_bytes_max`` bounds the arguments of one task.
    """

    def __init__(
        self,
        dsn: str | None = None,
        *,
        schema: str | None = None,
        pool_max: int = 4,
        listen: bool = True,
        payload_bytes_max: int = PAYLOAD_BYTES_DEFAULT,
    ) -> None:
        self.registry = Registry()
        self.schema = schema or os.environ.get("LATCHWORK_SCHEMA", "latchwork")
        self.payload_bytes_max = payload_bytes_max
        self._dsn = dsn
        self._options: dict[str, Any] = {"pool_max": pool_max, "listen": listen}
        self._client: Client | LinkClient | None = None
        self._async_client: tuple[object, AsyncClient] | None = None
        self._pid = os.getpid()

    @classmethod
    def embedded(cls, folder: str | os.PathLike[str], **options: Any) -> App:
        """Return an app on the built-in PostgreSQL, with its data in ``folder``. Options as for ``App``."""
        return cls(f"embedded:{os.path.abspath(folder)}", **options)  # noqa: PTH100  pathlib is paid at each fork

    @property
    def dsn(self) -> str:
        """The DSN. Raises ConfigError if none was given and ``LATCHWORK_DSN`` is not set."""
        dsn = self._dsn or os.environ.get("LATCHWORK_DSN")
        if not dsn:
            raise ConfigError("no database: pass App(dsn), use App.embedded(folder), or set LATCHWORK_DSN")
        return dsn

    @overload
    def task(self, function: Callable[P, R], /) -> TaskFunction[P, R]: ...
    @overload
    def task(
        self,
        function: None = None,
        /,
        *,
        name: str | None = None,
        exclusive: Resources = (),
        shared: Resources = (),
        timeout_s: float | None = None,
        priority: int = 0,
    ) -> Callable[[Callable[P, R]], TaskFunction[P, R]]: ...
    def task(self, function: Callable[P, R] | None = None, /, **options: Any) -> Any:
        """Register a function, sync or async, as a task. With or without options; see ``Registry.register``.

        ``exclusive`` and ``shared`` are templates over the arguments, ``["repo:{repo}"]``, or a callable that gets the
        bound arguments as one mapping. ``timeout_s``: wall time of one attempt. ``priority``: higher is claimed first.
        Raises InputError or ResourceError at once for what could not work later.
        """
        if function is not None:
            return TaskFunction(self, self.registry.register(function), function)

        def register(inner: Callable[P, R]) -> TaskFunction[P, R]:
            return TaskFunction(self, self.registry.register(inner, **options), inner)

        return register

    def dispatch(
        self,
        task: TaskFunction[..., Any] | str,
        *,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        conn: Any = None,
        **options: Any,
    ) -> Task:
        """Store a task and return it: in a call of its own, or as part of the transaction on ``conn`` (psycopg).

        Options: ``exclusive=[…]``, ``shared=[…]`` names beside the templates'; ``priority``; ``timeout_s``; ``id``, a
        UUID of your own, so that a dispatch can be repeated without a second task. Raises InputError and its kinds
        before anything is stored, IsolationError for a ``conn`` above READ COMMITTED, DatabaseUnavailable.
        """
        new = self._new_task(Call(_name_of(task), tuple(args), kwargs or {}, options))
        return self._dispatch([new], conn, again="id" in options)[0]

    async def adispatch(
        self,
        task: TaskFunction[..., Any] | str,
        *,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        conn: Any = None,
        **options: Any,
    ) -> Task:
        """``dispatch`` for async code; ``conn`` is a psycopg AsyncConnection."""
        new = self._new_task(Call(_name_of(task), tuple(args), kwargs or {}, options))
        return (await self._adispatch([new], conn, again="id" in options))[0]

    def dispatch_many(self, calls: Iterable[Call], *, conn: Any = None) -> list[Task]:
        """Store many calls (``TaskFunction.call``) in this order: one statement a 1,000, each all or nothing."""
        return self._dispatch([self._new_task(call) for call in calls], conn, again=False)

    async def adispatch_many(self, calls: Iterable[Call], *, conn: Any = None) -> list[Task]:
        """``dispatch_many`` for async code."""
        return await self._adispatch([self._new_task(call) for call in calls], conn, again=False)

    def _new_task(self, call: Call) -> NewTask:
        definition = self.registry.get(call.task)
        options = dict(call.options)
        bound = definition.bind(call.args, call.kwargs)
        locks = definition.locks(bound, options.pop("exclusive", ()), options.pop("shared", ()))
        given_id = options.pop("id", None)
        new = NewTask(
            id=new_id() if given_id is None else check_id(str(given_id)),
            name=definition.name,
            payload=encode_arguments(
                call.args, definition.stored_kwargs(call.args, call.kwargs, bound), max_bytes=self.payload_bytes_max
            ),
            locks=locks,
            priority=check_priority(options.pop("priority", definition.priority)),
            timeout_s=check_timeout_s(options.pop("timeout_s", definition.timeout_s)),
        )
        if options:
            known = "exclusive, shared, priority, timeout_s, id"
            raise InputError(f"dispatch does not know {', '.join(sorted(options))}; options are {known}")
        return new

    def _dispatch(self, tasks: list[NewTask], conn: Any, *, again: bool) -> list[Task]:
        return self.client.dispatch(tasks, again=again, conn=conn) if tasks else []

    async def _adispatch(self, tasks: list[NewTask], conn: Any, *, again: bool) -> list[Task]:
        return await self.async_client.dispatch(tasks, again=again, conn=conn) if tasks else []

    @overload
    def wait(self, task: Task | str, *, timeout_s: float | None = None) -> Task: ...
    @overload
    def wait(self, task: list[Task], *, timeout_s: float | None = None) -> list[Task]: ...
    def wait(self, task: Task | str | list[Task], *, timeout_s: float | None = None) -> Task | list[Task]:
        """Return the task, or the tasks, once final: completed, failed or canceled; look at ``.state`` and ``.result``.

        Raises WaitTimeout after ``timeout_s`` seconds (None: never), TaskNotFound.
        """
        found = self.client.wait(_ids_of(task), timeout_s)
        return found[0] if isinstance(task, (Task, str)) else found

    async def await_(self, task: Task | str | list[Task], *, timeout_s: float | None = None) -> Any:
        """``wait`` for async code."""
        found = await self.async_client.wait(_ids_of(task), timeout_s)
        return found[0] if isinstance(task, (Task, str)) else found

    def cancel(self, task: Task | str, reason: str | None = None) -> Task:
        """Cancel a task. A waiting one is final at once; a running one is ``canceling``. Raises TaskNotFound."""
        return self.client.cancel(_ids_of(task)[0], reason)

    async def acancel(self, task: Task | str, reason: str | None = None) -> Task:
        """``cancel`` for async code."""
        return await self.async_client.cancel(_ids_of(task)[0], reason)

    def get(self, task: Task | str) -> Task:
        """Return the task as it is now. Raises TaskNotFound."""
        return self.client.get(_ids_of(task)[0])

    async def aget(self, task: Task | str) -> Task:
        """``get`` for async code."""
        return await self.async_client.get(_ids_of(task)[0])

    def tasks(
        self,
        *,
        state: str | Sequence[str] | None = None,
        name: str | None = None,
        resource: str | None = None,
        before: str | None = None,
        limit: int = 100,
    ) -> list[Task]:
        """Return tasks, newest first, at most ``limit``; ``before`` is the last id of the page before."""
        return self.client.tasks(**_filters(state, name, resource, before, limit))

    async def atasks(
        self,
        *,
        state: str | Sequence[str] | None = None,
        name: str | None = None,
        resource: str | None = None,
        before: str | None = None,
        limit: int = 100,
    ) -> list[Task]:
        """``tasks`` for async code."""
        return await self.async_client.tasks(**_filters(state, name, resource, before, limit))

    def counts(self) -> dict[str, int]:
        """Return how many tasks stand in each state; waiting ones as ``blocked`` and ``ready``."""
        return self.client.counts()

    def locks(self, *, resource: str | None = None, limit: int = 1_000) -> list[LockRow]:
        """Return who holds and who waits, by resource and place in line."""
        return self.client.locks(resource, limit)

    def workers(self) -> list[AppRow]:
        """Return the processes with a record and their heartbeats."""
        return self.client.apps()

    @property
    def client(self) -> Client | LinkClient:
        """The sync client; inside a task's process one that speaks through the node."""
        self._forget_after_fork()
        if self._client is None:
            self._client = self._make_client()
        return self._client

    def _make_client(self) -> Client | LinkClient:
        if (node := link()) is not None:
            from latchwork.link_client import LinkClient

            return LinkClient(node)
        from latchwork.client import Client

        return Client(self.dsn, self.schema, **self._options)

    @property
    def async_client(self) -> AsyncClient | AsyncLinkClient:
        """The async client of the running event loop."""
        import asyncio

        self._forget_after_fork()
        if (node := link()) is not None:
            from latchwork.link_client import AsyncLinkClient

            return AsyncLinkClient(node)
        from latchwork.async_client import AsyncClient

        loop = asyncio.get_running_loop()
        if self._async_client is None or self._async_client[0] is not loop:
            self._async_client = (loop, AsyncClient(self.dsn, self.schema, **self._options))
        return self._async_client[1]

    def _forget_after_fork(self) -> None:
        """A pool belongs to the process that opened it: closing it in a fork would end the parent's sessions."""
        if self._pid != os.getpid():
            self._pid, self._client, self._async_client = os.getpid(), None, None

    def migrate(self) -> None:
        """Make the schema or bring it up to date, as ``latchwork migrate`` does."""
        from latchwork.db.dsn import open_dsn
        from latchwork.db.migrate import migrate

        migrate(open_dsn(self.dsn), self.schema)

    def close(self) -> None:
        """Close the sync client's pool. The next call opens it again."""
        if self._client is not None:
            self._client.close()
            self._client = None

    async def aclose(self) -> None:
        """Close the async client's pool."""
        if self._async_client is not None:
            await self._async_client[1].close()
            self._async_client = None

    def __enter__(self) -> App:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def new_id() -> str:
    """Return a new task id: a UUIDv7 of this moment, later than every other that this process has made.

    Within a millisecond ids go on from the last one in random steps (RFC 9562, section 6.2, method 2), so a batch lists
    in the order it was dispatched. A fork begins anew, or two children could go on alike.
    """
    global _last  # noqa: PLW0603  the last id is a fact of the process
    with _id_lock:
        pid, now_ms = os.getpid(), time.time_ns() // 1_000_000
        fresh = int.from_bytes(os.urandom(RANDOM_BYTES), "big") & (2**73 - 1)  # of 74 bits: the rest is room to go on
        if _last[0] == pid and _last[1] >= now_ms:
            now_ms, fresh = _last[1], _last[2] + 1 + (fresh & 0xFFFFFFFF)
        _last = (pid, now_ms, fresh)
    return uuid7(now_ms, fresh.to_bytes(RANDOM_BYTES, "big"))


def _name_of(task: TaskFunction[..., Any] | str) -> str:
    if isinstance(task, (TaskFunction, str)):
        return task if isinstance(task, str) else task.name
    raise InputError(f"dispatch takes a task of this app or its name, got {type(task).__name__} ({task!r:.80})")


def _ids_of(task: Task | str | list[Task]) -> list[str]:
    if isinstance(task, Task):
        return [task.id]
    return [check_id(task)] if isinstance(task, str) else [one.id for one in task]


def _filters(
    state: str | Sequence[str] | None, name: str | None, resource: str | None, before: str | None, limit: int
) -> dict[str, Any]:
    states = [state] if isinstance(state, str) else state
    return {"state": states, "name": name, "resource": resource, "before": before, "limit": limit}
