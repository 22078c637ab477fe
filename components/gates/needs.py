"""What one object needs before it is written, read off the graph."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mlops.ordering import CaBundlePresent, Graph, KubeObject, NamespaceMade, ObjectRef, RestPath, WebhookAnswers


@dataclass(frozen=True, kw_only=True)
class Needs:
    """Gates before one object, in the order in which they are asked.

    Attributes:
        at: the object.
        path: where it goes.
        namespace: its namespace is made by a controller, which has to be through with it.
        bundles: configurations that must carry their CA.
        webhooks: webhooks that look at the object.
        pod_webhooks: webhooks that look at its pods.
        pods: where its pods go; None without ``pod_webhooks``.
        successes: how often in a row the webhooks must answer: three times when several replicas stand behind a Service, since
            one of them may be slower than its siblings.
    """

    at: ObjectRef
    path: RestPath
    namespace: NamespaceMade | None
    bundles: tuple[CaBundlePresent, ...]
    webhooks: tuple[WebhookAnswers, ...]
    pod_webhooks: tuple[WebhookAnswers, ...]
    pods: RestPath | None
    successes: int


def needs_of(graph: Graph, item: KubeObject) -> Needs | None:
    """What an object needs; None when it can be written as it is."""
    if not graph.has_gates(item.ref):
        return None
    namespace = graph.namespace_before(item.ref)
    bundles, webhooks, pods = graph.bundles_before(item.ref), graph.gates_before(item.ref), graph.pod_gates_before(item.ref)
    return Needs(
        at=item.ref,
        path=graph.kinds.rest_path(item),
        namespace=namespace,
        bundles=bundles,
        webhooks=webhooks,
        pod_webhooks=pods,
        pods=graph.kinds.rest_path(graph.pod_of(item.ref)) if pods else None,
        successes=_successes(graph, (*webhooks, *pods)),
    )


def _successes(graph: Graph, gates: Iterable[WebhookAnswers]) -> int:
    replicas = (graph.object(ref).spec.get("replicas", 1) for gate in gates for ref in gate.workloads)
    return 3 if any(count and count > 1 for count in replicas) else 1
