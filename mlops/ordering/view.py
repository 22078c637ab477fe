"""The objects as rules want to see them: indexed once, pods of workloads taken out, webhooks matched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mlops.ordering.kinds import Kinds
from mlops.ordering.matching import DELETION, NAME_LABEL, WRITES, Guard, Matcher
from mlops.ordering.objects import KubeObject, ObjectRef

ADMISSION = "admissionregistration.k8s.io"
WEBHOOK_CONFIGURATIONS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
_OWN_NAMESPACES = {"default", "kube-node-lease", "kube-public", "kube-system"}
_POD_TEMPLATE_KINDS = {
    ("apps", "Deployment"),
    ("apps", "StatefulSet"),
    ("apps", "DaemonSet"),
    ("apps", "ReplicaSet"),
    ("batch", "Job"),
    ("", "ReplicationController"),
    ("serving.knative.dev", "Service"),
}


@dataclass(frozen=True, slots=True)
class Workload:
    """An object that runs pods.

    Attributes:
        ref: its identity.
        labels: labels of its pods.
        annotations: annotations of its pods.
        pod: pod spec.
    """

    ref: ObjectRef
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    pod: Mapping[str, Any]

    @property
    def containers(self) -> list[Mapping[str, Any]]:
        """All containers, init containers included."""
        return [*(self.pod.get("initContainers") or ()), *(self.pod.get("containers") or ())]

    @property
    def account(self) -> ObjectRef:
        """ServiceAccount of its pods."""
        return ObjectRef("", "ServiceAccount", self.ref.namespace, self.pod.get("serviceAccountName") or "default")

    @property
    def words(self) -> Iterator[str]:
        """What the containers are told: commands, arguments, values of variables."""
        for container in self.containers:
            yield from map(str, container.get("command") or ())
            yield from map(str, container.get("args") or ())
            yield from (str(entry["value"]) for entry in container.get("env") or () if entry.get("value"))

    @property
    def as_pod(self) -> KubeObject:
        """One of its pods as admission sees it."""
        metadata = {
            "name": self.ref.name,
            "namespace": self.ref.namespace,
            "labels": dict(self.labels),
            "annotations": dict(self.annotations),
        }
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": self.pod}
        return KubeObject("v1", "Pod", self.ref.name, self.ref.namespace, body, f"pods of {self.ref}")


@dataclass(frozen=True, slots=True)
class Seen:
    """An object, or the pods of a workload, that webhooks of one configuration look at.

    Attributes:
        ref: the object; for pods their workload.
        configuration: the webhook configuration.
        webhooks: those of its webhooks that look.
        certain: whether nothing had to be guessed: labels of the namespace are known and there are no matchConditions.
    """

    ref: ObjectRef
    configuration: KubeObject
    webhooks: tuple[Mapping[str, Any], ...]
    certain: bool

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the webhooks."""
        return tuple(str(webhook.get("name")) for webhook in self.webhooks)

    @property
    def refusing(self) -> bool:
        """Whether the API server refuses the write while one of them does not answer."""
        return any(webhook.get("failurePolicy") != "Ignore" for webhook in self.webhooks)


def service_of(client: Mapping[str, Any] | None) -> ObjectRef | None:
    """Service of a ``clientConfig`` (or of an APIService's spec), None for a URL."""
    service = (client or {}).get("service")
    return ObjectRef("", "Service", str(service.get("namespace")), str(service.get("name"))) if service else None


