from __future__ import annotations

import io
import json
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from mlops.cli import tools as cli
from mlops.tools.console import ConsoleProgress
from mlops.tools.progress import Progress
from mlops.tools.resolver import Tool

TOOL = Tool("hammer", "1.2.3", Path("/a/rather/long/folder/" + "x" * 100 + "/hammer"), "build", 61.26)


@pytest.fixture(autouse=True)
def one_tool(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    asked: list[object] = []

    def resolve(names: Iterable[str] | None, *, progress: Progress) -> dict[str, Tool]:
        asked.append(names)
        return {"hammer": TOOL}

    monkeypatch.setattr(cli, "resolve", resolve)
    monkeypatch.setattr(cli, "environment", lambda *_, **__: {"PATH": "/a b"})
    return asked


def test_the_table_says_which_way_and_how_long(one_tool: list[object]) -> None:
    result = CliRunner().invoke(cli.app, ["tools", "hammer"])
    head, row = result.stdout.splitlines()
    assert head.split() == ["tool", "version", "way", "seconds", "path"]
    assert row.split() == ["hammer", "1.2.3", "build", "61.3", str(TOOL.path)]
    assert one_tool == [["hammer"]]


def test_json(one_tool: list[object]) -> None:
    result = CliRunner().invoke(cli.app, ["tools", "--json"])
    assert json.loads(result.stdout) == [
        {"name": "hammer", "version": "1.2.3", "path": str(TOOL.path), "how": "build", "seconds": 61.26}
    ]
    assert one_tool == [None]


def test_env_prints_exports_and_nothing_else() -> None:
    assert CliRunner().invoke(cli.app, ["env"]).stdout == "export PATH='/a b'\n"


def shown(*, terminal: bool, monkeypatch: pytest.MonkeyPatch) -> str:
    out = io.StringIO()
    clock = iter(range(0, 1000, 20))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    with ConsoleProgress(Console(file=out, force_terminal=terminal, width=80)) as progress:
        progress.start("hammer 1.2.3: building")
        for number in range(4):
            progress.update(f"{number} packages")
        progress.say("hammer 1.2.3: built [in] 80 s")
    return out.getvalue()


def test_plain_lines_come_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(terminal=False, monkeypatch=monkeypatch).splitlines() == [
        "hammer 1.2.3: building",
        "hammer 1.2.3: building  40 s  1 packages",
        "hammer 1.2.3: building  80 s  3 packages",
        "hammer 1.2.3: built [in] 80 s",
    ]


def test_a_terminal_gets_a_live_line_that_ends_with_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(terminal=True, monkeypatch=monkeypatch)
    assert "hammer 1.2.3: built [in] 80 s" in text
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1, "the cursor comes back"
