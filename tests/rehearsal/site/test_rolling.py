"""A formed cluster whose settings change, under the real engine; inside_rolling.py has the changes and runs inside a frame."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rehearsal.run.on_a_site import run_on_a_site

HERE = Path(__file__).parent


@pytest.mark.engine
@pytest.mark.site
def test_rolling(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    options = ("-x", "--durations=0", "--durations-min=0.5")
    code = run_on_a_site(HERE / "inside_rolling.py", HERE / "Pulumi.rolling.yaml", tmp_path / "logs", *options)
    output = "".join(capfd.readouterr())
    assert code == 0, f"{output}\nlogs: {tmp_path / 'logs'}"
    print(output)
