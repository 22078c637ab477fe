"""The whole of Kubeflow on a throw-away cluster: applied as upstream says, it comes to its end; removed in order, it goes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rehearsal.controllers.own_namespaces import result_of

pytestmark = [pytest.mark.site, pytest.mark.long]


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    scratch = tmp_path_factory.mktemp("kubeflow")
    log = scratch / "cluster" / "controllers.log"
    return result_of("tests.rehearsal.controllers.inside_kubeflow", scratch, log=log, seconds=900)


def test_the_first_round_is_refused_as_on_a_real_cluster(result: dict[str, Any]) -> None:
    refusals = [line for line in result["rounds"][0].splitlines() if line.startswith("Error from server")]
    # which webhooks answer already when the loop comes to what they look at depends on the machine
    causes = (f'namespaces "{result["profile"]}" not found', "failed calling webhook")
    assert refusals
    assert [line for line in refusals if not any(cause in line for cause in causes)] == []


def test_the_profile_has_its_namespace_and_what_belongs_into_it(result: dict[str, Any]) -> None:
    assert result["labels"]["app.kubernetes.io/part-of"] == "kubeflow-profile"
    assert result["finalizers"] == ["profile-finalizer"]
    assert {"default-editor", "default-viewer"} <= set(result["accounts"])
    assert "model-registry-deployment" in result["in the profile"]


def test_no_pod_of_the_mesh_is_without_its_sidecar(result: dict[str, Any]) -> None:
    # the loop waits for nothing: what was applied before istiod answered was refused its pods, not its sidecar
    assert result["without sidecar"] == []


def test_istiods_validator_fails_closed(result: dict[str, Any]) -> None:
    assert result["validator"] == ["Fail"]
