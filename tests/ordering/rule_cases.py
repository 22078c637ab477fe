"""Rules on literal manifests: the edges that follow. Namespaces and CRDs stand only where they matter."""

from __future__ import annotations

from tests.ordering.rule_manifests import (
    AGGREGATED,
    AMBIENT,
    CLAIMS,
    CLASSES,
    COMPANIONS,
    CONTROLLED,
    CONVERTED,
    DIALS,
    GATEWAYS,
    ISSUED,
    KNATIVE,
    PODS,
    POLICY,
    PROFILE,
    READS_A_CLAIM,
    ROLES,
)

_GATE = "CustomResourceDefinition.gate things.g.io"
_BEHIND = {
    f"{_GATE} -> CustomResourceDefinition.apiextensions.k8s.io things.g.io HARD",
    f"{_GATE} -> Service n/w HARD",
    f"{_GATE} -> Deployment.apps n/w HARD",
}
_INJECT = "MutatingWebhookConfiguration.gate inject"
_BINDING = "ValidatingAdmissionPolicyBinding.admissionregistration.k8s.io b"

CASES: list[tuple[str, str, str, set[str]]] = [
    (
        "R3", "several versions served", CONVERTED.replace("STRATEGY", "Webhook").replace("SERVED", "true"),
        {*_BEHIND, f"Thing.g.io n/old -> {_GATE} HARD", f"Thing.g.io n/new -> {_GATE} SOFT"},
    ),
    (
        "R3", "one version served", CONVERTED.replace("STRATEGY", "Webhook").replace("SERVED", "false"),
        {*_BEHIND, f"Thing.g.io n/old -> {_GATE} HARD"},
    ),
    ("R3", "no conversion", CONVERTED.replace("STRATEGY", "None").replace("SERVED", "true"), set()),
    (
        "R5", "pods", PODS,
        {f"{who} -> {_INJECT} SILENT" for who in ("Deployment.apps in/a", "CronJob.batch in/b",
  "Service.serving.knative.dev in/c")},
    ),
    (
        "R9", "aggregated API", AGGREGATED,
        {
            "Reading.m.io n/a -> APIService.apiregistration.k8s.io v1beta1.m.io HARD",
            "APIService.apiregistration.k8s.io v1beta1.m.io -> Service n/m SOFT",
            "APIService.apiregistration.k8s.io v1beta1.m.io -> Deployment.apps n/m SOFT",
        },
    ),
    (
        "R11", "aggregated role", ROLES,
        {"ClusterRole.rbac.authorization.k8s.io whole -> ClusterRole.rbac.authorization.k8s.io part SOFT"},
    ),
    ("R12", "claim", READS_A_CLAIM, {"Deployment.apps n/a -> PersistentVolumeClaim n/c SOFT"}),
    ("R13", "secret that a Certificate makes", ISSUED, {"Deployment.apps n/w -> Certificate.cert-manager.io n/c SOFT"}),
    (
        "R15", "sidecars", PODS,
        {
            f"{who} -> DaemonSet.apps kube-system/cni SILENT"
            for who in ("Deployment.apps in/a", "CronJob.batch in/b", "Service.serving.knative.dev in/c")
        },
    ),
    (
        "R15", "ambient", AMBIENT,
        {"Deployment.apps in/a -> DaemonSet.apps kube-system/cni SILENT", "Deployment.apps in/a -> DaemonSet.apps mesh/zt SILENT"},
    ),
    (
        "R16", "gateways and routes", GATEWAYS,
        {
            "Deployment.apps n/a -> Deployment.apps mesh/istiod SOFT",
            "Deployment.apps n/b -> Deployment.apps mesh/istiod SOFT",
            "VirtualService.networking.istio.io n/v -> Gateway.networking.istio.io n/g SOFT",
            "VirtualService.networking.istio.io n/v -> Gateway.networking.istio.io m/h SOFT",
        },
    ),
    (
        "R17", "claims, classes, provisioners", CLAIMS,
        {
            "PersistentVolumeClaim n/a -> StorageClass.storage.k8s.io fast SOFT",
            "PersistentVolumeClaim n/b -> StorageClass.storage.k8s.io usual SILENT",
            "StatefulSet.apps n/d -> StorageClass.storage.k8s.io fast SOFT",
            "StorageClass.storage.k8s.io fast -> CSIDriver.storage.k8s.io csi.io SOFT",
            "StorageClass.storage.k8s.io fast -> DaemonSet.apps s/p SOFT",
            "StorageClass.storage.k8s.io usual -> Deployment.apps s/q SOFT",
        },
    ),
    (
        "R18", "companions", COMPANIONS,
        {
            "StatefulSet.apps n/d -> Service n/s SOFT",
            "HorizontalPodAutoscaler.autoscaling n/h -> StatefulSet.apps n/d SOFT",
            "ScaledObject.keda.sh n/k -> StatefulSet.apps n/d SOFT",
            "PodDisruptionBudget.policy n/p -> StatefulSet.apps n/d SOFT",
            "Ingress.networking.k8s.io n/i -> Service n/s SOFT",
            "Ingress.networking.k8s.io n/i -> IngressClass.networking.k8s.io k SOFT",
            "Ingress.networking.k8s.io n/i -> Certificate.cert-manager.io n/c SOFT",
        },
    ),
    (
        "R19", "classes of pods", CLASSES,
        {
            "Deployment.apps n/a -> PriorityClass.scheduling.k8s.io high SOFT",
            "Deployment.apps n/a -> RuntimeClass.node.k8s.io gpu SOFT",
        },
    ),
    (
        "R20", "policy", POLICY,
        {
            f"{_BINDING} -> ValidatingAdmissionPolicy.admissionregistration.k8s.io p SILENT",
            f"{_BINDING} -> ConfigMap n/settings SILENT",
            f"ConfigMap n/c -> {_BINDING} SILENT",
            f"Secret n/s -> {_BINDING} SILENT",
        },
    ),
    (
        "R21", "named and sibling ConfigMaps", KNATIVE,
        {"Deployment.apps k/webhook -> ConfigMap k/config-logging SOFT",
  "Deployment.apps k/webhook -> ConfigMap k/config-features SOFT"},
    ),
    (
        "R22", "the one controller", CONTROLLED,
        {
            "A.g.io n/a -> Deployment.apps n/x SOFT",
            "Deployment.apps n/x -> CustomResourceDefinition.apiextensions.k8s.io as.g.io SOFT",
            "Deployment.apps n/x -> CustomResourceDefinition.apiextensions.k8s.io bs.g.io SOFT",
            "Deployment.apps n/y -> CustomResourceDefinition.apiextensions.k8s.io bs.g.io SOFT",
            "Deployment.apps n/x -> CustomResourceDefinition.apiextensions.k8s.io cs.h.io SOFT",
        },
    ),
    ("R23", "namespace that a Profile makes", PROFILE, {"ConfigMap user/a -> Profile.kubeflow.org user HARD"}),
    (
        "R24", "dialled names", DIALS,
        {
            "Deployment.apps n/a -> Service d/db SOFT", "Deployment.apps n/a -> Deployment.apps d/db SOFT",
            "Deployment.apps n/b -> Service d/db SOFT", "Deployment.apps n/b -> Deployment.apps d/db SOFT",
        },
    ),
]  # fmt: skip
