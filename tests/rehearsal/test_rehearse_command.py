"""A rehearsal as a user's terminal sees it, kept and looked into; test_rehearse_kubeflow.py has one that runs to its end."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.host.run import run_suites
from tests.rehearsal.command import NO_BYTECODE, Rehearsal, table
from tests.rehearsal.site.machine import alive, namespaces, now, snapshot

pytestmark = [pytest.mark.engine, pytest.mark.site]

LAYERS = ("trust", "hosts", "cluster", "certificates")


@dataclass
class Outcome:
    """What was seen of it.

    Attributes:
        kept: its text, with its exit code, and what it sent to its terminal.
        by_hand: output of commands in it.
        left: what was still there of it after Ctrl-C.
        changes: what differs on the machine and in the checkout.
        runs: what is left in the cache.
    """

    kept: str
    kept_code: int
    kept_raw: str
    by_hand: dict[str, str]
    left: tuple[object, object]
    changes: list[str]
    runs: list[Path]


def files(checkout: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in checkout.rglob("*") if path.is_file()}


def by_hand(enter: str, *command: str) -> str:
    done = subprocess.run(
        [enter, *command],
        env={**os.environ, **NO_BYTECODE},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def host_suites(enter: str, host: str) -> str:
    done = run_suites([enter, "ssh", host], host=host, steps=("prepare", "microk8s", "configure"))
    return f"{done.stdout}{done.stderr}\nexit code {done.returncode}"


@pytest.fixture(scope="module")
def outcome(program: Path, rehearsal_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    logs = tmp_path_factory.mktemp("logs")
    before: dict[str, object] = {**snapshot(), "checkout": files(program)}
    kept = Rehearsal("cloud", "--keep", checkout=program, cache=rehearsal_cache, log=logs / "kept", terminal=True)
    try:
        enter = kept.wait_for(r"The site is kept until.*?(/\S+/enter) kubectl get nodes").group(1)
        answers = {
            "nodes": by_hand(enter, "kubectl", "get", "nodes", "--no-headers"),
            "hostname": by_hand(enter, "ssh", "cloud1", "hostname && sudo -n id -u"),
            "outputs": by_hand(enter, "pulumi", "stack", "output", "--json", "-s", "cloud"),
            "preview": by_hand(enter, "pulumi", "preview", "--expect-no-changes", "--non-interactive", "-s", "cloud"),
            "machine": by_hand(enter, "ip", "-brief", "link"),
            "suites": host_suites(enter, "cloud1"),
        }
        processes, inside = kept.inside()
        ended = now()
        kept.press_ctrl_c()
        kept_code = kept.end(30)
        left = (alive(processes), inside & namespaces(ended))
        after: dict[str, object] = {**snapshot(), "checkout": files(program)}
        yield Outcome(
            kept=kept.text,
            kept_code=kept_code,
            kept_raw=kept.raw,
            by_hand=answers,
            left=left,
            changes=[name for name, value in before.items() if after[name] != value],
            runs=list((rehearsal_cache / "rehearsals").iterdir()),
        )
    finally:
        kept.stop()


def test_a_terminal_gets_a_live_table(outcome: Outcome) -> None:
    assert "state after" in outcome.kept
    assert "\x1b[1A" in outcome.kept_raw  # the cursor goes up to draw it anew
    assert {name for name in LAYERS if name in table(outcome.kept)} == set(LAYERS)


def test_the_kept_site_is_reached_by_the_lines_that_it_shows(outcome: Outcome) -> None:
    name, status, *_ = outcome.by_hand["nodes"].split()
    assert (name, status) == ("cloud1", "Ready")
    assert outcome.by_hand["hostname"].split() == ["cloud1", "0"]
    assert json.loads(outcome.by_hand["outputs"])["endpoints"]["kubernetes"].startswith("https://10.60.0.10:")
    assert "unchanged" in outcome.by_hand["preview"]
    assert "site0" in outcome.by_hand["machine"]
    assert "nothing left by destroy" not in outcome.kept


def test_the_first_host_passes_the_suites_for_nodes(outcome: Outcome) -> None:
    text = outcome.by_hand["suites"]
    assert text.endswith("\nexit code 0"), text
    assert "ok 25 " in text
    # what a site without a proxy has not
    assert all("proxy" in line or "no unit" in line for line in text.splitlines() if "# skip" in line), text


def test_ctrl_c_ends_the_kept_site_and_its_exit_code_is_the_verdicts(outcome: Outcome) -> None:
    assert outcome.kept_code == 0, outcome.kept
    assert outcome.left == (set(), set())
    assert outcome.kept.rstrip().endswith("ended: the site and everything on it is gone")


def test_nothing_of_the_machine_or_the_checkout_is_changed(outcome: Outcome) -> None:
    assert outcome.changes == []
    assert outcome.runs == []
