"""Bundles as Pulumi resources: the objects of all layers are one graph, since its edges know no layers.

Istio's bundle has an object in Kubeflow's namespace, Kubeflow's issuer waits for cert-manager's webhook: a graph for each layer
would lose those edges. So layers hand in what they want in the cluster, and at the end all of it is put in order at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pulumi
from pulumi_command import local

from components.access import ClusterAccess
from components.fields import Surroundings, sent_of
from components.gates import gate_hook, needs_of, set_gate_hook
from components.manifests import Manifests
from components.object_set import object_set
from components.removal import emptying, pruning, withdrawal
from components.retention import retained
from mlops.bundles import Bundle as RenderedBundle
from mlops.objectset import DEFINITION, FIELD_MANAGER, GUARDS
from mlops.objectset.units import is_member, units
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
        registration = _Registration(self._args, graph, {graph.identify(item): (c, name) for item, c, name in self._objects})
        registration.register()
        for component, count in self._components:
            component.register_outputs({"objects": count})


class _Registration:
    """One pass over the graph."""

    def __init__(self, args: ClusterObjectsArgs, graph: Graph, owners: Mapping[ObjectRef, tuple[Bundle, str]]) -> None:
        self._args, self._graph, self._owners = args, graph, owners
        self._around = Surroundings.of(graph.objects)
        self._sets: dict[str, pulumi.Output[str]] = {}
        self._retained = retained(graph) if args.data.on_destroy == "keep" else frozenset()

    def register(self) -> None:
        steps = units(self._graph, {ref: bundle for ref, (_, bundle) in self._owners.items()})
        made: list[pulumi.Resource] = []
        numbers: dict[str, int] = {}
        for unit in steps:
            after = [made[place] for place in unit.dependencies]
            if unit.label is None:
                made.append(self._object(unit.members[0], after))
                continue
            number = numbers[unit.label] = numbers.get(unit.label, -1) + 1
            made.append(self._set(f"{unit.label}/{number}" if number else unit.label, unit.members, after))
        needed = {place for unit in steps for place in unit.dependencies}
        self._removal([resource for place, resource in enumerate(made) if place not in needed])

    def _removal(self, last: Sequence[pulumi.Resource]) -> None:
        """What comes last, and goes first on destroy: it depends on what nothing else depends on, and so on everything.

        The engine deletes in waves, by how long the chain of an object's dependencies is: what depends on all is a wave of its own.
        """
        first: list[pulumi.Resource] = [self._args.cluster.provider, *last]
        seconds = self._args.deadlines.workload_seconds
        members = [item.ref for item in self._graph.objects if is_member(item)]
        if members:
            kept = [DEFINITION] if self._args.data.on_destroy == "keep" else []
            opts = pulumi.ResourceOptions(depends_on=first)
            pruning("object-sets", self._sets, members, self._args.cluster, kept=kept, deadline_seconds=seconds, opts=opts)
        guards = [item.ref for item in self._graph.objects if _is_guard(item)]
        if guards:
            opts = pulumi.ResourceOptions(depends_on=first)
            first = [withdrawal("webhook-configurations", guards, self._args.cluster, deadline_seconds=seconds, opts=opts)]
        if self._args.data.on_destroy == "remove":
            opts = pulumi.ResourceOptions(depends_on=first)
            emptying("users-objects", self._graph.removal.kinds, self._args.cluster, deadline_seconds=seconds, opts=opts)

    def _set(self, name: str, items: Sequence[KubeObject], after: Sequence[pulumi.Resource]) -> local.Command:
        component, _ = self._owners[items[0].ref]
        sent = [replace(item, body=sent_of(item, self._around)) for item in items]
        members = [(needs, item.body) for item in sent if (needs := needs_of(self._graph, item))]
        seconds = self._args.deadlines.webhook_seconds
        hooks = [set_gate_hook(f"{name}: gates", members, self._args.cluster, deadline_seconds=seconds)] if members else []
        command: local.Command = object_set(
            name,
            sent,
            self._args.cluster,
            # an API server that takes in many kinds at once is slow: each makes it put its schemas together again
            deadline_seconds=self._args.deadlines.workload_seconds,
            keep=items[0].kind == DEFINITION and self._args.data.on_destroy == "keep",
            opts=pulumi.ResourceOptions(
                parent=component,
                depends_on=[self._args.cluster.provider, *after],
                hooks=pulumi.ResourceHookBinding(before_create=[*hooks], before_update=[*hooks]) if hooks else None,
            ),
        )
        self._sets[name] = command.stdout
        return command

    def _object(self, item: KubeObject, after: Sequence[pulumi.Resource]) -> pulumi.CustomResource:
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
                depends_on=[*after],
                # an update is admitted by the same webhooks as a create
                hooks=pulumi.ResourceHookBinding(before_create=[*hooks], before_update=[*hooks]) if hooks else None,
                custom_timeouts=self._timeouts(item),
                # webhook configurations are removed by a step that goes before their backends
                retain_on_delete=True if item.ref in self._retained or _is_guard(item) else None,
            ),
        )

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
    return item.kind in GUARDS and item.group == GUARDS[item.kind].group


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
