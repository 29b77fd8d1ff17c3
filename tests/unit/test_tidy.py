"""Each house rule of scripts/tidy.py, shown on a planted fault and on code that is as it should be."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from scripts import tidy

MODULE = "src/latchwork/example.py"
TEST = "tests/unit/test_example.py"


def found(path: str, text: str) -> list[str]:
    """What tidy prints for one file."""
    return [str(offence) for offence in tidy.offences({path: text})]


@pytest.mark.parametrize(("path", "limit"), [(MODULE, 400), (TEST, 400), ("src/latchwork/db/sql/tables.sql", 200)])
def test_a_file_over_the_limit_is_found(path: str, limit: int) -> None:
    assert not [line for line in found(path, "\n" * limit) if "the file has" in line]
    (offence,) = [line for line in found(path, "\n" * (limit + 1)) if "the file has" in line]
    assert offence == f"{path}:{limit + 1}: the file has {limit + 1} lines, the limit is {limit}: split it by concern"


def test_a_median_over_the_limit_is_found() -> None:
    short, long = "X = 1\n" * 150, "X = 1\n" * 151
    assert tidy.offences({"src/a.py": short, "src/b.py": long, "src/c.py": short, "src/__init__.py": ""}) == []
    (offence,) = tidy.offences({"src/a.py": short, "src/b.py": long, "src/c.py": long, "src/__init__.py": ""})
    assert offence.what == "the median module has 151 lines, the limit is 150"


@pytest.mark.parametrize(
    "head", ["def f() -> None:\n", "async def f() -> None:\n", "class A:\n  def f(self) -> None:\n"]
)
def test_a_function_over_60_lines_is_found(head: str) -> None:
    assert found(MODULE, head + "    x = 1\n" * 59) == []
    (offence,) = found(MODULE, head + "    x = 1\n" * 60)
    assert offence.endswith(": f has 61 lines, the limit is 60: take steps out of it and give each a name")


@pytest.mark.parametrize(
    ("code", "missing"),
    [
        ("def f(a): ...", "a, its return value"),
        ("def f(a: int): ...", "its return value"),
        ("async def f(a, /, *b, c, **d) -> None: ...", "a, c, b, d"),
        ("class A:\n    def __init__(self): ...", "its return value"),
        ("class A:\n    def f(self, a) -> None: ...", "a"),
        ("class A:\n    @staticmethod\n    def f(a) -> None: ...", "a"),
        ("def f() -> None:\n    def g(a) -> None: ...", "a"),
    ],
)
def test_a_missing_annotation_is_found(code: str, missing: str) -> None:
    (offence,) = found(TEST, code)
    assert f"has no annotation for {missing}: write the types" in offence


def test_annotated_code_passes() -> None:
    assert (
        found(
            MODULE,
            "class A:\n    @classmethod\n    def f(cls, a: int, *b: int) -> int:\n        return (lambda x: x)(a)",
        )
        == []
    )


@pytest.mark.parametrize(
    "text",
    [
        "select 1",
        "select id from task where id = %s",
        "SELECT pg_notify(%s, %s)",
        "insert into task values (1)",
        "update {schema}.task set state = 1",
        "UPDATE task SET state = 1",
        "delete from task",
        "with a as (select b from c) table d",
        "create unlogged table x (y int)",
        "create or replace function f()",
        "drop schema if exists x",
        "set local search_path = x",
        "LISTEN channel",
        "BEGIN",
        "  commit;".upper(),
        "for update skip locked",
    ],
)
def test_sql_in_a_python_string_is_found(text: str) -> None:
    (offence,) = found(MODULE, f"X = {text!r}")
    assert ":1: SQL in a Python string (" in offence
    assert offence.endswith("put it into a .sql file")


def test_sql_in_an_fstring_is_found() -> None:
    assert found(MODULE, "X = f'select {column} from {table}'")


@pytest.mark.parametrize(
    "code",
    [
        '"""Never select rows from a table, nor BEGIN."""',
        "def f() -> None:\n    '''delete from x'''",
        "X = 'select a task from the list'",
        "X = 'the database refused to update; set LATCHWORK_DSN and begin again'",
        "X = 'Show what runs', 'with resources', 'call again', 'created from here'",
        "X = f'{a} tasks were created'",
        "X = sql_files.query('dispatch')",
    ],
)
def test_prose_is_not_sql(code: str) -> None:
    assert found(MODULE, code) == []


def test_tests_may_write_sql() -> None:
    assert found(TEST, "X = 'select 1'") == []


@pytest.mark.parametrize(
    "code",
    [
        "c.execute(f'{a}')",
        "c.execute('{}'.format(a))",
        "c.execute('%s' % a)",
        "c.execute(a + b, {})",
        "def f() -> None:\n    text = a + b\n    c.executemany(text, [])",
        "async def f() -> None:\n    await c.execute(f'{a}')",
        "def f() -> None:\n    with c.copy(text.format(a)): ...",
    ],
)
def test_a_statement_put_together_is_found(code: str) -> None:
    (offence,) = found(MODULE, code)
    assert "gets a statement put together" in offence
    assert offence.endswith("pass values as parameters; keep the text constant")


@pytest.mark.parametrize(
    "code",
    [
        "c.execute(text, (a + b,))",
        "c.execute(sql.SQL(text).format(sql.Identifier(a)))",
        "def f() -> None:\n    statement = SQL(text)\n    c.execute(statement.format(Identifier(a)))",
        "def f() -> None:\n    text = a + b\ndef g() -> None:\n    c.execute(text)",
        "executor.submit(f'{a}')",
        "c.execute()",
    ],
)
def test_a_constant_statement_passes(code: str) -> None:
    assert found(MODULE, code) == []


@pytest.mark.parametrize(
    "comment",
    ["# noqa", "# noqa: S603", "# noqa: S603, E501", "# type: ignore[x]", "# ruff: noqa", "# noqa: S603  # ok",
     "# type: ignore[x]  # noqa: E501"],
)  # fmt: skip
def test_an_ignore_without_a_reason_is_found(comment: str) -> None:
    (offence,) = found(MODULE, f"x = 1  {comment}")
    assert offence.endswith(" without a reason: say why in a few words after it")


@pytest.mark.parametrize(
    "comment",
    ["# noqa: S603  # our own program", "# noqa: S603 our own program", "# type: ignore[x]  # a test of the type",
     "# noqa: S603, E501 - our own program", "# type: ignore[x]  # noqa: E501  # both for a reason"],
)  # fmt: skip
def test_an_ignore_with_a_reason_passes(comment: str) -> None:
    assert found(MODULE, f"x = 1  {comment}") == []


def test_a_string_that_only_looks_like_an_ignore_passes() -> None:
    assert found(MODULE, "x = '# noqa'") == []


@pytest.mark.parametrize(
    "code",
    [
        "time.sleep(1)",
        "await asyncio.sleep(x)",
        "sleep(0.1)",
        "sleep()",
        "c.execute('select pg_sleep(1)')",  # sleeps: planted
    ],
)
def test_a_bare_sleep_in_a_test_is_found(code: str) -> None:
    (offence,) = found(TEST, f"async def f() -> None:\n    {code}")
    assert ":2: " in offence
    assert "sleep() in a test: wait with eventually()" in offence


@pytest.mark.parametrize(
    "code", ["await asyncio.sleep(0)", "time.sleep(9)  # sleeps: the task that is to be killed", "clock.sleep(1)"]
)
def test_a_sleep_that_is_none_or_has_a_reason_passes(code: str) -> None:
    assert found(TEST, f"async def f() -> None:\n    {code}") == []


@pytest.mark.parametrize("path", [MODULE, "tests/support/apps/sample.py"])
def test_the_package_itself_and_tasks_under_test_may_sleep(path: str) -> None:
    assert found(path, "time.sleep(1)") == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("constraints.txt", "--index-url anything"),
        ("requirements-dev.txt", "a @ https://host/a.whl"),
        ("uv.lock", 'url = "https://host/a.whl"'),
        ("web/package-lock.json", '"resolved": "https://host/a.tgz"'),
        (".npmrc", "registry=https://host/"),
        ("docs/install.md", f"pip install -i https:{'//'}some-pypi-mirror.example/simple x"),
        ("Makefile", f"see http:{'//'}registry.example.org/x"),
    ],
)
def test_an_address_of_a_registry_is_found(path: str, text: str) -> None:
    (offence,) = found(path, f"\n{text}\n")
    assert offence.startswith(f"{path}:2: an address of a package registry (")
    assert offence.endswith("): remove it")


def test_other_addresses_and_pins_pass() -> None:
    assert found("README.md", "https://www.postgresql.org/docs and postgresql://localhost/latchwork") == []
    assert found("constraints.txt", "psycopg==3.3.9\n    # via latchwork (pyproject.toml)\n") == []


def test_the_files_of_git_are_read_and_ignored_ones_are_not(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / ".gitignore").write_text("uv.lock\n")
    (tmp_path / "uv.lock").write_text("https://host/")
    (tmp_path / "new.py").write_text("def f(a): ...")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\xff\xfe")

    assert set(tidy.project_files(tmp_path)) == {".gitignore", "new.py"}


def test_offences_are_printed_and_fail_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    monkeypatch.setattr(tidy, "ROOT", tmp_path)
    assert tidy.main() == 0

    (tmp_path / "new.py").write_text("def f(a) -> None: ...")
    assert tidy.main() == 1
    assert capsys.readouterr().out == "new.py:1: f has no annotation for a: write the types\n"
