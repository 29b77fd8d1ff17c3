from __future__ import annotations

import asyncio
import functools
import subprocess
import sys
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latchwork.core import registry as registry_module
from latchwork.core.registry import Registry, TaskDef
from latchwork.core.resource import LockSet
from latchwork.core.resource_template import compile_template
from latchwork.errors import ArgumentsError, InputError, ResourceError, UnknownTask


def sync(repo: str, url: str = "default", *, depth: int = 1) -> str:
    return f"{repo}{url}{depth}"


async def later(repo: str) -> str:
    return repo


def collect(first: int, /, *rest: int, **options: int) -> None: ...


def register(function: Callable[..., Any] = sync, **options: Any) -> TaskDef:
    return Registry().register(function, **options)


# --- names


def test_a_task_is_called_module_and_qualname_unless_a_name_is_given() -> None:
    assert register().name == f"{__name__}.sync"
    assert register(name="repo.sync").name == "repo.sync"


@pytest.mark.parametrize("run", ["by path", "by -m"])
def test_a_script_names_its_tasks_as_a_node_that_imports_it_does(run: str, tmp_path: Path) -> None:
    (tmp_path / "jobs.py").write_text(
        "from latchwork.core.registry import Registry\n"
        "def work(): pass\n"
        "print(__name__, Registry().register(work).name)\n"
    )
    source = str(Path(registry_module.__file__).parents[2])
    how = ["jobs.py"] if run == "by path" else ["-m", "jobs"]
    done = subprocess.run(
        [sys.executable, *how], cwd=tmp_path, env={"PYTHONPATH": source}, capture_output=True, text=True, check=True
    )
    assert done.stdout == "__main__ jobs.work\n"


def test_a_function_without_a_findable_name_needs_one() -> None:
    def nested() -> None: ...

    for function in (nested, lambda: None, functools.partial(sync, "x")):
        with pytest.raises(InputError, match="pass name="):
            register(function)
        assert register(function, name="given").name == "given"


def test_an_interactive_session_needs_a_name() -> None:
    space: dict[str, Any] = {}
    exec("def typed(): pass", {"__name__": "__main__"}, space)
    with pytest.raises(InputError, match="interactive"):
        register(space["typed"])


def test_a_name_is_taken_once() -> None:
    registry = Registry()
    registry.register(sync)
    with pytest.raises(InputError, match="registered already"):
        registry.register(sync)
    with pytest.raises(InputError, match="registered already"):
        registry.register(later, name=f"{__name__}.sync")
    assert registry.names() == [f"{__name__}.sync"]


def test_an_unknown_name_is_answered_with_similar_ones_and_imports_nothing() -> None:
    registry = Registry()
    registry.register(sync, name="repo.sync")
    registry.register(later, name="repo.verify")
    with pytest.raises(UnknownTask, match=r"no task is registered as 'repo\.snyc'; did you mean 'repo\.sync'\?"):
        registry.get("repo.snyc")
    with pytest.raises(UnknownTask, match="2 tasks are registered"):
        registry.get("antigravity.fly")
    assert "antigravity" not in sys.modules
    assert registry.get("repo.sync").function is sync


def test_a_registry_knows_its_tasks() -> None:
    registry = Registry()
    one, two = registry.register(later), registry.register(sync)
    assert registry.names() == sorted([one.name, two.name])
    assert (len(registry), list(registry)) == (2, [one, two])
    assert one.name in registry
    assert "else" not in registry
    assert 7 not in registry


# --- functions


def test_async_functions_are_told_from_others() -> None:
    class Awaited:
        async def __call__(self) -> None: ...

    assert register(later).is_async
    assert register(functools.partial(later, "x"), name="partial").is_async
    assert register(Awaited(), name="object").is_async
    assert not register(sync).is_async
    assert asyncio.run(register(later).function("x")) == "x"


# --- binding


def test_binding_fills_in_defaults() -> None:
    task = register()
    assert task.bind(["a"], {}) == {"repo": "a", "url": "default", "depth": 1}
    assert task.bind([], {"repo": "a", "depth": 2}) == {"repo": "a", "url": "default", "depth": 2}


def test_binding_does_not_change_what_the_caller_gave() -> None:
    kwargs = {"repo": "a"}
    register().bind((), kwargs)
    assert kwargs == {"repo": "a"}


VALUES = st.integers()