class View:
    """The objects as rules want to see them.

    Args:
        objects: objects, each once.
        filled_in: rules that a backend writes into its configuration at run time, by configuration.
        self_injecting: configurations whose backend fills in the CA, whatever annotations and bundle say.
    """

    def __init__(
        self,
        objects: tuple[KubeObject, ...],
        *,
        filled_in: Mapping[ObjectRef, tuple[Mapping[str, Any], ...]] | None = None,
        self_injecting: frozenset[ObjectRef] = frozenset(),
    ) -> None:
        self.objects = objects
        self.filled_in = filled_in or {}
        self.self_injecting = self_injecting
        self.by_ref = {item.ref: item for item in objects}
        self.kinds = Kinds(objects)

    @cached_property
    def _by_kind(self) -> dict[tuple[str, str], list[KubeObject]]:
        table: dict[tuple[str, str], list[KubeObject]] = {}
        for item in self.objects:
            table.setdefault((item.group, item.kind), []).append(item)
        return table

    def of_kind(self, group: str, *kinds: str) -> Iterator[KubeObject]:
        """Objects of a group and of one of the kinds."""
        for kind in kinds:
            yield from self._by_kind.get((group, kind), ())

    @cached_property
    def custom(self) -> tuple[tuple[KubeObject, ObjectRef], ...]:
        """Custom resources, each with the CRD that defines its kind."""
        return tuple((item, crd) for item in self.objects if (crd := self.kinds.crd_of(item)))

    @cached_property
    def workloads(self) -> tuple[Workload, ...]:
        """Everything that runs pods."""
        return tuple(w for item in self.objects if (w := workload(item)))

    @cached_property
    def workload_of(self) -> dict[ObjectRef, Workload]:
        """Workloads by identity."""
        return {item.ref: item for item in self.workloads}

    @cached_property
    def _workloads_in(self) -> dict[str, list[Workload]]:
        table: dict[str, list[Workload]] = {}
        for item in self.workloads:
            table.setdefault(item.ref.namespace, []).append(item)
        return table

    def workloads_in(self, namespace: str) -> list[Workload]:
        """Workloads of a namespace."""
        return self._workloads_in.get(namespace, [])

    def workloads_labelled(self, labels: Mapping[str, str]) -> tuple[ObjectRef, ...]:
        """Workloads whose pods have all of the labels."""
        return tuple(item.ref for item in self.workloads if labels.items() <= item.labels.items())

    def workloads_behind(self, service: ObjectRef) -> tuple[ObjectRef, ...]:
        """Workloads whose pods a Service selects; empty for a Service without selector or outside the set."""
        item = self.by_ref.get(service)
        selector = (item.spec.get("selector") or {}) if item else {}
        if not selector:
            return ()
        return tuple(w.ref for w in self.workloads_in(service.namespace) if selector.items() <= w.labels.items())

    def labels_of_namespace(self, name: str) -> Mapping[str, str] | None:
        """Labels of a namespace with the one that the API server adds, None when the namespace is not in the set.

        The API server's own namespaces are in every cluster, and count as having no other labels.
        """
        item = self.by_ref.get(ObjectRef("", "Namespace", "", name))
        if item is None and name not in _OWN_NAMESPACES:
            return None
        return {**(item.labels if item else {}), NAME_LABEL: name}

    @cached_property
    def certificate_of(self) -> dict[ObjectRef, ObjectRef]:
        """Secrets that cert-manager makes: each with the Certificate that asks for it."""
        return {
            ObjectRef("", "Secret", item.namespace or "", str(item.spec.get("secretName"))): item.ref
            for item in self.of_kind("cert-manager.io", "Certificate")
        }

    @cached_property
    def configurations(self) -> tuple[KubeObject, ...]:
        """All webhook configurations."""
        return tuple(self.of_kind(ADMISSION, *WEBHOOK_CONFIGURATIONS))

    @cached_property
    def matcher(self) -> Matcher:
        """Finds objects that a guard looks at."""
        return Matcher(self.objects, self.kinds, self.labels_of_namespace)

    @cached_property
    def seen(self) -> tuple[Seen, ...]:
        """Objects that a webhook looks at when they are created or updated."""
        return tuple(self._seen(self.matcher, WRITES))

    @cached_property
    def seen_on_deletion(self) -> tuple[Seen, ...]:
        """Objects that a webhook looks at when they are deleted."""
        return tuple(self._seen(self.matcher, DELETION))

    @cached_property
    def seen_pods(self) -> tuple[Seen, ...]:
        """Workloads whose pods a webhook looks at when they are created."""
        pods = [(item.as_pod, item.ref) for item in self.workloads if item.ref.kind != "Pod"]
        matcher = Matcher((pod for pod, _ in pods), self.kinds, self.labels_of_namespace)
        return tuple(self._seen(matcher, frozenset({"CREATE"}), {id(pod): ref for pod, ref in pods}))

    def _seen(self, matcher: Matcher, operations: frozenset[str], owner: Mapping[int, ObjectRef] | None = None) -> Iterator[Seen]:
        for configuration in self.configurations:
            lookers: dict[ObjectRef, list[Mapping[str, Any]]] = {}
            certain: dict[ObjectRef, bool] = {}
            for webhook in configuration.body.get("webhooks") or ():
                rules = [*(webhook.get("rules") or ()), *self.filled_in.get(configuration.ref, ())]
                for item in matcher.seen_by(Guard.of_webhook({**webhook, "rules": rules}), operations):
                    ref = owner[id(item)] if owner else item.ref
                    lookers.setdefault(ref, []).append(webhook)
                    known = not item.namespace or self.labels_of_namespace(item.namespace) is not None
                    certain[ref] = certain.get(ref, False) or (known and not webhook.get("matchConditions"))
            for ref, webhooks in lookers.items():
                yield Seen(ref, configuration, tuple(webhooks), certain[ref])


def workload(item: KubeObject) -> Workload | None:
    """The workload in an object, None when it runs no pods."""
    if (item.group, item.kind) == ("", "Pod"):
        template: Mapping[str, Any] = item.body
    elif (item.group, item.kind) == ("batch", "CronJob"):
        template = ((item.spec.get("jobTemplate") or {}).get("spec") or {}).get("template") or {}
    elif (item.group, item.kind) in _POD_TEMPLATE_KINDS:
        template = item.spec.get("template") or {}
    else:
        return None
    metadata = template.get("metadata") or {}
    return Workload(item.ref, metadata.get("labels") or {}, metadata.get("annotations") or {}, template.get("spec") or {})
