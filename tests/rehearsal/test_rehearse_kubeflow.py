"""A shipped site as it stands, whole, with all of Kubeflow: the one test that takes as long as that takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rehearsal.command import Rehearsal, table

pytestmark = [pytest.mark.engine, pytest.mark.site]

SECONDS = 1200
"""Twice what it takes on two idle cores."""


def test_kubeflow_goes_in_whole_in_one_pass_and_goes_again(whole_program: Path, rehearsal_cache: Path, tmp_path: Path) -> None:
    rehearsal = Rehearsal("baremetal", checkout=whole_program, cache=rehearsal_cache, log=tmp_path / "log")
    try:
        code = rehearsal.end(SECONDS)
    finally:
        rehearsal.stop()
    text = rehearsal.text
    assert code == 0, text
    resources, _, refused, changed = table(text)["kubeflow"]
    assert int(resources) > 300, "what lives is a resource each, what merely lies there is in sets"
    assert (refused, changed) == ("0", "0")
    assert " stored, 0 refused; " in text
    verdict = "passed: nothing refused, nothing changed by the second up, nothing left by destroy"
    assert text.rstrip().endswith(verdict), text
