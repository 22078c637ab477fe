"""Bad days on one throw-away site under the real engine; the scenes are in inside_bad_days.py, which runs inside a frame."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rehearsal.run.on_a_site import run_on_a_site

HERE = Path(__file__).parent


@pytest.mark.engine
@pytest.mark.site
@pytest.mark.turn("engine killed", "among bad days")
def test_bad_days(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    options = ("-x", "--durations=0", "--durations-min=0.5")
    code = run_on_a_site(HERE / "inside_bad_days.py", HERE / "Pulumi.badday.yaml", tmp_path / "logs", *options)
    output = "".join(capfd.readouterr())
    assert code == 0, f"{output}\nlogs: {tmp_path / 'logs'}"
    print(output)
