"""Rules about Istio: what its sidecars, gateways and routes need."""

from __future__ import annotations

from collections.abc import Iterator

from mlops.ordering.objects import ObjectRef
from mlops.ordering.rule import Found
from mlops.ordering.rules_admission import workloads_of
from mlops.ordering.view import View, Workload

_NETWORKING = "networking.istio.io"
# Labels of Istio's own pods: https://github.com/istio/istio/tree/master/manifests/charts
_CONTROL_PLANE = {"app": "istiod"}
_NODE_AGENT = {"k8s-app": "istio-cni-node"}
_NODE_PROXY = {"app": "ztunnel"}
_DATAPLANE_MODE = "istio.io/dataplane-mode"


def meshed(view: View) -> Iterator[Found]:
    """R15: a workload in the mesh to what puts it there besides the webhook (R5): node agent, and for ambient mode the node proxy.

    Source: https://istio.io/latest/docs/setup/additional-setup/cni/ (pods started before the node agent bypass the mesh),
    https://istio.io/latest/docs/ambient/usage/add-workloads/ (label ``istio.io/dataplane-mode``).
    """
    control_plane = set(view.workloads_labelled(_CONTROL_PLANE))
    agents, proxies = view.workloads_labelled(_NODE_AGENT), view.workloads_labelled(_NODE_PROXY)
    for seen in view.seen_pods:
        if not control_plane.isdisjoint(workloads_of(view, seen.configuration)):
            for agent in agents:
                yield Found(seen.ref, agent, "its pods' traffic goes past the mesh when it is not on the node yet")
    for item in view.workloads:
        if _ambient(view, item):
            for target in (*sorted(control_plane), *agents, *proxies):
                if target != item.ref:
                    yield Found(item.ref, target, "it takes its pods into the ambient mesh")


def _ambient(view: View, item: Workload) -> bool:
    of_namespace = view.labels_of_namespace(item.ref.namespace) or {}
    return item.labels.get(_DATAPLANE_MODE, of_namespace.get(_DATAPLANE_MODE)) == "ambient"


def routed(view: View) -> Iterator[Found]:
    """R16: gateway pods to istiod, which configures them; a VirtualService to its Gateways.

    Source: https://istio.io/latest/docs/reference/config/networking/virtual-service/ (``gateways``; ``mesh`` is no object),
    https://istio.io/latest/docs/setup/additional-setup/gateway/ (image ``auto``).
    """
    control_plane = view.workloads_labelled(_CONTROL_PLANE)
    for item in view.workloads:
        if _is_gateway(item):
            for target in control_plane:
                yield Found(item.ref, target, "it configures the gateway's pods")
    for route in view.of_kind(_NETWORKING, "VirtualService"):
        for name in route.spec.get("gateways") or ():
            where, _, short = str(name).rpartition("/")
            if short != "mesh":
                gateway = ObjectRef(_NETWORKING, "Gateway", where or route.namespace or "", short)
                yield Found(route.ref, gateway, "it is served there")


def _is_gateway(item: Workload) -> bool:
    """Envoy as a router of its own, or a pod whose proxy istiod fills in."""
    return any(
        container.get("image") == "auto" or {"proxy", "router"} <= set(container.get("args") or ()) for container in item.containers
    )
