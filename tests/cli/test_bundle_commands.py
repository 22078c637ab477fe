"""`mlops graph` on the project's own bundles."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from mlops.cli.bundles import app
from mlops.errors import UserError

CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: n}\n"


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return str(result.output)


def test_graph_of_a_bundle_and_of_files(tmp_path: Path) -> None:
    (tmp_path / "n.yaml").write_text(f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: n}}\n---\n{CONFIG_MAP}")
    assert run("graph", str(tmp_path / "n.yaml")).splitlines() == [
        "ConfigMap n/c -> Namespace n [R1, hard] it lives in this namespace",
        "2 objects, 1 edges, 2 levels: R1 1",
    ]
    assert run("graph", "cert-manager", str(tmp_path / "n.yaml")).splitlines()[-1].startswith("51 objects")


def test_graph_level_by_level() -> None:
    lines = run("graph", "--levels").splitlines()
    assert lines[0] == "level 0"
    assert "  Namespace cert-manager" in lines


def test_graph_tells_why() -> None:
    lines = run("graph", "--why", "deployment/cert-manager-webhook").splitlines()
    assert lines[0] == "Deployment.apps cert-manager/cert-manager-webhook"
    assert any("[R10, soft]" in line for line in lines)
    assert run("graph", "--why", "Namespace/cert-manager").splitlines() == ["Namespace cert-manager", "  nothing holds it back"]


@pytest.mark.parametrize(
    ("arguments", "message"), [(("nowhere.yaml",), "nothing to put in order"), (("--why", "nobody"), "no such object")]
)
def test_mistakes(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        CliRunner().invoke(app, ["graph", *arguments], catch_exceptions=False)
