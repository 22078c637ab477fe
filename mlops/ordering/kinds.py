"""What is known of a kind: the plural that names it in paths and webhook rules, and whether its objects live in a namespace.

Built-in kinds come from a table (the API reference of Kubernetes 1.36); kinds of custom resources from the CRDs among the objects.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mlops.ordering.objects import KubeObject, ObjectRef

CRD_GROUP = "apiextensions.k8s.io"

# Per group the namespaced kinds, then the cluster-wide ones, as Kind/plural; without plural it is the lower-case kind with an s.
_BUILT_IN: dict[str, tuple[str, str]] = {
    "": (
        (
            "ConfigMap Endpoints/endpoints Event LimitRange PersistentVolumeClaim Pod PodTemplate ReplicationController "
            "ResourceQuota Secret Service ServiceAccount"
        ),
        "Namespace Node PersistentVolume",
    ),
    "admissionregistration.k8s.io": (
        "",
        (
            "MutatingAdmissionPolicy/mutatingadmissionpolicies MutatingAdmissionPolicyBinding MutatingWebhookConfiguration "
            "ValidatingAdmissionPolicy/validatingadmissionpolicies ValidatingAdmissionPolicyBinding ValidatingWebhookConfiguration"
        ),
    ),
    CRD_GROUP: ("", "CustomResourceDefinition"),
    "apiregistration.k8s.io": ("", "APIService"),
    "apps": ("ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet", ""),
    "autoscaling": ("HorizontalPodAutoscaler", ""),
    "batch": ("CronJob Job", ""),
    "certificates.k8s.io": ("", "CertificateSigningRequest ClusterTrustBundle"),
    "coordination.k8s.io": ("Lease LeaseCandidate", ""),
    "discovery.k8s.io": ("EndpointSlice", ""),
    "events.k8s.io": ("Event", ""),
    "flowcontrol.apiserver.k8s.io": ("", "FlowSchema PriorityLevelConfiguration"),
    "networking.k8s.io": (
        "Ingress/ingresses NetworkPolicy/networkpolicies",
        "IPAddress/ipaddresses IngressClass/ingressclasses ServiceCIDR",
    ),
    "node.k8s.io": ("", "RuntimeClass/runtimeclasses"),
    "policy": ("PodDisruptionBudget", ""),
    "rbac.authorization.k8s.io": ("Role RoleBinding", "ClusterRole ClusterRoleBinding"),
    "resource.k8s.io": ("ResourceClaim ResourceClaimTemplate", "DeviceClass/deviceclasses ResourceSlice"),
    "scheduling.k8s.io": ("", "PriorityClass/priorityclasses"),
    "storage.k8s.io": (
        "CSIStorageCapacity/csistoragecapacities",
        "CSIDriver CSINode StorageClass/storageclasses VolumeAttachment VolumeAttributesClass/volumeattributesclasses",
    ),
    "storagemigration.k8s.io": ("", "StorageVersionMigration"),
}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind.

    Attributes:
        plural: lower-case plural, e.g. ``clusterissuers``.
        namespaced: whether its objects live in a namespace.
        crd: name of the CRD that defines it, empty for a built-in kind.
    """

    plural: str
    namespaced: bool
    crd: str = ""


@dataclass(frozen=True, slots=True)
class RestPath:
    """Where the API server serves an object.

    Attributes:
        collection: path to POST to, e.g. ``/apis/cert-manager.io/v1/clusterissuers``.
        item: path of the object itself.
    """

    collection: str
    item: str


def _built_in() -> dict[tuple[str, str], Kind]:
    table = {}
    for group, scopes in _BUILT_IN.items():
        for names, namespaced in zip(scopes, (True, False), strict=True):
            for name in names.split():
                kind, _, plural = name.partition("/")
                table[group, kind] = Kind(plural or f"{kind.lower()}s", namespaced)
    return table


_BUILT_IN_KINDS = _built_in()


class Kinds:
    """Table of kinds: the built-in ones and those of the CRDs among the objects.

    Args:
        objects: objects, of which the CRDs are read.
    """

    def __init__(self, objects: Iterable[KubeObject] = ()) -> None:
        self._table = dict(_BUILT_IN_KINDS)
        for item in objects:
            if item.group == CRD_GROUP and item.kind == "CustomResourceDefinition":
                names, scope = item.spec.get("names") or {}, item.spec.get("scope")
                key = (str(item.spec.get("group", "")), str(names.get("kind", "")))
                self._table[key] = Kind(str(names.get("plural", "")), scope == "Namespaced", item.name)

    def get(self, group: str, kind: str) -> Kind | None:
        """The kind, or None when neither built in nor defined by a CRD at hand."""
        return self._table.get((group, kind))

    def crd_of(self, item: KubeObject) -> ObjectRef | None:
        """Identity of the CRD that defines the object's kind, None when it is not at hand."""
        kind = self.get(item.group, item.kind)
        return ObjectRef(CRD_GROUP, "CustomResourceDefinition", "", kind.crd) if kind and kind.crd else None

    def rest_path(self, item: KubeObject) -> RestPath:
        """Path of the object at the API server.

        Raises:
            LookupError: the kind is not built in and its CRD is not at hand.
        """
        kind = self.get(item.group, item.kind)
        if kind is None:
            raise LookupError(f"the plural of {item.kind} ({item.api_version}) is unknown: its CRD is not among the objects")
        root = f"/apis/{item.api_version}" if item.group else f"/api/{item.api_version}"
        collection = (
            f"{root}/namespaces/{item.namespace or 'default'}/{kind.plural}" if kind.namespaced else f"{root}/{kind.plural}"
        )
        return RestPath(collection, f"{collection}/{item.name}")
