"""A shipped site as it stands, whole, with all of Kubeflow: the one test that takes as long as that takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rehearsal.command import Rehearsal, table

pytestmark = [pytest.mark.engine, pytest.mark.site, pytest.mark.alone]

LAYERS = ("trust", "hosts", "cluster", "certificates", "kubeflow")
SECONDS = 1200
"""Several times what it takes on two idle cores."""


@pytest.fixture(scope="module")
def text(whole_program: Path, rehearsal_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What it said, in a file."""
    log = tmp_path_factory.mktemp("whole") / "log"
    rehearsal = Rehearsal("baremetal", checkout=whole_program, cache=rehearsal_cache, log=log)
    try:
        code = rehearsal.end(SECONDS)
    finally:
        rehearsal.stop()
    assert code == 0, rehearsal.text
    return rehearsal.text


def test_every_layer_goes_in_whole_in_one_pass_and_goes_again(text: str) -> None:
    rows = table(text)
    assert set(LAYERS) <= set(rows), text
    for name in LAYERS:
        resources, seconds, refused, changed = rows[name]
        assert int(resources) > 1
        assert float(seconds) > 0
        assert (refused, changed) == ("0", "0")
    assert int(rows["kubeflow"][0]) > 300, "what lives is a resource each, what merely lies there is in sets"
    assert " stored, 0 refused; " in text
    verdict = "passed: nothing refused, nothing changed by the second up, nothing left by destroy"
    assert text.rstrip().endswith(verdict), text


def test_it_tells_first_in_what_the_derived_site_file_differs(text: str) -> None:
    first = text.partition("\nhosts: ")[0]
    assert "differs from Pulumi.baremetal.yaml in hosts.access.key, hosts.nodes[0].hostKey" in first


def test_a_file_gets_few_whole_plain_lines(text: str) -> None:
    assert "\x1b" not in text
    up = text.partition("\nup\n")[2].partition("\nsecond up\n")[0].splitlines()
    for name in LAYERS:
        first, *between, last = [line for line in up if f" s  {name}: " in line]
        assert "done" not in first
        assert ", done in " in last
        seconds = int(last.split()[0]) - int(first.split()[0])
        assert len(between) <= seconds / 10 + 1
    # wrapped at a width, one of these would go on in the next line
    assert max(map(len, text.splitlines())) > 130
