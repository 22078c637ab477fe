"""Jobs run each in a process of its own, as many at once as wished, and none outlives the runner."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from mlops.errors import UserError
from mlops.rehearsal.bench.outcome import Job, Outcome
from mlops.rehearsal.bench.runner import Runner, told
from mlops.rehearsal.run.display import make_console
from tests.rehearsal.bench.test_page import outcome

# Stands in for the interpreter that opens a frame: notes when it begins and ends, and finds what the job's seed says.
FRAME = """#!{python}
import json, os, pathlib, sys, time
folder = pathlib.Path({folder!r})
job = json.loads(pathlib.Path(sys.argv[3]).read_text())
with (folder / "log").open("a") as log: log.write("begin " + job["seed"] + "\\n")
if job["seed"] == "broken": sys.exit(3)
if job["seed"] == "endless":
    (folder / "endless.pid").write_text(str(os.getpid()))
    time.sleep(600)
while job["seed"] == "first" and "begin second" not in (folder / "log").read_text(): time.sleep(0.01)
pathlib.Path(job["result"]).write_text((folder / "outcome.json").read_text())
with (folder / "log").open("a") as log: log.write("end " + job["seed"] + "\\n")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    outcome("program", "1", 80.0).save(tmp_path / "outcome.json")
    program = tmp_path / "frame"
    program.write_text(FRAME.format(python=sys.executable, folder=str(tmp_path)))
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    return tmp_path


def job(folder: Path, seed: str) -> Job:
    result = folder / f"{seed}.json"
    return Job(label=f"seed {seed}", installer="program", project=folder, seed=seed, delay_scale=1, tools={}, result=result)


def run(folder: Path, *seeds: str, at_once: int = 1) -> tuple[list[Outcome], str]:
    said = io.StringIO()
    outcomes = Runner(make_console(said), folder).run([job(folder, seed) for seed in seeds], at_once=at_once)
    return outcomes, said.getvalue()


def test_one_after_the_other(folder: Path) -> None:
    outcomes, said = run(folder, "a", "b")
    assert len(outcomes) == 2
    assert (folder / "log").read_text().split("\n")[:-1] == ["begin a", "end a", "begin b", "end b"]
    assert "seed b: ready after 80.0 s (critical path 60.0 s), 0 of 700 writes refused" in said


def test_two_at_once(folder: Path) -> None:
    # the first ends only once the second has begun
    run(folder, "first", "second", at_once=2)
    assert (folder / "log").read_text().count("end") == 2


def test_a_job_without_outcome_ends_the_bench_and_all_that_runs(folder: Path) -> None:
    with pytest.raises(UserError, match="exit code 3"):
        run(folder, "endless", "broken", "never", at_once=2)
    assert "begin never" not in (folder / "log").read_text()
    pid = folder / "endless.pid"
    if pid.exists():  # it may have been ended before it got there
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid.read_text()), 0)


def test_an_outcome_in_one_line() -> None:
    unready = outcome("loop", "1", None, attempts=30, unready=("Deployment n/d",), unseen_pods=("n/p",))
    assert told(unready) == (
        "not ready (1 objects are not) after 50 s, 0 of 700 writes refused, 30 attempts, 1 pods slipped past a webhook"
    )
