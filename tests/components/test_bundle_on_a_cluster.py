"""Bundles by the real engine, the real provider and a real API server: changes beside controllers, closed gates, destroy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.engine, pytest.mark.site]
REPOSITORY = Path(__file__).resolve().parents[2]
OUR_NAMESPACES = ["-n", "-m", "-p", "-f", "--kill-child", "--mount-proc"]


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    scratch = tmp_path_factory.mktemp("cluster")
    mapped = [] if os.geteuid() == 0 else ["-U", "--map-root-user"]
    # nothing may outlive the test, however it ends
    inside = [sys.executable, "-m", "tests.components.inside_cluster", str(scratch)]
    argv = ["setpriv", "--pdeathsig", "KILL", "unshare", *mapped, *OUR_NAMESPACES, *inside]
    done = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stderr
    content: dict[str, Any] = json.loads((scratch / "result.json").read_text())
    return content


OF_CONTROLLERS = {
    "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
    "policy": "Fail",
    "validator's CA": True,
    "Knative's CA": True,
    "Knative's rules": [["services/*"]],
    "replicas": 3,
    "Secret": {"key": "dmFsdWU="},
}


def test_the_controllers_wrote_what_they_own(result: dict[str, Any]) -> None:
    assert OF_CONTROLLERS.items() <= result["after controllers"].items()


def test_a_second_up_changes_nothing(result: dict[str, Any]) -> None:
    assert result["changed by the same"] == 0


def test_another_release_meets_no_conflict_and_takes_nothing_from_the_controllers(result: dict[str, Any]) -> None:
    after = result["after another release"]
    assert OF_CONTROLLERS.items() <= after.items()
    assert set(after["releases"].values()) == {"two"}


def test_a_job_is_made_anew_and_a_configmap_changed_in_its_place(result: dict[str, Any]) -> None:
    operations = result["operations"]
    assert "delete-replaced" in operations["test/Job/test/once"]
    assert operations["test/ObjectSet"] == ["update"]
    assert (result["after another release"]["job"], result["after another release"]["configuration"]) == ("example/job:two", "two")


def test_a_gate_that_does_not_open_ends_the_run_and_says_why(result: dict[str, Any]) -> None:
    gate = result["gate"]
    assert gate["exit code"] != 0
    for part in (
        "ConfigMap test/guarded cannot be written: the CA in ValidatingWebhookConfiguration.admissionregistration.k8s.io guard",
        "was not there within",
        "no CA: no caBundle in guard.example.org",
        "run pulumi up again",
    ):
        assert part in gate["text"]
    assert "Traceback" not in gate["text"]


def test_what_a_run_that_failed_has_written_goes_when_it_is_taken_back(result: dict[str, Any]) -> None:
    assert result["gate"]["left over"] == [True, False]


def test_destroy_leaves_the_claim_and_its_namespace_and_up_finds_them_again(result: dict[str, Any]) -> None:
    assert result["destroyed"] == 0
    assert result["left"] == ["namespace/test", "persistentvolumeclaim/data"]
    assert result["again"] == 0