@given(st.lists(VALUES, max_size=4), st.dictionaries(st.sampled_from(["repo", "url", "depth", "other"]), VALUES))
@pytest.mark.parametrize("function", [sync, later, collect])
def test_binding_agrees_with_a_real_call(function: Callable[..., Any], args: list[int], kwargs: dict[str, int]) -> None:
    """The fast path, the slow path and Python itself accept the same calls and bind the same values."""
    task = register(function)
    try:
        expected = task.signature.bind(*args, **kwargs)
    except TypeError:
        with pytest.raises(ArgumentsError, match="takes"):
            task.bind(args, kwargs)
    else:
        expected.apply_defaults()
        assert task.bind(args, kwargs) == expected.arguments


def test_wrong_arguments_are_answered_with_what_the_task_takes() -> None:
    with pytest.raises(
        ArgumentsError, match=r"takes \(repo: 'str', url: 'str' = 'default', \*, depth: 'int' = 1\).*missing.*'repo'"
    ):
        register().bind([], {"url": "x"})


# --- locks


def test_templates_are_rendered_from_the_bound_arguments() -> None:
    task = register(exclusive=["repo:{repo}"], shared=["domain:default", "{repo}/{depth}@{url}"])
    locks = task.locks(task.bind(["a"], {"depth": 3}))
    assert locks == LockSet(("repo:a",), ("a/3@default", "domain:default"))


def test_a_uuid_and_an_int_render_as_their_text() -> None:
    task = register(later, exclusive=["{repo}"])
    some = uuid.UUID("01890a5d-ac96-774b-bcce-b302099a8057")
    assert task.locks({"repo": some}).exclusive == (str(some),)
    assert task.locks({"repo": -7}).exclusive == ("-7",)


def test_doubled_braces_are_literal() -> None:
    task = register(exclusive=["{{{repo}}}", "{{}}"])
    assert task.locks(task.bind(["a"], {})).exclusive == ("{a}", "{}")


def test_braces_in_an_argument_are_not_rendered_again() -> None:
    task = register(exclusive=["repo:{repo}"])
    assert task.locks(task.bind(["{url}"], {})).exclusive == ("repo:{url}",)


@given(st.text(min_size=1, max_size=50).filter(lambda text: "\0" not in text and text.isprintable()))
def test_a_field_renders_as_format_does(value: str) -> None:
    for template in ("{repo}", "a:{repo}", "{repo}:z", "a{{{repo}}}z{repo}"):
        assert compile_template(template, ["repo"]).render({"repo": value}) == template.format(repo=value)


def test_extra_names_of_one_dispatch_are_added_and_exclusive_wins() -> None:
    task = register(exclusive=["repo:{repo}"], shared=["store"])
    locks = task.locks(task.bind(["a"], {}), ["store"], ["repo:a", "x"])
    assert locks == LockSet(("repo:a", "store"), ("x",))


def test_a_callable_gets_the_bound_arguments_and_returns_names() -> None:
    def both(bound: Mapping[str, Any]) -> list[str]:
        return [f"repo:{bound['repo']}", f"url:{bound['url']}"]

    task = register(exclusive=both, shared=lambda bound: (f"d:{n}" for n in range(bound["depth"])))
    locks = task.locks(task.bind(["a"], {"depth": 2}))
    assert locks == LockSet(("repo:a", "url:default"), ("d:0", "d:1"))


def test_a_callable_that_raises_is_named_with_what_it_gets() -> None:
    task = register(exclusive=lambda bound: [bound["nothing"]])
    with pytest.raises(
        ResourceError, match=r"exclusive callable of task .* raised KeyError: 'nothing'.*repo, url, depth"
    ):
        task.locks(task.bind(["a"], {}))


def test_a_task_without_resources_takes_no_locks() -> None:
    task = register()
    assert task.locks(task.bind(["a"], {})) == LockSet()


# --- limits


@pytest.mark.parametrize("timeout_s", [0.001, 1, 600.5, 30 * 24 * 3600])
def test_timeouts_within_the_limits_pass(timeout_s: float) -> None:
    assert register(timeout_s=timeout_s).timeout_s == timeout_s


@pytest.mark.parametrize("priority", [-1000, 0, 1000])
def test_priorities_within_the_limits_pass(priority: int) -> None:
    assert register(priority=priority).priority == priority
