"""The order of removal.

The order of creation turned round is not enough: webhooks also look when a finalizer is taken off, so a backend that goes too early
leaves objects of users in Terminating for ever. First custom resources and what lies in namespaces of controllers, then other
guarded objects, webhook configurations, workloads, CRDs, accounts and rights, namespaces.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from mlops.ordering.edge import Edge
from mlops.ordering.kinds import CRD_GROUP
from mlops.ordering.objects import KubeObject, ObjectRef
from mlops.ordering.rights import RBAC, Controllers, group_and_plural
from mlops.ordering.rule import GATE_GROUP, Strength, Yields
from mlops.ordering.rules_admission import workloads_of
from mlops.ordering.rules_controller import NAMESPACE_MAKERS, namespace_makers
from mlops.ordering.topology import cut_cycles, sort
from mlops.ordering.view import ADMISSION, View

_LATE = {("", "Namespace"), ("", "ServiceAccount")}


@dataclass(frozen=True, slots=True)
class Removal:
    """How to remove the objects.

    Attributes:
        order: the objects, first to go first.
        edges: what removal needs beyond the edges of creation: ``source`` goes before ``target``. They hold on removal only: a
            backend may wait, until it is ready, for a configuration that goes before it here.
        kinds: names of the CRDs (``<plural>.<group>``) whose objects, made by users or controllers and unknown to this set, must be
            gone before their controller or webhook goes; in this order.
    """

    order: tuple[ObjectRef, ...]
    edges: tuple[Edge, ...]
    kinds: tuple[str, ...]


def removal(view: View, edges: Iterable[Edge]) -> Removal:
    """Find the order of removal.

    Args:
        view: the objects.
        edges: edges of creation, without cycle.
    """
    controllers = Controllers(view)
    creation = list(edges)
    known = {(edge.source, edge.target) for edge in creation}
    extra = {edge for edge in _extra(view, controllers) if (edge.source, edge.target) not in known}
    wished = sorted(extra, key=lambda e: (e.source, e.target, e.rule, e.reason))
    kept, _ = cut_cycles([*creation, *wished])
    guarded = {seen.ref for seen in (*view.seen, *view.seen_on_deletion)}
    makers = dict(namespace_makers(view))
    ranks = {item.ref: _rank(item, view, guarded, makers) for item in view.objects}
    order = sort(view.by_ref, kept, ranks)
    return Removal(
        tuple(ref for ref in reversed(order) if ref.group != GATE_GROUP),
        tuple(edge for edge in kept if edge in extra),
        tuple(_kinds_to_empty(view, controllers)),
    )


def _extra(view: View, controllers: Controllers) -> Iterator[Edge]:
    for seen in view.seen_on_deletion:
        reason = f"webhook {', '.join(seen.names)} looks at its removal"
        for target in (seen.configuration.ref, *workloads_of(view, seen.configuration)):
            yield _edge(seen.ref, target, "R4", reason, hard=seen.refusing)
    for configuration in view.configurations:
        for workload in workloads_of(view, configuration):
            yield _edge(configuration.ref, workload, "R6", "a guard without its backend refuses everybody")
    for item, _ in view.custom:
        kind = view.kinds.get(item.group, item.kind)
        for workload in controllers.of(item.group, kind.plural, item.namespace or "") if kind else ():
            yield _edge(item.ref, workload, "R22", "it takes the finalizers off")


def _edge(source: ObjectRef, target: ObjectRef, rule: str, reason: str, *, hard: bool = False) -> Edge:
    return Edge(source, target, rule, reason, Strength.HARD if hard else Strength.SOFT, Yields.DELETION)


def _rank(item: KubeObject, view: View, guarded: set[ObjectRef], makers: Mapping[str, ObjectRef]) -> int:
    """Place in the order of creation that, turned round, is the place in the order of removal."""
    places = (
        item.namespace in makers,
        view.kinds.crd_of(item) is not None or item.ref in makers.values(),
        item.ref in guarded and (item.group, item.kind) != ("", "Namespace") and item.ref not in view.workload_of,
        item.group == ADMISSION,
        item.ref in view.workload_of,
        (item.group, item.kind) not in _LATE and item.group not in {RBAC, CRD_GROUP},
        item.group == CRD_GROUP,
        (item.group, item.kind) != ("", "Namespace"),
    )
    return next((len(places) - i for i, here in enumerate(places) if here), 0)


def _kinds_to_empty(view: View, controllers: Controllers) -> Iterator[str]:
    plurals = {
        (str(group), str(resource).partition("/")[0])
        for configuration in view.configurations
        for webhook in configuration.body.get("webhooks") or ()
        for rule in webhook.get("rules") or ()
        for group in rule.get("apiGroups") or ()
        for resource in rule.get("resources") or ()
    }
    crds = list(view.of_kind(CRD_GROUP, "CustomResourceDefinition"))
    makers = [crd for crd in crds if (crd.spec.get("group"), (crd.spec.get("names") or {}).get("kind")) in NAMESPACE_MAKERS]
    # what makes namespaces goes first, and takes all that is in them along
    yield from (crd.name for crd in makers)
    for crd in crds:
        group, plural = group_and_plural(crd)
        if crd in makers:
            continue
        if controllers.of(group, plural) or {(group, plural), (group, "*"), ("*", "*")} & plurals:
            yield crd.name
