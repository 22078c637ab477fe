"""Rules about controllers: who works on a resource, what a resource brings into being, what a controller reads at its start."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlops.ordering.kinds import CRD_GROUP
from mlops.ordering.objects import ObjectRef
from mlops.ordering.rights import Controllers, group_and_plural
from mlops.ordering.rule import Found
from mlops.ordering.view import View

# Kinds whose controller makes a Namespace of the object's own name.
NAMESPACE_MAKERS = {
    ("kubeflow.org", "Profile"),  # https://www.kubeflow.org/docs/components/central-dash/profiles/
    ("hnc.x-k8s.io", "SubnamespaceAnchor"),  # https://github.com/kubernetes-sigs/hierarchical-namespaces
    ("project.openshift.io", "ProjectRequest"),  # https://docs.openshift.com/container-platform/latest/applications/projects/
}
# Knative's packages find their ConfigMaps by these variables (knative.dev/pkg: logging, metrics, leaderelection, ...).
_CONFIGURATION_VARIABLE = re.compile(r"^CONFIG_[A-Z0-9_]+_NAME$")
_PART = "app.kubernetes.io/name"


def named_configuration(view: View) -> Iterator[Found]:
    """R21: a workload to the ConfigMaps that its variables ``CONFIG_*_NAME`` name, and to their siblings ``config-*``.

    Knative's programs look for them when they start, and end when one is missing. Not all of them have a variable; the others carry
    the same name of the application.
    Source: https://pkg.go.dev/knative.dev/pkg/logging#ConfigMapName (and the like in metrics and leaderelection),
    https://pkg.go.dev/knative.dev/pkg/configmap/informer#InformedWatcher.Start
    """
    for item in view.workloads:
        variables = [entry for container in item.containers for entry in container.get("env") or ()]
        named = {
            str(entry["value"]): f"its pods look for it by {entry['name']}"
            for entry in variables
            if entry.get("value") and _CONFIGURATION_VARIABLE.match(str(entry.get("name")))
        }
        for sibling in view.of_kind("", "ConfigMap") if named else ():
            alike = sibling.labels.get(_PART) == item.labels.get(_PART, "")
            if sibling.namespace == item.ref.namespace and sibling.name.startswith("config-") and alike:
                named.setdefault(sibling.name, "its pods look for the ConfigMaps of their application")
        for name, reason in named.items():
            yield Found(item.ref, ObjectRef("", "ConfigMap", item.ref.namespace, name), reason)


def controller(view: View) -> Iterator[Found]:
    """R22: a custom resource to the one workload that may write the status of its kind; of several, none is sure.

    And each of them to the CRD: a controller that does not find its kinds at its start ends, and starts again ever later.
    Source: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#status-subresource
    """
    controllers = Controllers(view)
    for item, _ in view.custom:
        kind = view.kinds.get(item.group, item.kind)
        found = controllers.only(item.group, kind.plural, item.namespace or "") if kind else None
        if found:
            yield Found(item.ref, found, "it works on objects of the kind")
    for definition in view.of_kind(CRD_GROUP, "CustomResourceDefinition"):
        for workload in controllers.of(*group_and_plural(definition)):
            yield Found(workload, definition.ref, "it looks for the kind when it starts")


def made_namespace(view: View) -> Iterator[Found]:
    """R23: an object in a namespace that nobody writes but a custom resource brings into being, to that resource.

    Source: the table :data:`NAMESPACE_MAKERS`.
    """
    makers = dict(namespace_makers(view))
    for item in view.objects:
        maker = makers.get(item.namespace or "")
        if maker:
            yield Found(item.ref, maker, f"its controller makes namespace {item.namespace}")


def namespace_makers(view: View) -> Iterator[tuple[str, ObjectRef]]:
    """Namespaces that are not among the objects, each with the object whose controller makes it."""
    for group, kind in sorted(NAMESPACE_MAKERS):
        for item in view.of_kind(group, kind):
            if ObjectRef("", "Namespace", "", item.name) not in view.by_ref:
                yield item.name, item.ref
