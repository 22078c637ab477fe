"""`mlops validate` and `mlops schema` as a person calls them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mlops.cli import main
from mlops.cli.app import COMMANDS

REPOSITORY = Path(__file__).resolve().parents[2]


def call(
    *argv: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, cwd: Path = REPOSITORY
) -> tuple[int, str, str]:
    monkeypatch.chdir(cwd)
    monkeypatch.setattr(sys, "argv", ["mlops", *argv])
    with pytest.raises(SystemExit) as left:
        main()
    out, err = capsys.readouterr()
    code = left.value.code
    return (code if isinstance(code, int) else 0), out, err


def test_good_sites(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, err = call("validate", "corporate", "./Pulumi.cloud.yaml", capsys=capsys, monkeypatch=monkeypatch)
    assert (code, err) == (0, "")
    assert "Pulumi.corporate.yaml: valid" in out
    assert "Pulumi.cloud.yaml: valid" in out
    assert "pulumi config set --secret --path 'onprem-mlops:hosts.access.key' -s corporate < key-file" in out


def test_a_dead_control_plane_is_worth_a_remark(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (REPOSITORY / "Pulumi.corporate.yaml").read_text(encoding="utf-8")
    before = "        roles: [control-plane, worker, storage]\n"
    after = "        roles: [control-plane, worker]\n        lost: true\n"
    (tmp_path / "Pulumi.corporate.yaml").write_text(text.replace(before, after, 1), encoding="utf-8")
    code, out, err = call("validate", capsys=capsys, monkeypatch=monkeypatch, cwd=tmp_path)
    assert (code, err) == (0, "")
    assert "remark: hosts.nodes: 2 living control planes while corp1 is lost" in out


def test_all_sites_from_a_directory_below(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = call("validate", capsys=capsys, monkeypatch=monkeypatch, cwd=REPOSITORY / "docs")
    assert code == 0
    assert out.count(": valid") == 3


def test_bad_sites_end_with_1_and_one_report_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        (tmp_path / f"Pulumi.{name}.yaml").write_text("config:\n  onprem-mlops:name: X\n", encoding="utf-8")
    code, out, err = call("validate", capsys=capsys, monkeypatch=monkeypatch, cwd=tmp_path)
    assert (code, out) == (1, "")
    assert "Pulumi.a.yaml:2 name" in err
    assert "Pulumi.b.yaml:2 name" in err
    assert "Traceback" not in err


def test_unknown_site_ends_with_1(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    code, _, err = call("validate", "nowhere", capsys=capsys, monkeypatch=monkeypatch)
    assert code == 1
    assert "sites here: baremetal, cloud, corporate" in err


def test_no_site_at_all_ends_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for argv in (("validate",), ("validate", "baremetal")):
        code, _, err = call(*argv, capsys=capsys, monkeypatch=monkeypatch, cwd=tmp_path)
        assert code == 1
        assert "go to the program's folder" in err


def test_what_cannot_be_printed_is_told_as_escapes(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    code, _, err = call("validate", "no\x1b[31m\udcff", capsys=capsys, monkeypatch=monkeypatch)
    assert code == 1
    assert r"Pulumi.no\x1b[31m\udcff.yaml" in err
    assert len(err.splitlines()) > 1


@pytest.mark.parametrize("argv", [("nonsense",), ("validate", "--nonsense"), ("schema", "surplus")])
def test_wrong_command_line_ends_with_2(
    argv: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call(*argv, capsys=capsys, monkeypatch=monkeypatch)[0] == 2


def test_schema_to_a_file_and_to_standard_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, _ = call("schema", capsys=capsys, monkeypatch=monkeypatch)
    assert code == 0
    assert out == (REPOSITORY / "docs" / "site.schema.json").read_text(encoding="utf-8")
    assert call("schema", "--output", str(tmp_path / "s.json"), capsys=capsys, monkeypatch=monkeypatch)[0] == 0
    assert (tmp_path / "s.json").read_text(encoding="utf-8") == out
    assert call("schema", "-o", str(tmp_path / "no" / "s.json"), capsys=capsys, monkeypatch=monkeypatch)[0] == 1


def test_every_command_of_the_table_is_there(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = call("--help", capsys=capsys, monkeypatch=monkeypatch)
    assert code == 0
    assert all(name in out for name in COMMANDS)


def test_validation_imports_nothing_heavy() -> None:
    # Time depends on the machine, imports do not: these would take half a second and more.
    code = "import sys; from mlops.cli import app, settings; import mlops.settings; print([m for m in sys.modules if m in HEAVY])"
    heavy = ("pulumi", "kubernetes", "cryptography", "grpc", "asyncssh", "requests", "mlops.bundles", "mlops.tools")
    argv = [sys.executable, "-c", f"HEAVY = {heavy!r}; {code}"]
    done = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
