"""The stand-ins against a real API server in namespaces of its own, deployed by the graph's order with no write refused."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509

from tests.rehearsal.controllers.own_namespaces import result_of

pytestmark = pytest.mark.site


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    scratch = tmp_path_factory.mktemp("cluster")
    return result_of("tests.rehearsal.controllers.inside_cluster", scratch, log=scratch / "controllers.log")


def test_the_order_and_its_gates_let_no_write_be_refused(result: dict[str, Any]) -> None:
    assert result["refusals"] == []
    assert result["certificate refused"] == ""


def test_the_gate_had_to_wait_for_the_webhook(result: dict[str, Any]) -> None:
    assert result["waited"] > 0.5
    # first nobody answers, then one whose CA is not injected yet; which of the two is met depends on when the first question comes
    causes = ("connection reset by peer", "x509: certificate signed by unknown authority")
    assert result["causes"]
    assert all(any(known in cause for known in causes) for cause in result["causes"])


def test_the_certificate_is_real(result: dict[str, Any]) -> None:
    leaf, intermediate = x509.load_pem_x509_certificates(result["secret"]["tls.crt"].encode())
    root = x509.load_pem_x509_certificate(result["root"].encode())
    leaf.verify_directly_issued_by(intermediate)
    intermediate.verify_directly_issued_by(root)
    assert result["secret"]["ca.crt"] == result["root"]


def test_refusals_and_conditions_are_cert_managers(result: dict[str, Any]) -> None:
    assert 'admission webhook \\"webhook.cert-manager.io\\" denied the request' in result["two types"]
    assert "may not specify more than one issuer type" in result["two types"]
    assert (result["lonely refused"], result["lonely"]) == ("", "ErrGetKeyPair")


def test_without_ready_pods_the_webhook_does_not_answer(result: dict[str, Any]) -> None:
    assert "failed calling webhook" in result["gone"]
