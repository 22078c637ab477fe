"""Two rehearsals at once, as two users' terminals see them: one runs to its end, one is kept and looked into."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.host.run import run_suites
from tests.rehearsal.command import Rehearsal, table
from tests.rehearsal.site.machine import alive, namespaces, snapshot

pytestmark = [pytest.mark.engine, pytest.mark.site]

LAYERS = ("trust", "hosts", "cluster", "certificates")


@dataclass
class Outcome:
    """What was seen of the two.

    Attributes:
        whole: text of the one that ran to its end, with its exit code.
        kept: text of the kept one, with its exit code, and what it sent to its terminal.
        by_hand: output of commands in the kept one.
        left: what was still there of the kept one after Ctrl-C.
        changes: what differs on the machine and in the checkout.
        runs: what is left in the cache.
    """

    whole: str
    whole_code: int
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
    done = subprocess.run([enter, *command], capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def host_suites(enter: str, host: str) -> str:
    done = run_suites([enter, "ssh", host], host=host, steps=("prepare", "microk8s", "configure"))
    return f"{done.stdout}{done.stderr}\nexit code {done.returncode}"


@pytest.fixture(scope="module")
def outcome(program: Path, rehearsal_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    logs = tmp_path_factory.mktemp("logs")
    before: dict[str, object] = {**snapshot(), "checkout": files(program)}
    whole = Rehearsal("baremetal", checkout=program, cache=rehearsal_cache, log=logs / "whole")
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
        kept.press_ctrl_c()
        kept_code = kept.end(30)
        left = (alive(processes), inside & namespaces())
        whole_code = whole.end()
        after: dict[str, object] = {**snapshot(), "checkout": files(program)}
        yield Outcome(
            whole=whole.text,
            whole_code=whole_code,
            kept=kept.text,
            kept_code=kept_code,
            kept_raw=kept.raw,
            by_hand=answers,
            left=left,
            changes=[name for name, value in before.items() if after[name] != value],
            runs=list((rehearsal_cache / "rehearsals").iterdir()),
        )
    finally:
        whole.stop()
        kept.stop()


def test_the_whole_run_passes_beside_another(outcome: Outcome) -> None:
    assert outcome.whole_code == 0, outcome.whole
    rows = table(outcome.whole)
    assert set(LAYERS) <= set(rows), outcome.whole
    for name in LAYERS:
        resources, seconds, refused, changed = rows[name]
        assert int(resources) > 1
        assert float(seconds) > 0
        assert (refused, changed) == ("0", "0")
    verdict = "passed: nothing refused, nothing changed by the second up, nothing left by destroy"
    assert outcome.whole.rstrip().endswith(verdict), outcome.whole


def test_it_tells_first_in_what_the_derived_site_file_differs(outcome: Outcome) -> None:
    first = outcome.whole.partition("\nhosts: ")[0]
    assert "differs from Pulumi.baremetal.yaml in hosts.access.key, hosts.nodes[0].hostKey" in first


def test_a_file_gets_few_whole_plain_lines(outcome: Outcome) -> None:
    assert "\x1b" not in outcome.whole
    assert len(outcome.whole.splitlines()) < 120, outcome.whole
    up = outcome.whole.partition("\nup\n")[2].partition("\nsecond up\n")[0].splitlines()
    for name in LAYERS:
        first, *_, last = [line for line in up if f" s  {name}: " in line]
        assert "done" not in first
        assert ", done in " in last
    # wrapped at a width, one of these would go on in the next line
    assert max(map(len, outcome.whole.splitlines())) > 130


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
