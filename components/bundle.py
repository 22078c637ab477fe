"""Bundles as Pulumi resources: the objects of all layers are one graph, since its edges know no layers.

Istio's bundle has an object in Kubeflow's namespace, Kubeflow's issuer waits for cert-manager's webhook: a graph for each layer
would lose those edges. So layers hand in what they want in the cluster, and at the end all of it is put in order at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pulumi

from components.access import ClusterAccess
from components.definitions import custom_resource_definitions
from components.fields import Surroundings, sent_of
from components.gates import gate_hook, needs_of
from components.manifests import Manifests
from components.removal import emptying, withdrawal
from components.retention import DEFINITION, retained
from mlops.bundles import Bundle as RenderedBundle
from mlops.definitions import FIELD_MANAGER
from mlops.ordering import (
    ApiServiceAvailable,
    ConditionReady,
    CrdEstablished,
    Graph,
    KubeObject,
    ObjectRef,
    WorkloadReady,
    build_graph,
)
from mlops.settings import Data, Deadlines

_CONDITIONS = {
    # the provider does not wait for these by itself (pulumi-kubernetes pkg/await/awaiters.go)
    CrdEstablished: "condition=Established",
    ConditionReady: "condition=Ready",
    ApiServiceAvailable: "condition=Available",
}
_NOT_AWAITED = {
    # 10 s that prove nothing: workloads and webhook gates are what is waited for
    ("", "Service"),
    # bound only once a pod that mounts it is placed, when its class says WaitForFirstConsumer; those pods are waited for
    ("", "PersistentVolumeClaim"),
}


def kubernetes_object(
    name: str, item: KubeObject, properties: Mapping[str, Any], opts: pulumi.ResourceOptions
) -> pulumi.CustomResource:
    """One object of any kind, by its raw properties: what kustomize rendered is what the API server gets.

    No class of our own: the SDK looks for the constructor of one to note who called it, and the whole stack of calls would stand
    in the state, 1.3 kB with each object (docs/decisions/0010). It must not be called below a constructor either.
    """
    # the provider spells the core group "core" and refuses a bare "v1"
    token = item.api_version if item.group else f"core/{item.api_version}"
    return pulumi.CustomResource(f"kubernetes:{token}:{item.kind}", name, dict(properties), opts)


_GUARDS = {("admissionregistration.k8s.io", kind) for kind in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")}


class Bundle(pulumi.ComponentResource):
    """The objects of one bundle, and what its layer has put beside them."""

    def __init__(self, name: str, objects: int, opts: pulumi.ResourceOptions) -> None:
        super().__init__("onprem-mlops:bundle:Bundle", name, {"objects": objects}, opts)


@dataclass(frozen=True, kw_only=True)
class ClusterObjectsArgs:
    """What is needed to put objects into a cluster.

    Attributes:
        cluster: where they go.
        manifests: for what bundles say about their order.
        deadlines: how long gates and workloads may take.
        data: what becomes of data on destroy.
    """

    cluster: ClusterAccess
    manifests: Manifests
    deadlines: Deadlines
    data: Data


class ClusterObjects:
    """Everything that the platform puts into a cluster: collected from the layers, then registered in order."""

    def __init__(self, args: ClusterObjectsArgs) -> None:
        self._args = args
        self._bundles: list[RenderedBundle] = []
        self._objects: list[tuple[KubeObject, Bundle, str]] = []
        self._components: list[tuple[Bundle, int]] = []

    def add(self, bundle: RenderedBundle, *, own: Iterable[KubeObject] = (), parent: pulumi.Resource) -> None:
        """Adds a bundle, and objects of the layer's own beside it; values inside Secrets of theirs may be outputs.

        Args:
            bundle: the rendered bundle; its name is part of the names of its resources.
            own: the layer's own objects.
            parent: the layer.
        """
        objects = [*bundle.objects, *own]
        component = Bundle(bundle.name, len(objects), pulumi.ResourceOptions(parent=parent))
        self._bundles.append(bundle)
        self._components.append((component, len(objects)))
        self._objects += [(item, component, bundle.name) for item in objects]

    def register(self) -> None:
        """Puts the objects in order and registers each as a resource; once, when all layers have added theirs.

        Raises:
            OrderingError: the objects have no order, or something among them is missing.
        """
        graph = build_graph([item for item, _, _ in self._objects], overrides=self._args.manifests.overrides(self._bundles))
        graph.require_complete()
        registration = _Registration(self._args, graph, {_ref_in(graph, item): (c, name) for item, c, name in self._objects})
        registration.register()
        for component, count in self._components:
            component.register_outputs({"objects": count})


def _ref_in(graph: Graph, item: KubeObject) -> ObjectRef:
    """Identity of an object in the graph, which leaves out the namespace of cluster-wide kinds."""
    kind = graph.kinds.get(item.group, item.kind)
    return ObjectRef(item.group, item.kind, (item.namespace or "") if kind is None or kind.namespaced else "", item.name)


class _Registration:
    """One pass over the graph."""

    def __init__(self, args: ClusterObjectsArgs, graph: Graph, owners: Mapping[ObjectRef, tuple[Bundle, str]]) -> None:
        self._args, self._graph, self._owners = args, graph, owners
        self._around = Surroundings.of(graph.objects)
        self._retained = retained(graph) if args.data.on_destroy == "keep" else frozenset()
        self._resources: dict[ObjectRef, pulumi.Resource] = {}

    def register(self) -> None:
        groups = {item.ref: (name, group) for name, group in self._definitions() for item in group}
        for item in self._graph.in_order():
            if item.ref in self._resources:
                continue
            if item.ref in groups:
                name, group = groups[item.ref]
                self._resources |= dict.fromkeys((member.ref for member in group), self._group(name, group))
            else:
                self._resources[item.ref] = self._object(item)
        self._removal()

    def _removal(self) -> None:
        """What goes first on destroy, since it depends on everything: on the objects that nothing else depends on, and so on all.

        The engine deletes in waves, by how long the chain of an object's dependencies is: what depends on all is a wave of its own.
        """
        needed = {ref for item in self._graph.objects for ref in self._graph.dependencies(item.ref)}
        last = dict.fromkeys(resource for ref, resource in self._resources.items() if ref not in needed)
        first: list[pulumi.Resource] = [self._args.cluster.provider, *last]
        seconds = self._args.deadlines.workload_seconds
        guards = [item.ref for item in self._graph.objects if _is_guard(item)]
        if guards:
            opts = pulumi.ResourceOptions(depends_on=first)
            first = [withdrawal("webhook-configurations", guards, self._args.cluster, deadline_seconds=seconds, opts=opts)]
        if self._args.data.on_destroy == "remove":
            opts = pulumi.ResourceOptions(depends_on=first)
            emptying("users-objects", self._graph.removal.kinds, self._args.cluster, deadline_seconds=seconds, opts=opts)

    def _definitions(self) -> Iterator[tuple[str, list[KubeObject]]]:
        """The CRDs that are one resource together: those of a bundle that wait for the same objects, which can close no circle.

        One with a gate before it is a resource of its own: a gate asks about one object.
        """
        bundles: dict[str, dict[tuple[ObjectRef, ...], list[KubeObject]]] = {}
        for item in self._graph.objects:
            if (item.group, item.kind) == DEFINITION and needs_of(self._graph, item) is None:
                alike = bundles.setdefault(self._owners[item.ref][1], {})
                alike.setdefault(self._graph.dependencies(item.ref), []).append(item)
        for bundle, alike in bundles.items():
            for number, dependencies in enumerate(sorted(alike)):
                yield f"{bundle}/CustomResourceDefinitions{f'/{number}' if number else ''}", alike[dependencies]

    def _group(self, name: str, group: Sequence[KubeObject]) -> pulumi.Resource:
        component, _ = self._owners[group[0].ref]
        return custom_resource_definitions(
            name,
            [replace(item, body=sent_of(item, self._around)) for item in group],
            self._args.cluster,
            # an API server that takes in many kinds at once is slow: each makes it put its schemas together again
            deadline_seconds=self._args.deadlines.workload_seconds,
            keep=self._args.data.on_destroy == "keep",
            opts=pulumi.ResourceOptions(parent=component, depends_on=[self._args.cluster.provider, *self._dependencies(group[0])]),
        )

    def _object(self, item: KubeObject) -> pulumi.CustomResource:
        component, bundle = self._owners[item.ref]
        name = f"{bundle}/{item.kind}/{item.namespace + '/' if item.namespace else ''}{item.name}"
        needs = needs_of(self._graph, item)
        seconds = self._args.deadlines.webhook_seconds
        hooks = [gate_hook(f"{name}: gates", needs, self._args.cluster, deadline_seconds=seconds)] if needs else []
        return kubernetes_object(
            name,
            item,
            _properties(item, sent_of(item, self._around), dict(_annotations(self._graph, item))),
            pulumi.ResourceOptions(
                parent=component,
                provider=self._args.cluster.provider,
                depends_on=self._dependencies(item),
                # an update is admitted by the same webhooks as a create
                hooks=pulumi.ResourceHookBinding(before_create=[*hooks], before_update=[*hooks]) if hooks else None,
                custom_timeouts=self._timeouts(item),
                # webhook configurations are removed by a step that goes before their backends
                retain_on_delete=True if item.ref in self._retained or _is_guard(item) else None,
            ),
        )

    def _dependencies(self, item: KubeObject) -> list[pulumi.Resource]:
        # several objects may be one resource
        return list(dict.fromkeys(self._resources[ref] for ref in self._graph.dependencies(item.ref)))

    def _timeouts(self, item: KubeObject) -> pulumi.CustomTimeouts | None:
        after = self._graph.gates_after(item.ref)
        if any(isinstance(gate, WorkloadReady) for gate in after):
            seconds = self._args.deadlines.workload_seconds
        elif any(type(gate) in _CONDITIONS for gate in after):
            seconds = self._args.deadlines.webhook_seconds
        else:
            return None
        return pulumi.CustomTimeouts(create=f"{seconds}s", update=f"{seconds}s")


def _is_guard(item: KubeObject) -> bool:
    return (item.group, item.kind) in _GUARDS


def _annotations(graph: Graph, item: KubeObject) -> Iterator[tuple[str, str]]:
    """Annotations for the provider: who we are, and what to wait for after the write."""
    yield "pulumi.com/patchFieldManager", FIELD_MANAGER
    if (item.group, item.kind) in _NOT_AWAITED:
        yield "pulumi.com/skipAwait", "true"
    for gate in graph.gates_after(item.ref):
        if type(gate) in _CONDITIONS:
            yield "pulumi.com/waitFor", _CONDITIONS[type(gate)]


def _properties(item: KubeObject, sent: Mapping[str, Any], annotations: Mapping[str, str]) -> dict[str, Any]:
    # what the manifest says itself wins
    metadata = {**sent["metadata"], "annotations": {**annotations, **(sent["metadata"].get("annotations") or {})}}
    body = {**sent, "metadata": metadata}
    if (item.group, item.kind) == ("", "Secret"):
        body |= {key: pulumi.Output.secret(body[key]) for key in ("data", "stringData") if key in body}
    return body
