"""Objects as one resource, by the real engine and its plugins on a real API server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = [pytest.mark.engine, pytest.mark.site]
ROOT = Path(__file__).resolve().parents[2]
BOTH = ["apples.example.org", "pears.example.org"]


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    scratch = tmp_path_factory.mktemp("cluster")
    mapped = [] if os.geteuid() == 0 else ["-U", "--map-root-user"]
    # nothing may outlive the test, however it ends
    frame = ["setpriv", "--pdeathsig", "KILL", "unshare", *mapped, "-n", "-m", "-p", "-f", "--kill-child", "--mount-proc"]
    argv = [*frame, sys.executable, "-m", "tests.components.inside_object_set", str(scratch)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=400)
    assert done.returncode == 0, done.stderr
    content: dict[str, Any] = json.loads((scratch / "result.json").read_text())
    return content


def test_a_run_that_was_killed_is_taken_up(result: dict[str, Any]) -> None:
    assert result["created"] == BOTH
    assert result["managers"][0] == "onprem-mlops"


def test_the_state_has_neither_bytes_nor_paths_nor_the_kubeconfig(result: dict[str, Any]) -> None:
    resources = json.loads(result["state"])["checkpoint"]["latest"]["resources"]
    commands = [item for item in resources if item["type"] == "command:local:Command"]
    # beside these the engine notes where in the program the resource was made
    text = json.dumps([[command["inputs"], command["outputs"]] for command in commands])
    assert "apples.example.org" in text
    assert "openAPIV3Schema" not in text
    assert str(ROOT) not in text
    assert str(Path.home()) not in text
    key = yaml.safe_load(result["kubeconfig"])["users"][0]["user"]["client-key-data"]
    assert key not in result["state"]


def test_the_same_again_changes_nothing(result: dict[str, Any]) -> None:
    assert result["changed by the same"] == 0


def test_a_preview_names_the_crd_and_what_changes_in_it(result: dict[str, Any]) -> None:
    assert "v1: field spec.colour (string) is new" in result["preview"]
    assert "pears.example.org is no longer in the set" in result["preview"]
    changed = [line for line in result["preview"].splitlines() if "sha256:" in line]
    assert any("apples.example.org" in line and "=>" in line for line in changed), result["preview"]


def test_an_update_applies_and_says_what_stays(result: dict[str, Any]) -> None:
    assert sorted(result["fields"]["properties"]) == ["colour", "size"]
    assert result["without pears"] == BOTH
    assert "kubectl delete CustomResourceDefinition/pears.example.org removes it" in result["told"]


def test_a_preview_names_members_and_lines_of_their_texts(result: dict[str, Any]) -> None:
    assert "roleRef.name: view becomes edit" in result["preview"]
    assert "ConfigMap/default/new-settings is new" in result["preview"]
    assert "ConfigMap/default/settings is no longer in the set" in result["preview"]


def test_a_binding_of_another_role_is_made_anew_and_what_is_wanted_no_longer_goes(result: dict[str, Any]) -> None:
    assert result["passive"] == {"role": "view", "settings": ["settings"]}
    assert result["other passive"] == {"role": "edit", "settings": ["new-settings"]}


def test_a_set_that_is_replaced_is_written_again_and_stays(result: dict[str, Any]) -> None:
    """The engine creates before it deletes."""
    assert result["replaced"] == 0
    assert result["passive again"] == result["other passive"]


def test_destroy_removes_what_merely_lies_there(result: dict[str, Any]) -> None:
    assert result["no passive"] == {"role": "", "settings": []}


def test_destroy_keeps_them(result: dict[str, Any]) -> None:
    assert (result["destroyed"], result["kept"]) == (0, BOTH)


def test_or_removes_them_where_the_site_says_so(result: dict[str, Any]) -> None:
    assert result["pruned"] == ["apples.example.org"]
    assert (result["removed"], result["nothing left"]) == (0, []), result["remove"]
