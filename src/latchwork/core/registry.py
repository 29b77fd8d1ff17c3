"""The registry: which functions may run, under which names, touching which resources.

A row in the database names a task; only what an app has registered here can answer to the name. Nothing is imported,
and no attribute is looked up, because a row says so.

The name of a task is the one given, or ``module.qualname``. A function of ``__main__`` takes the name its module has
for a node that imports it: the one ``python -m`` was told, else the file's stem. (A script that lies inside a package
and is started by its path cannot know the package: give explicit names there.)

Everything that can be checked before the first dispatch is checked at registration; templates and signatures are
compiled there, because binding, rendering and encoding are paid for each task.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from latchwork.core.resource import LockSet, normalise
from latchwork.core.resource_template import Template, compile_template
from latchwork.core.show import show
from latchwork.core.task import PRIORITY_MAX, TASK_NAME_CHARS_MAX
from latchwork.errors import ArgumentsError, InputError, ResourceError, UnknownTask

TIMEOUT_S_MIN = 0.001
TIMEOUT_S_MAX = 30 * 24 * 3600.0

Function = Callable[..., Any]
ResourceCallable = Callable[[Mapping[str, Any]], Iterable[str]]
Resources = Sequence[str] | ResourceCallable

_SIMPLE = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class TaskDef:
    """What is known about a registered task. Not changed after registration."""

    __slots__ = (
        "_allowed",
        "_defaults",
        "_naming",
        "_positional",
        "exclusive",
        "function",
        "is_async",
        "name",
        "priority",
        "shared",
        "signature",
        "timeout_s",
    )

    def __init__(
        self,
        name: str,
        function: Function,
        signature: inspect.Signature,
        *,
        exclusive: Sequence[Template] | ResourceCallable = (),
        shared: Sequence[Template] | ResourceCallable = (),
        timeout_s: float | None = None,
        priority: int = 0,
    ) -> None:
        self.name = name
        self.function = function
        self.is_async = _is_async(function)
        self.exclusive = exclusive
        self.shared = shared
        self.timeout_s = timeout_s
        self.priority = priority
        self.signature = signature
        parameters = signature.parameters.values()
        simple = all(p.kind in _SIMPLE for p in parameters)
        self._positional = tuple(p.name for p in parameters if p.kind is _SIMPLE[0]) if simple else None
        self._allowed = frozenset(signature.parameters)
        self._defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
        fields = {
            field for part in (exclusive, shared) if isinstance(part, tuple) for t in part for field, _ in t.fields
        }
        self._naming = [p.name for p in parameters if p.name in fields & self._defaults.keys() and p.kind in _SIMPLE]

    def __repr__(self) -> str:
        return f"TaskDef({self.name!r})"

    def bind(self, args: Sequence[object], kwargs: Mapping[str, object]) -> Mapping[str, Any]:
        """Return the arguments by parameter name, defaults included.

        Raises ArgumentsError saying what the function takes if they do not fit its signature.
        """
        positional = self._positional
        if positional is not None and len(args) <= len(positional):
            bound = {**self._defaults, **dict(zip(positional, args, strict=False)), **kwargs}
            if bound.keys() == self._allowed and kwargs.keys().isdisjoint(positional[: len(args)]):
                return bound
        return self._bind_slowly(args, kwargs)

    def _bind_slowly(self, args: Sequence[object], kwargs: Mapping[str, object]) -> Mapping[str, Any]:
        """Bind by ``inspect``: functions with ``*args``, ``**kwargs`` or ``/``, and whatever does not fit."""
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            given = f"{len(args)} positional arguments and the keywords {_cut(', '.join(map(str, kwargs)) or '(none)')}"
            raise ArgumentsError(
                f"task {self.name!r} takes {_cut(str(self.signature))}, got {given}: {error}"
            ) from None
        bound.apply_defaults()
        return bound.arguments

    def stored_kwargs(
        self, args: Sequence[object], kwargs: Mapping[str, object], bound: Mapping[str, Any]
    ) -> Mapping[str, object]:
        """Return the keyword arguments to store: those given, and the defaults that a resource is named after.

        A node whose code has another default would else work on a resource that the task did not lock.
        """
        if not self._naming:
            return kwargs
        given = {*kwargs, *list(self.signature.parameters)[: len(args)]}
        return {**kwargs, **{name: bound[name] for name in self._naming if name not in given}}

    def locks(
        self, bound: Mapping[str, Any], extra_exclusive: Iterable[str] = (), extra_shared: Iterable[str] = ()
    ) -> LockSet:
        """Return the lock set for the bound arguments and the extra names of one dispatch.

        Raises ResourceError for a value that cannot be part of a name, a bad name, or too many names.
        """
        exclusive = self._names("exclusive", self.exclusive, bound)
        shared = self._names("shared", self.shared, bound)
        if extra_exclusive:
            exclusive += as_names("exclusive", extra_exclusive)
        if extra_shared:
            shared += as_names("shared", extra_shared)
        return normalise(exclusive, shared)

    def _names(
        self, mode: str, resources: Sequence[Template] | ResourceCallable, bound: Mapping[str, Any]
    ) -> list[str]:
        if isinstance(resources, tuple):
            return [template.render(bound) for template in resources]
        assert callable(resources)
        try:
            return as_names(mode, resources(bound))
        except ResourceError:
            raise
        except Exception as error:
            raise ResourceError(
                f"the {mode} callable of task {self.name!r} raised {type(error).__name__}: {error}; it gets the bound "
                f"arguments as one mapping ({', '.join(self.signature.parameters)}) and returns a list of names"
            ) from error


class Registry:
    """The tasks of one app by name."""

    def __init__(self) -> None:
        self._tasks: dict[str, TaskDef] = {}

    def register(
        self,
        function: Function,
        *,
        name: str | None = None,
        exclusive: Resources = (),
        shared: Resources = (),
        timeout_s: float | None = None,
        priority: int = 0,
    ) -> TaskDef:
        """Add ``function`` under ``name`` (default ``module.qualname``) and return its definition.

        ``exclusive`` and ``shared`` are lists of templates over the parameters, or a callable that gets the bound
        arguments as one mapping and returns a list of names. ``timeout_s`` is the wall time of one attempt.
        Raises InputError for an unusable function, name, timeout or priority, and for a name that is taken;
        ResourceError for a bad template.
        """
        signature = _signature(function)
        name = default_name(function) if name is None else check_task_name(name)
        if name in self._tasks:
            raise InputError(
                f"task name {name!r} is registered already, for {show(self._tasks[name].function)}; pass name="
            )
        definition = TaskDef(
            name,
            function,
            signature,
            exclusive=_compile("exclusive", exclusive, signature),
            shared=_compile("shared", shared, signature),
            timeout_s=check_timeout_s(timeout_s),
            priority=check_priority(priority),
        )
        self._tasks[name] = definition
        return definition

    def get(self, name: str) -> TaskDef:
        """Return the definition of the task called ``name``. Raises UnknownTask, naming similar ones."""
        definition = self._tasks.get(name) if type(name) is str else None
        if definition is None:
            raise UnknownTask(self._unknown(name))
        return definition

    def names(self) -> list[str]:
        """Return the names of all tasks, sorted."""
        return sorted(self._tasks)

    def __contains__(self, name: object) -> bool:
        return type(name) is str and name in self._tasks

    def __len__(self) -> int:
        return len(self._tasks)

    def __iter__(self) -> Iterator[TaskDef]:
        return iter(self._tasks.values())

    def _unknown(self, name: object) -> str:
        if type(name) is not str:
            return f"a task name must be a str, got {type(name).__name__}"
        from difflib import get_close_matches  # noqa: PLC0415 - slow to import, and only needed here

        close = get_close_matches(name[:TASK_NAME_CHARS_MAX], self._tasks, n=3, cutoff=0.75)
        known = (
            f"did you mean {' or '.join(map(repr, close))}?" if close else f"{len(self._tasks)} tasks are registered."
        )
        return f"no task is registered as {show(name)}; {known} Names are never imported: register it with @app.task"


# --- checks, also for what one dispatch overrides


def check_task_name(name: object) -> str:
    """Return ``name`` if a task can be called so: 1 to 200 printable characters. Else raise InputError."""
    if not isinstance(name, str):
        raise InputError(f"a task name must be a str, got {type(name).__name__}")
    if not name or len(name) > TASK_NAME_CHARS_MAX:
        raise InputError(f"task name {show(name)} has {len(name)} characters; it must have 1 to {TASK_NAME_CHARS_MAX}")
    if not name.isprintable() or name != name.strip():
        raise InputError(f"task name {show(name)} holds unprintable or surrounding blank characters; remove them")
    return name


def check_timeout_s(timeout_s: object) -> float | None:
    """Return the timeout if it is None or a number of seconds within the limits. Else raise InputError."""
    if timeout_s is None:
        return None
    number = timeout_s if isinstance(timeout_s, (int, float)) and not isinstance(timeout_s, bool) else math.nan
    if not TIMEOUT_S_MIN <= number <= TIMEOUT_S_MAX:
        raise InputError(
            f"timeout_s must be {TIMEOUT_S_MIN} to {TIMEOUT_S_MAX:.0f} seconds, or None for no limit, "
            f"got {show(timeout_s)}"
        )
    return float(number)


def check_priority(priority: object) -> int:
    """Return the priority if it is an int within the limits. Else raise InputError."""
    if type(priority) is not int or not -PRIORITY_MAX <= priority <= PRIORITY_MAX:
        raise InputError(f"priority must be an int from -{PRIORITY_MAX} to {PRIORITY_MAX}, got {show(priority)}")
    return priority


def as_names(mode: str, names: object) -> list[str]:
    """Return the names as a list. Raises ResourceError for a single text, or for what cannot be iterated."""
    if isinstance(names, (str, bytes)) or not isinstance(names, Iterable):
        raise ResourceError(f"{mode} must be a list of resource names, got {show(names)}; write [name]")
    return list(names)


def default_name(function: Function) -> str:
    """Return ``module.qualname``, as a node that imports the module would see it.

    Raises InputError where there is no such name: lambdas, nested functions, callable objects, an interactive session.
    """
    qualname = getattr(function, "__qualname__", None)
    if qualname is None or "<" in qualname:
        raise InputError(f"{show(function)} has no name that a node could find it by; pass name='…'")
    module: str = function.__module__
    if module == "__main__":
        space: Mapping[str, Any] = getattr(inspect.unwrap(function), "__globals__", {})
        spec, path = space.get("__spec__"), space.get("__file__")
        if spec is not None:
            module = str(spec.name)
        elif path is not None:
            module = str(path).replace("\\", "/").rpartition("/")[2].removesuffix(".py")
        else:
            raise InputError(f"{qualname!r} was defined in an interactive session; pass name='…'")
    return check_task_name(f"{module}.{qualname}")


def _signature(function: Function) -> inspect.Signature:
    if isinstance(function, type) or not callable(function):
        raise InputError(f"a task must be a function, got {show(function)}")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise InputError(f"{show(function)} is a generator: calling it runs nothing; return a list instead")
    try:
        return inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise InputError(f"the parameters of {show(function)} are not known ({error}); wrap it in a def") from None


def _is_async(function: Function) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _compile(mode: str, resources: Resources, signature: inspect.Signature) -> tuple[Template, ...] | ResourceCallable:
    if callable(resources):
        return resources
    parameters = [p.name for p in signature.parameters.values() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    return tuple(compile_template(text, parameters) for text in as_names(mode, resources))


def _cut(text: str) -> str:
    return text if len(text) <= 160 else f"{text[:160]}…"
