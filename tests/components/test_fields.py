"""Fields that controllers own are not sent; what we own is."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from components.fields import RULES, Surroundings, rules_for, sent_of
from mlops.ordering import KubeObject, from_body

CERTIFICATE = base64.b64encode(b"-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n").decode()
ADMISSION = "admissionregistration.k8s.io/v1"


def thing(
    api_version: str, kind: str, *, name: str = "thing", annotations: dict[str, str] | None = None, **body: Any
) -> KubeObject:
    metadata = {"name": name, "namespace": "n", **({"annotations": annotations} if annotations else {})}
    return from_body({"apiVersion": api_version, "kind": kind, "metadata": metadata, **body})


def sent(item: KubeObject, *others: KubeObject) -> dict[str, Any]:
    before = repr(item.body)
    body = dict(sent_of(item, Surroundings.of([item, *others])))
    assert repr(item.body) == before, "the object itself stays as it is"
    return body


def configuration(name: str = "guard", *, bundle: str | None = None, **more: Any) -> KubeObject:
    client = {"service": {"name": "s", "namespace": "n"}, **({} if bundle is None else {"caBundle": bundle})}
    webhook = {"name": "w", "clientConfig": client, "failurePolicy": "Ignore", "rules": [{"resources": ["pods"]}]}
    return thing(ADMISSION, "ValidatingWebhookConfiguration", name=name, webhooks=[webhook], **more)


def test_rules_of_an_aggregated_role_are_the_aggregation_controllers() -> None:
    selectors = {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}
    role = "rbac.authorization.k8s.io/v1"
    assert "rules" not in sent(thing(role, "ClusterRole", aggregationRule=selectors, rules=[]))
    some = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
    assert "rules" not in sent(thing(role, "ClusterRole", aggregationRule=selectors, rules=some))
    assert sent(thing(role, "ClusterRole", rules=some))["rules"] == some


def test_what_is_empty_says_nothing_and_would_be_a_change_in_every_run() -> None:
    assert "rules" not in sent(thing("rbac.authorization.k8s.io/v1", "ClusterRole", rules=[]))
    assert "data" not in sent(thing("v1", "Secret", data={}, type="Opaque"))
    assert sent(thing("v1", "Secret", data={"a": "Yg=="}))["data"] == {"a": "Yg=="}


@pytest.mark.parametrize("placeholder", ["", "Cg==", "not base64!"])
def test_a_placeholder_is_no_authority(placeholder: str) -> None:
    assert "caBundle" not in sent(configuration(bundle=placeholder))["webhooks"][0]["clientConfig"]
    client = {"service": {}, "caBundle": placeholder}
    crd = thing("apiextensions.k8s.io/v1", "CustomResourceDefinition", spec={"conversion": {"webhook": {"clientConfig": client}}})
    assert "caBundle" not in sent(crd)["spec"]["conversion"]["webhook"]["clientConfig"]


def test_a_certificate_is_sent_unless_an_injector_is_asked_for_another() -> None:
    assert sent(configuration(bundle=CERTIFICATE))["webhooks"][0]["clientConfig"]["caBundle"] == CERTIFICATE
    injected = configuration(bundle=CERTIFICATE, annotations={"cert-manager.io/inject-ca-from": "n/c"})
    assert "caBundle" not in sent(injected)["webhooks"][0]["clientConfig"]


def test_istiod_turns_the_policy_of_its_own_validator_only() -> None:
    assert "failurePolicy" not in sent(configuration("istio-validator-istio-system"))["webhooks"][0]
    assert sent(configuration("other"))["webhooks"][0]["failurePolicy"] == "Ignore"


def test_knative_fills_in_the_rules_of_its_configurations() -> None:
    assert "rules" not in sent(configuration("validation.webhook.serving.knative.dev"))["webhooks"][0]
    assert sent(configuration("other"))["webhooks"][0]["rules"]


@pytest.mark.parametrize(
    "scaler",
    [
        thing(
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            spec={"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "thing"}},
        ),
        thing("keda.sh/v1alpha1", "ScaledObject", spec={"scaleTargetRef": {"name": "thing"}}),
    ],
    ids=["HPA", "KEDA"],
)
def test_an_autoscaler_sets_the_replicas_of_its_target(scaler: KubeObject) -> None:
    deployment = thing("apps/v1", "Deployment", spec={"replicas": 2, "paused": False})
    assert sent(deployment, scaler)["spec"] == {"paused": False}
    assert sent(deployment)["spec"]["replicas"] == 2
    assert sent(thing("apps/v1", "StatefulSet", spec={"replicas": 2}), scaler)["spec"]["replicas"] == 2


def test_a_status_is_its_controllers() -> None:
    assert "status" not in sent(thing("example.org/v1", "Thing", spec={}, status={"phase": ""}))


def test_an_object_without_such_fields_is_sent_as_it_is() -> None:
    item = thing("v1", "ConfigMap", data={"rules": "x"})
    assert rules_for(item, Surroundings.of([item])) == ()
    assert sent_of(item, Surroundings.of([item])) is item.body


def test_every_rule_says_who_owns_the_field_and_where_that_is_written() -> None:
    assert all(rule.field and rule.reason and rule.source.startswith("https://") for rule in RULES)
