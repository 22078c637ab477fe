"""Rules about admission webhooks: who is guarded, what stands behind the guard, who gives it a CA."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from mlops.ordering.gates import WebhookAnswers
from mlops.ordering.matching import matching_webhooks
from mlops.ordering.objects import KubeObject, ObjectRef
from mlops.ordering.rule import WEBHOOK_CONFIGURATIONS, Found, Strength, View, gate_of

_GROUP = "admissionregistration.k8s.io"
# cert-manager's cainjector reads these (https://cert-manager.io/docs/concepts/ca-injector/).
INJECT_FROM_CERTIFICATE = "cert-manager.io/inject-ca-from"
INJECT_FROM_SECRET = "cert-manager.io/inject-ca-from-secret"  # noqa: S105  (the name of an annotation)
INJECT_FROM_API_SERVER = "cert-manager.io/inject-apiserver-ca"
_CAINJECTOR_LABELS = {"app.kubernetes.io/name": "cainjector", "app.kubernetes.io/component": "cainjector"}


def configurations(view: View) -> Iterator[KubeObject]:
    """All webhook configurations of the set."""
    return view.of_kind(_GROUP, *WEBHOOK_CONFIGURATIONS)


def _refuses(webhook: Mapping[str, Any]) -> bool:
    return bool(webhook.get("failurePolicy") != "Ignore")


def guarded(view: View) -> Iterator[Found]:
    """R4: each object that a webhook would look at, to the gate of the configuration."""
    for configuration in configurations(view):
        for item in view.objects:
            webhooks = list(matching_webhooks(view, configuration, item))
            if webhooks:
                names = ", ".join(str(w["name"]) for w in webhooks)
                strength = Strength.HARD if any(map(_refuses, webhooks)) else Strength.SILENT
                yield Found(item.ref, gate_of(configuration.ref), f"webhook {names} looks at it", strength)


def services(configuration: KubeObject) -> tuple[ObjectRef, ...]:
    """Services behind a configuration, in order of their names; a webhook at a URL has none."""
    found = set()
    for webhook in configuration.body.get("webhooks") or ():
        service = (webhook.get("clientConfig") or {}).get("service")
        if service:
            found.add(ObjectRef("", "Service", service["namespace"], service["name"]))
    return tuple(sorted(found))


def backend(view: View) -> Iterator[Found]:
    """R6: gate to configuration, Service, and the workloads that the Service selects."""
    for configuration in configurations(view):
        gate = gate_of(configuration.ref)
        yield Found(gate, configuration.ref, "without it nothing is guarded yet")
        for service in services(configuration):
            yield Found(gate, service, "the API server calls the webhook through it")
            for workload in view.workloads_behind(service):
                yield Found(gate, workload, f"its pods answer for {service}")


def injected(view: View) -> Iterator[Found]:
    """R7: gate to the injector and to the source of the CA; configuration to its backend.

    The second edge is possible because the backend does not need the configuration; it keeps the time short in which other
    people's objects are refused, and on removal it takes the configuration away first.
    """
    injectors = [w.ref for w in view.workloads if _CAINJECTOR_LABELS.items() <= w.labels.items()]
    for configuration in configurations(view):
        if authority_of(configuration) != "injected":
            continue
        gate = gate_of(configuration.ref)
        for injector in injectors:
            yield Found(gate, injector, "it injects the CA into the configuration")
        for source in _sources_of_authority(configuration):
            yield Found(gate, source, "the injected CA is taken from it")
        for service in services(configuration):
            for workload in view.workloads_behind(service):
                yield Found(configuration.ref, workload, "a guard without its backend refuses everybody", Strength.SOFT)


def _sources_of_authority(item: KubeObject) -> Iterator[ObjectRef]:
    for annotation, group, kind in (
        (INJECT_FROM_CERTIFICATE, "cert-manager.io", "Certificate"),
        (INJECT_FROM_SECRET, "", "Secret"),
    ):
        namespace, _, name = item.annotations.get(annotation, "").partition("/")
        if name:
            yield ObjectRef(group, kind, namespace, name)


def authority_of(configuration: KubeObject) -> Literal["given", "injected", "self"]:
    """R8: who fills in the CA that the API server checks the webhooks by.

    Neither annotation nor bundle means that the backend patches its own configuration: then there must be no edge between the two
    (the backend may report Ready only after it patched), and the gate waits for the bundle as well as for the answer.
    """
    if {INJECT_FROM_CERTIFICATE, INJECT_FROM_SECRET, INJECT_FROM_API_SERVER} & set(configuration.annotations):
        return "injected"
    clients = [w.get("clientConfig") or {} for w in configuration.body.get("webhooks") or ()]
    return "given" if all(c.get("caBundle") or c.get("url") for c in clients) else "self"


def gates(view: View) -> Iterator[WebhookAnswers]:
    """One gate before each guarded object and configuration; the same matching as R4."""
    for configuration in configurations(view):
        for item in view.objects:
            webhooks = list(matching_webhooks(view, configuration, item))
            if not webhooks:
                continue
            called = [(w.get("clientConfig") or {}).get("service") for w in webhooks]
            service = next((ObjectRef("", "Service", s["namespace"], s["name"]) for s in called if s), None)
            workloads = view.workloads_behind(service) if service else ()
            names = tuple(str(w["name"]) for w in webhooks)
            yield WebhookAnswers(
                at=item.ref,
                configuration=configuration.ref,
                webhooks=names,
                service=service,
                workloads=tuple(sorted(workloads)),
                refusing=any(map(_refuses, webhooks)),
                authority=authority_of(configuration),
                reason=f"{', '.join(names)} of {configuration.ref} looks at {item.ref}",
            )
