"""The demo as users run it, and its checks against faults planted in what a real run has left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import latchwork
from latchwork.cli.demo_run import load_example
from latchwork.errors import ConfigError

ROOT = Path(__file__).parents[2]
LIMIT_S = 110.0

# A real run on a small input, once; then the judgement of it, and of what is left after each fault.
JUDGED = """
import json, sys
from pathlib import Path
from latchwork.cli import demo_run
from latchwork.cli.demo_history import kind

home, folder = Path(sys.argv[1]), sys.argv[2]
example = demo_run.load_example(home / "content", home / "database")
names = sorted(path.name for path in Path(folder).iterdir())
steps = example.python_install.job([example.python_install.Source(name, folder, [name]) for name in names])
outcome = demo_run.perform(example, steps, slots=2, log=home / "node.log", watch=lambda tasks: None)
found = {"nothing": demo_run.judge(outcome, example)}

def damaged(path, old, new):
    whole = path.read_bytes()
    assert old in whole
    path.chmod(0o644)
    path.write_bytes(whole.replace(old, new, 1))
    judged = demo_run.judge(outcome, example)
    path.write_bytes(whole)
    return judged

index = outcome.content / "published" / "stable.json"
entry = example.publish.read_document(index)["files"]
content = example.publish.Store(outcome.content).path(next(iter(entry.values()))[0])
found["wrong index"] = damaged(index, b'"version": ', b'"version": 4')
found["cut index"] = damaged(index, index.read_bytes()[-40:], b"")
found["flipped byte"] = damaged(content, content.read_bytes()[:1], bytes([content.read_bytes()[0] ^ 1]))

index.rename(index.with_suffix(".away"))
found["missing index"] = demo_run.judge(outcome, example)
index.with_suffix(".away").rename(index)

def doctored(change):
    return demo_run.judge(outcome._replace(history=change(list(outcome.history))), example)

def overlap(history):
    place = next(n for n, task in enumerate(history) if kind(task) == "remove_orphans")
    history[place] = history[place]._replace(finished_at=history[place].finished_at + 60)
    return history

found["overlap"] = doctored(overlap)
found["lost task"] = doctored(lambda history: history[:-1])
found["failed task"] = doctored(lambda history: [*history[:-1], history[-1]._replace(state="failed")])
found["nothing again"] = demo_run.judge(outcome, example)
print(json.dumps(found))
"""

# The whole command on a small input, with an index damaged before the judgement.
DAMAGED = """
import sys
from pathlib import Path
from latchwork.cli import demo, demo_run

home, folder = Path(sys.argv[1]), sys.argv[2]
example = demo_run.load_example(home / "content", home / "database")
source = example.python_install.Source("r", folder, ["a", "b"])
example.python_install.sources = lambda: [source]

def perform(*args, **kwargs):
    outcome = demo_run.perform(*args, **kwargs)
    (outcome.content / "published" / "r.json").write_text("{}")
    return outcome

demo.perform = perform
demo.demo("repo_manager", 2, home, False)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "input"
    for name in ("a", "b", "c"):
        (folder / name).mkdir(parents=True)
        for number in range(20):
            (folder / name / f"{number}.txt").write_text(f"{name}{number}" * 100)
    return folder


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("LATCHWORK_", "REPO_"))}
    return subprocess.run(
        [sys.executable, *arguments],
        env={**inherited, "PYTHONPATH": str(ROOT / "src"), **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )


def test_the_demo_runs_the_main_job_on_this_python_and_finds_its_own_result_correct(tmp_path: Path) -> None:
    done = run("-m", "latchwork.cli.main", "demo", "--json", TMPDIR=str(tmp_path))
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["correct"] is True
    assert summary["repositories"] == 12
    assert summary["tasks_by_state"] == {"completed": summary["tasks"]}
    assert summary["tasks"] >= 60
    assert summary["waited_for_others"] > 30, "the conflicts are real"
    assert summary["files_synced"] > 1_000
    assert summary["bytes_verified"] > 10_000_000
    assert "slot 4" in done.stderr
    assert "every published index verifies" in done.stderr
    assert list(tmp_path.glob("latchwork-demo-*")) == [], "a temporary folder is removed when all went well"


def test_each_planted_fault_is_found_and_named(tmp_path: Path, folder: Path, dsn: str) -> None:
    done = run("-c", JUDGED, str(tmp_path), str(folder), LATCHWORK_DSN=dsn)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found.pop("nothing") == found.pop("nothing again") == []
    says = {
        "wrong index": "distribution stable does not verify: CorruptError: stable.json does not match its own checksum",
        "cut index": "distribution stable does not verify: CorruptError: stable.json is not a document of ours",
        "flipped byte": "is damaged or missing",
        "missing index": "distribution stable was published and has no index",
        "overlap": "overlapped with remove_orphans",
        "lost task": "is not in the history",
        "failed task": "is failed",
    }
    assert found.keys() == says.keys()
    for fault, text in says.items():
        assert any(text in problem for problem in found[fault]), (fault, found[fault])


def test_a_damaged_result_ends_the_command_with_1_and_keeps_everything(tmp_path: Path, folder: Path, dsn: str) -> None:
    home = tmp_path / "kept"
    done = run("-c", DAMAGED, str(home), str(folder), LATCHWORK_DSN=dsn)
    assert done.returncode == 1, done.stderr
    assert "wrong: distribution r does not verify" in done.stdout
    assert f"kept in {home}" in done.stdout.replace("\n", "")
    assert (home / "node.log").read_text()


def test_a_database_without_the_schema_is_one_line_that_says_what_to_do(tmp_path: Path, fresh_dsn: str) -> None:
    done = run("-m", "latchwork.cli.main", "demo", "--folder", str(tmp_path / "home"), LATCHWORK_DSN=fresh_dsn)
    assert done.returncode == 1
    assert "latchwork migrate" in done.stderr
    assert "Traceback" not in done.stderr


def test_another_name_is_refused() -> None:
    done = run("-m", "latchwork.cli.main", "demo", "other")
    assert done.returncode == 1
    assert done.stderr == "error: there is no demo 'other'; there is repo_manager\n"


def test_without_a_checkout_the_demo_says_where_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latchwork, "__path__", [str(tmp_path / "lib" / "site-packages" / "latchwork")])
    with pytest.raises(ConfigError, match=r"part of the source and not of the installed package.*make demo"):
        load_example(tmp_path, tmp_path)
