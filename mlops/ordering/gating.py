"""Finds the gates of a set of objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mlops.ordering.edge import Edge
from mlops.ordering.gates import (
    ApiServiceAvailable,
    CaBundlePresent,
    ConditionReady,
    CrdEstablished,
    Gate,
    GateAfter,
    GateBefore,
    NamespaceMade,
    WebhookAnswers,
    WorkloadReady,
)
from mlops.ordering.kinds import CRD_GROUP
from mlops.ordering.objects import KubeObject
from mlops.ordering.rule import gate_of
from mlops.ordering.rules_admission import authority_of
from mlops.ordering.rules_controller import namespace_makers
from mlops.ordering.view import Seen, View, service_of

_WAITED_FOR = {("apps", "Deployment"), ("apps", "StatefulSet"), ("apps", "DaemonSet"), ("batch", "Job")}
_WITH_CONDITION_READY = {
    ("cert-manager.io", "Certificate"): "who reads its Secret waits for the Secret, not for the wish",
    ("cert-manager.io", "Issuer"): "it issues nothing before it is ready",
    ("cert-manager.io", "ClusterIssuer"): "it issues nothing before it is ready",
}


def find_gates(view: View, edges: Iterable[Edge]) -> tuple[Gate, ...]:
    """All gates, sorted. A gate before an object goes with its edge: when that was cut or removed, so is the gate."""
    kept = {(edge.source, edge.target) for edge in edges}
    gates: list[Gate] = [*_after(view)]
    for seen, probe in [*((s, "itself") for s in view.seen), *((s, "its pods") for s in view.seen_pods)]:
        if (seen.ref, gate_of(seen.configuration.ref)) in kept:
            gates += _before(view, seen, of_pods=probe == "its pods")
    return tuple(sorted(gates, key=lambda gate: (gate.at, type(gate).__name__, gate.reason)))


def _before(view: View, seen: Seen, *, of_pods: bool) -> Iterator[GateBefore]:
    authority = authority_of(seen.configuration, view)
    called = (service_of(webhook.get("clientConfig")) for webhook in seen.webhooks)
    service = next((ref for ref in called if ref), None)
    names = ", ".join(seen.names)
    what = f"pods of {seen.ref}" if of_pods else str(seen.ref)
    yield WebhookAnswers(
        at=seen.ref,
        configuration=seen.configuration.ref,
        webhooks=seen.names,
        service=service,
        workloads=tuple(sorted(view.workloads_behind(service))) if service else (),
        refusing=seen.refusing,
        authority=authority,
        reason=f"{names} of {seen.configuration.ref} looks at {what}",
        probe="its pods" if of_pods else "itself",
    )
    if authority != "given":
        by = "cert-manager's cainjector" if authority == "injected" else "its backend"
        reason = f"{names} cannot be called before {by} has put the CA there"
        yield CaBundlePresent(seen.ref, seen.configuration.ref, seen.names, authority, reason)


def _after(view: View) -> Iterator[GateAfter]:
    for item in view.objects:
        yield from _after_object(item)
    for namespace, maker in namespace_makers(view):
        yield NamespaceMade(maker, namespace, f"objects in namespace {namespace} are refused until its controller has made it")


def _after_object(item: KubeObject) -> Iterator[GateAfter]:
    kind = (item.group, item.kind)
    if kind == (CRD_GROUP, "CustomResourceDefinition"):
        yield CrdEstablished(item.ref, "objects of its kind are refused until it is established")
    elif kind in _WAITED_FOR:
        yield WorkloadReady(item.ref, "what needs it needs its pods, not its name")
    elif kind == ("apiregistration.k8s.io", "APIService"):
        yield ApiServiceAvailable(item.ref, "objects of its group are refused until it is available")
    elif kind in _WITH_CONDITION_READY:
        yield ConditionReady(item.ref, _WITH_CONDITION_READY[kind])
