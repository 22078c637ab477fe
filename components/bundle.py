"""Registers an ordered graph of Kubernetes objects: each object one resource, its dependencies those of the graph, reduced."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from components.access import ClusterAccess
from components.gates import webhook_gate
from mlops.ordering import Graph, KubeObject, ObjectRef, WebhookAnswers

DEFAULT_GATE_DEADLINE_SECONDS = 300

FIELD_MANAGER = "onprem-mlops"
"""Name under which the cluster keeps what we have set. The provider's own is random for each resource and remembered in the state:
when a run is killed while it creates an object, the next run finds that object in the hands of a manager that it has never heard
of, and the API server refuses with a conflict."""

_Hook = pulumi.ResourceHook | Callable[[pulumi.ResourceHookArgs], Awaitable[None] | None]

_ANNOTATIONS: Mapping[tuple[str, str], Mapping[str, str]] = {
    # The provider does not wait for these by itself (pulumi-kubernetes pkg/await/awaiters.go) ...
    ("apiextensions.k8s.io", "CustomResourceDefinition"): {"pulumi.com/waitFor": "condition=Established"},
    ("cert-manager.io", "ClusterIssuer"): {"pulumi.com/waitFor": "condition=Ready"},
    ("cert-manager.io", "Issuer"): {"pulumi.com/waitFor": "condition=Ready"},
    ("cert-manager.io", "Certificate"): {"pulumi.com/waitFor": "condition=Ready"},
    # ... and for a Service it waits 10 s that prove nothing: workloads and webhook gates are what is waited for.
    ("", "Service"): {"pulumi.com/skipAwait": "true"},
}


@dataclass(frozen=True, kw_only=True)
class BundleArgs:
    """What is registered, and where.

    Attributes:
        graph: the objects in order. Values inside Secrets may be outputs.
        cluster: where they go.
        gate_deadline_seconds: how long a webhook gate may take.
    """

    graph: Graph
    cluster: ClusterAccess
    gate_deadline_seconds: int = DEFAULT_GATE_DEADLINE_SECONDS


class KubernetesObject(pulumi.CustomResource):
    """One object of any kind, by its raw properties: what kustomize rendered is what the API server gets."""

    def __init__(self, name: str, item: KubeObject, opts: pulumi.ResourceOptions) -> None:
        # the provider spells the core group "core" and refuses a bare "v1"
        token = item.api_version if item.group else f"core/{item.api_version}"
        super().__init__(f"kubernetes:{token}:{item.kind}", name, _properties(item), opts)


class Bundle(pulumi.ComponentResource):
    """The objects of one bundle.

    Attributes:
        resources: identity to resource.
    """

    resources: Mapping[ObjectRef, KubernetesObject]

    def __init__(self, name: str, args: BundleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("onprem-mlops:bundle:Bundle", name, {"objects": len(args.graph.objects)}, opts)
        resources: dict[ObjectRef, KubernetesObject] = {}
        for item in args.graph.in_order():
            hooks: list[_Hook] = [self._gate(name, args, item, gate) for gate in args.graph.gates_before(item.ref)]
            resources[item.ref] = KubernetesObject(
                f"{name}/{item.kind}/{item.namespace + '/' if item.namespace else ''}{item.name}",
                item,
                pulumi.ResourceOptions(
                    parent=self,
                    provider=args.cluster.provider,
                    depends_on=[resources[ref] for ref in args.graph.dependencies(item.ref)],
                    # an update is admitted by the same webhooks as a create
                    hooks=pulumi.ResourceHookBinding(before_create=hooks, before_update=hooks) if hooks else None,
                ),
            )
        self.resources = resources
        self.register_outputs({"objects": len(resources)})

    @staticmethod
    def _gate(name: str, args: BundleArgs, item: KubeObject, gate: WebhookAnswers) -> pulumi.ResourceHook:
        return webhook_gate(
            f"{name}: {gate.at} passes {gate.configuration}",
            gate,
            args.graph.kinds.rest_path(item),
            kubeconfig=args.cluster.kubeconfig,
            context=args.cluster.context,
            needed=_successes(args.graph, gate),
            deadline=args.gate_deadline_seconds,
        )


def _successes(graph: Graph, gate: WebhookAnswers) -> int:
    """Three in a row when several replicas stand behind the Service: one of them may be slower than its siblings."""
    replicas = (graph.object(ref).spec.get("replicas", 1) for ref in gate.workloads)
    return 3 if any(count and count > 1 for count in replicas) else 1


def _properties(item: KubeObject) -> dict[str, Any]:
    body = dict(item.body)
    metadata = dict(body["metadata"])
    # what the manifest says itself wins
    metadata["annotations"] = {
        "pulumi.com/patchFieldManager": FIELD_MANAGER,
        **_ANNOTATIONS.get((item.group, item.kind), {}),
        **(metadata.get("annotations") or {}),
    }
    body["metadata"] = metadata
    if (item.group, item.kind) == ("", "Secret"):
        for key in ("data", "stringData"):
            if key in body:
                body[key] = pulumi.Output.secret(body[key])
    return body
