"""Rules about references: an object names another one that must be there first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mlops.ordering.objects import ObjectRef
from mlops.ordering.rights import RBAC, aggregated_roles, bindings_of, role_of
from mlops.ordering.rule import Found
from mlops.ordering.view import View, Workload


def namespace(view: View) -> Iterator[Found]:
    """R1. Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/."""
    for item in view.objects:
        if item.namespace:
            yield Found(item.ref, ObjectRef("", "Namespace", "", item.namespace), "it lives in this namespace")


def definition(view: View) -> Iterator[Found]:
    """R2: any served version will do, so group and kind decide.

    Source: https://kubernetes.io/docs/concepts/extend-kubernetes/api-extension/custom-resources/
    """
    for item, crd in view.custom:
        yield Found(item.ref, crd, "it defines the kind")


def service_account(view: View) -> Iterator[Found]:
    """R10. Source: https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/."""
    for item in view.workloads:
        yield Found(item.ref, item.account, "its pods run as this account")


def permissions(view: View) -> Iterator[Found]:
    """R11: workload to the bindings of its account, binding to its role, aggregated role to the roles it is made of.

    Source: https://kubernetes.io/docs/reference/access-authn-authz/rbac/ (subjects, roleRef, aggregationRule).
    """
    for binding in view.of_kind(RBAC, "RoleBinding", "ClusterRoleBinding"):
        yield Found(binding.ref, role_of(binding), "it grants this role")
    for item in view.workloads:
        for ref in bindings_of(view).get(item.account, ()):
            yield Found(item.ref, ref, f"it gives {item.account} its rights")
    for whole, part in aggregated_roles(view):
        yield Found(whole, part, "its rules are made of the rules of this role")


def configuration(view: View) -> Iterator[Found]:
    """R12: volumes (projected ones and claims too), env, envFrom, imagePullSecrets; optional references bind nobody.

    Source: https://kubernetes.io/docs/concepts/configuration/configmap/ (a pod that refers to a missing one does not start).
    """
    for item in view.workloads:
        for kind, name, use in reads(item):
            yield Found(item.ref, ObjectRef("", kind, item.ref.namespace, name), f"its pods read it ({use})")


def classes(view: View) -> Iterator[Found]:
    """R19: names of classes; admission refuses pods of a class that is not there.

    Source: https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/,
    https://kubernetes.io/docs/concepts/containers/runtime-class/
    """
    for item in view.workloads:
        for key, group, kind in (
            ("priorityClassName", "scheduling.k8s.io", "PriorityClass"),
            ("runtimeClassName", "node.k8s.io", "RuntimeClass"),
        ):
            if item.pod.get(key):
                yield Found(item.ref, ObjectRef(group, kind, "", str(item.pod[key])), f"its pods name it as {key}")


def reads(item: Workload) -> Iterator[tuple[str, str, str]]:
    """Kind, name and use of each ConfigMap, Secret and PersistentVolumeClaim that pods cannot start without."""
    references: list[tuple[str, Mapping[str, Any] | None, str, str]] = [
        ("Secret", secret, "name", "imagePullSecrets") for secret in item.pod.get("imagePullSecrets") or ()
    ]
    for volume in item.pod.get("volumes") or ():
        use = f"volume {volume.get('name')}"
        references.append(("ConfigMap", volume.get("configMap"), "name", use))
        references.append(("Secret", volume.get("secret"), "secretName", use))
        references.append(("PersistentVolumeClaim", volume.get("persistentVolumeClaim"), "claimName", use))
        for source in (volume.get("projected") or {}).get("sources") or ():
            references.append(("ConfigMap", source.get("configMap"), "name", use))
            references.append(("Secret", source.get("secret"), "name", use))
    for container in item.containers:
        use = f"environment of {container.get('name')}"
        for entry in container.get("envFrom") or ():
            references.append(("ConfigMap", entry.get("configMapRef"), "name", use))
            references.append(("Secret", entry.get("secretRef"), "name", use))
        for entry in container.get("env") or ():
            value = entry.get("valueFrom") or {}
            references.append(("ConfigMap", value.get("configMapKeyRef"), "name", use))
            references.append(("Secret", value.get("secretKeyRef"), "name", use))
    for kind, reference, key, use in references:
        if reference and reference.get(key) and not reference.get("optional"):
            yield kind, str(reference[key]), use
