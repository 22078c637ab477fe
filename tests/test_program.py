"""The whole program with the real engine, before anything exists: no host, no cluster, no secret."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from mlops.rehearsal.run.derive import SshKey
from mlops.rehearsal.run.engine import Engine, Operation
from mlops.rehearsal.run.outside import TOOLS, install_plugins
from mlops.tools import resolve
from mlops.tools.shell import link_folder

pytestmark = pytest.mark.engine

ROOT = Path(__file__).parents[1]
KEY = SshKey.generate().private
NO_CHECKPOINTS = {"PULUMI_SKIP_CHECKPOINTS": "true"}


@pytest.fixture(params=["corporate"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    """An engine with a stack for a shipped site, as it stands: without any secret. The rehearsals preview the others."""
    tools = resolve(TOOLS)
    home = tmp_path / "engine"
    install_plugins(home, tools, Console(quiet=True))
    programs = link_folder([tool for name, tool in tools.items() if name != "pulumi-resource-kubernetes"], tmp_path / "tools")
    made = Engine(project=ROOT, home=home, stack=request.param, path=(home / "bin", programs), extra={})
    made.prepare((ROOT / f"Pulumi.{request.param}.yaml").read_text(encoding="utf-8"), {})
    return made


def run(engine: Engine, *arguments: str) -> tuple[Operation, str]:
    operation = engine.operate(arguments[0], arguments, lambda *_: None, environment=NO_CHECKPOINTS)
    return operation, operation.output.read_text(encoding="utf-8")


def test_a_preview_shows_every_resource_of_every_layer_and_up_wants_the_secrets_first(engine: Engine) -> None:
    preview, text = run(engine, "preview")
    assert preview.exit_code == 0, text
    layers = {name: layer.done for name, layer in preview.progress.layers.items()}
    assert set(layers) == {"stack", "trust", "hosts", "cluster", "certificates", "kubeflow"}
    assert layers["certificates"] == 15, "nine objects of cert-manager and two sets, Secret, ClusterIssuer, two components"
    assert layers["kubeflow"] > 300, "what lives is a resource each, what merely lies there is in sets"
    command = f"pulumi config set --secret --path 'onprem-mlops:hosts.access.key' -s {engine.stack}"
    assert command in text
    assert "using pulumi-resource" not in text, "the engine warns about plugins on PATH"

    up, text = run(engine, "up", "--yes", "--skip-preview")
    assert up.exit_code != 0
    assert command in text
    assert "Traceback" not in text
    assert not {name: layer.done for name, layer in up.progress.layers.items() if name != "stack"}, (
        "nothing before the first resource"
    )


def test_a_secret_in_clear_text_and_a_misspelt_namespace_end_the_preview(engine: Engine) -> None:
    engine.run(
        "config", "set", "--path", "onprem-mlops:hosts.access.key", "-s", engine.stack, folder=engine.home / "project", stdin=KEY
    )
    preview, text = run(engine, "preview")
    assert preview.exit_code != 0
    assert "hosts.access.key" in text
    assert "--secret" in text
    assert KEY.splitlines()[1] not in text
    assert "Traceback" not in text

    engine.run("config", "rm", "--path", "onprem-mlops:hosts.access.key", "-s", engine.stack, folder=engine.home / "project")
    engine.run("config", "set", "onprem_mlops:domain", "x.example", "-s", engine.stack, folder=engine.home / "project")
    preview, text = run(engine, "preview")
    assert preview.exit_code != 0
    assert "onprem_mlops:domain" in text
