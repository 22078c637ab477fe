"""Rules about admission: who is guarded, what stands behind the guard, who gives it a CA; conversion and policies likewise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from mlops.ordering.kinds import CRD_GROUP
from mlops.ordering.matching import WRITES, Guard
from mlops.ordering.objects import KubeObject, ObjectRef
from mlops.ordering.rule import Found, Strength, Yields, gate_of
from mlops.ordering.view import ADMISSION, View, service_of

# cert-manager's cainjector reads these (https://cert-manager.io/docs/concepts/ca-injector/).
INJECT_FROM_CERTIFICATE = "cert-manager.io/inject-ca-from"
INJECT_FROM_SECRET = "cert-manager.io/inject-ca-from-secret"  # noqa: S105  (the name of an annotation)
INJECT_FROM_API_SERVER = "cert-manager.io/inject-apiserver-ca"
_CAINJECTOR_LABELS = {"app.kubernetes.io/name": "cainjector", "app.kubernetes.io/component": "cainjector"}
_CUSTOM_RESOURCE_DEFINITION = "CustomResourceDefinition"

Authority = Literal["given", "injected", "self"]


def conversion(view: View) -> Iterator[Found]:
    """R3: a custom resource whose CRD converts by webhook, to the gate of the CRD; the gate to what makes the webhook answer.

    The API server converts when a request's version is not the stored one, and when anybody reads another version than the stored
    one; with a single served version that is the stored one it never asks.
    Source: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/#webhook-conversion
    """
    for item, crd in view.custom:
        definition = view.by_ref.get(crd)
        if definition is None or _converting(definition) is None:
            continue
        served, stored = _versions(definition)
        version = item.api_version.rpartition("/")[2]
        if version != stored:
            yield Found(item.ref, gate_of(crd), f"it is converted from {version} to {stored} by a webhook")
        elif served - {stored}:
            yield Found(item.ref, gate_of(crd), "who reads it in another version needs the conversion webhook", Strength.SOFT)
    for definition in view.of_kind(CRD_GROUP, _CUSTOM_RESOURCE_DEFINITION):
        client = _converting(definition)
        if client is not None:
            gate = gate_of(definition.ref)
            yield Found(gate, definition.ref, "it names the conversion webhook")
            ref = service_of(client)
            if ref:
                yield Found(gate, ref, "the API server calls the conversion webhook through it")
                for workload in view.workloads_behind(ref):
                    yield Found(gate, workload, f"its pods answer for {ref}")


def _converting(definition: KubeObject) -> Mapping[str, Any] | None:
    """``clientConfig`` of the conversion webhook of a CRD, None when it does not convert by webhook."""
    said = definition.spec.get("conversion") or {}
    return ((said.get("webhook") or {}).get("clientConfig") or {}) if said.get("strategy") == "Webhook" else None


def _versions(definition: KubeObject) -> tuple[set[str], str]:
    """Served versions, and the stored one."""
    versions = definition.spec.get("versions") or ()
    return {v["name"] for v in versions if v.get("served")}, next((v["name"] for v in versions if v.get("storage")), "")


def guarded(view: View) -> Iterator[Found]:
    """R4: each object that a webhook would look at, to the gate of the configuration.

    Source: https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/ (matching, failurePolicy).
    """
    for seen in view.seen:
        reason = f"webhook {', '.join(seen.names)} looks at it"
        if seen.configuration.ref in view.filled_in:
            # while its rules are not filled in, it looks at nothing
            yield Found(seen.ref, gate_of(seen.configuration.ref), f"{reason} at run time", Strength.SILENT, Yields.IGNORED)
        elif seen.refusing:
            yield Found(seen.ref, gate_of(seen.configuration.ref), reason)
        else:
            yield Found(seen.ref, gate_of(seen.configuration.ref), reason, Strength.SILENT, Yields.IGNORED)


def guarded_pods(view: View) -> Iterator[Found]:
    """R5: each workload whose pods a webhook would look at, to the gate of the configuration.

    While the configuration is absent, pods start without what it adds (silent); while its backend is down, they are refused and
    tried again by their controller. A webhook that refuses pods of its own backend never comes up: that edge yields only where the
    match is a guess. Source: the same page as R4; https://book.kubebuilder.io/reference/webhook-bootstrap-problem
    """
    for seen in view.seen_pods:
        yields = Yields.NEVER if seen.refusing and seen.certain else Yields.IGNORED
        reason = f"webhook {', '.join(seen.names)} looks at its pods"
        yield Found(seen.ref, gate_of(seen.configuration.ref), reason, yields=yields)


def services(configuration: KubeObject) -> tuple[ObjectRef, ...]:
    """Services behind a configuration, in order of their names; a webhook at a URL has none."""
    webhooks = configuration.body.get("webhooks") or ()
    return tuple(sorted({service for webhook in webhooks if (service := service_of(webhook.get("clientConfig")))}))


def workloads_of(view: View, configuration: KubeObject) -> tuple[ObjectRef, ...]:
    """Workloads behind all Services of a configuration."""
    return tuple(workload for service in services(configuration) for workload in view.workloads_behind(service))


def backend(view: View) -> Iterator[Found]:
    """R6: gate to configuration, Service, and the workloads that the Service selects.

    Source: ``clientConfig.service`` (https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/).
    """
    for configuration in view.configurations:
        gate = gate_of(configuration.ref)
        yield Found(gate, configuration.ref, "without it nothing is guarded yet")
        for service in services(configuration):
            yield Found(gate, service, "the API server calls the webhook through it")
            for workload in view.workloads_behind(service):
                yield Found(gate, workload, f"its pods answer for {service}")


def injected(view: View) -> Iterator[Found]:
    """R7: gate to the injector and to the source of the CA; configuration to its backend. CRDs and APIServices likewise.

    The second edge is possible because the backend does not need the configuration; it keeps the time short in which other
    people's objects are refused, and on removal it takes the configuration away first.
    Source: https://cert-manager.io/docs/concepts/ca-injector/
    """
    injectors = view.workloads_labelled(_CAINJECTOR_LABELS)
    for configuration in view.configurations:
        if authority_of(configuration, view) != "injected":
            continue
        yield from _authority(gate_of(configuration.ref), configuration, injectors)
        for workload in workloads_of(view, configuration):
            yield Found(configuration.ref, workload, "a guard without its backend refuses everybody", Strength.SOFT)
    for definition in view.of_kind(CRD_GROUP, _CUSTOM_RESOURCE_DEFINITION):
        if _converting(definition) is not None:
            yield from _authority(gate_of(definition.ref), definition, injectors)
    for service in view.of_kind("apiregistration.k8s.io", "APIService"):
        yield from _authority(service.ref, service, injectors)


def _authority(waiting: ObjectRef, item: KubeObject, injectors: tuple[ObjectRef, ...]) -> Iterator[Found]:
    """From what waits for the CA of an object to who injects it and where it is taken from."""
    if not asks_for_injection(item):
        return
    for injector in injectors:
        yield Found(waiting, injector, f"it injects the CA into {item.ref.kind} {item.name}")
    for source in sources_of_authority(item):
        yield Found(waiting, source, "the injected CA is taken from it")


def asks_for_injection(item: KubeObject) -> bool:
    """Whether an annotation asks cert-manager's cainjector for a CA."""
    return not {INJECT_FROM_CERTIFICATE, INJECT_FROM_SECRET, INJECT_FROM_API_SERVER}.isdisjoint(item.annotations)


def sources_of_authority(item: KubeObject) -> Iterator[ObjectRef]:
    """Certificate or Secret that the annotations of an object name."""
    for annotation, group, kind in (
        (INJECT_FROM_CERTIFICATE, "cert-manager.io", "Certificate"),
        (INJECT_FROM_SECRET, "", "Secret"),
    ):
        namespace, _, name = item.annotations.get(annotation, "").partition("/")
        if name:
            yield ObjectRef(group, kind, namespace, name)


def authority_of(configuration: KubeObject, view: View) -> Authority:
    """R8: who fills in the CA that the API server checks the webhooks by.

    Neither annotation nor bundle means that the backend patches its own configuration: then there must be no edge between the two
    (the backend may report Ready only after it patched), and the gate waits for the bundle as well as for the answer.
    """
    if configuration.ref in view.self_injecting:
        return "self"
    if asks_for_injection(configuration):
        return "injected"
    clients = [w.get("clientConfig") or {} for w in configuration.body.get("webhooks") or ()]
    return "given" if all(c.get("caBundle") or c.get("url") for c in clients) else "self"


def aggregated(view: View) -> Iterator[Found]:
    """R9: an object of an aggregated group to its APIService, that to its Service and to the workload behind it.

    Source: https://kubernetes.io/docs/concepts/extend-kubernetes/api-extension/apiserver-aggregation/
    """
    served = {}
    for item in view.of_kind("apiregistration.k8s.io", "APIService"):
        ref = service_of(item.spec)
        if not ref:  # served by the API server itself
            continue
        served[f"{item.spec.get('group')}/{item.spec.get('version')}"] = item.ref
        yield Found(item.ref, ref, "the API server passes requests on to it", Strength.SOFT)
        for workload in view.workloads_behind(ref):
            yield Found(item.ref, workload, f"its pods answer for {ref}; an unavailable API stops all discovery", Strength.SOFT)
    for item in view.objects:
        if item.api_version in served:
            yield Found(item.ref, served[item.api_version], "it serves the kind")


def policed(view: View) -> Iterator[Found]:
    """R20: object to the policies that look at it, by their bindings; binding to policy and parameters.

    A policy's own parameters come before it, so it cannot look at them. Nothing stands behind a policy: no gate.
    Source: https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/
    """
    for flavour in ("Validating", "Mutating"):
        policies = {item.name: item for item in view.of_kind(ADMISSION, f"{flavour}AdmissionPolicy")}
        for binding in view.of_kind(ADMISSION, f"{flavour}AdmissionPolicyBinding"):
            policy = policies.get(str(binding.spec.get("policyName")))
            if policy is None:
                continue
            yield Found(binding.ref, policy.ref, "it binds this policy")
            parameters = set(_parameters(view, policy, binding))
            for ref in sorted(parameters):
                yield Found(binding.ref, ref, "the policy reads its parameters there")
            narrowed = binding.spec.get("matchResources")
            meant = Guard.of_constraints(policy.spec.get("matchConstraints") or {})
            within = Guard.of_constraints(narrowed) if narrowed else None
            for item in view.matcher.seen_by(meant, WRITES):
                if item.ref not in parameters and (within is None or _within(view, within, item)):
                    yield Found(item.ref, binding.ref, f"policy {policy.name} looks at it")


def _within(view: View, guard: Guard, item: KubeObject) -> bool:
    """A binding without rules of its own narrows by its selectors alone."""
    if not guard.rules:
        everything = {"operations": ["*"], "apiGroups": ["*"], "resources": ["*"]}
        guard = Guard([everything], guard.exact, guard.namespace_selector, guard.object_selector, guard.excluded)
    return guard.looks_at(item, view.kinds, view.labels_of_namespace, WRITES)


def _parameters(view: View, policy: KubeObject, binding: KubeObject) -> Iterator[ObjectRef]:
    kind, reference = policy.spec.get("paramKind"), binding.spec.get("paramRef") or {}
    if kind and reference.get("name"):
        group = str(kind.get("apiVersion", "")).rpartition("/")[0]
        # a parameter without namespace is looked for in the namespace of each object: those of the set are meant
        where = reference.get("namespace")
        for item in view.of_kind(group, str(kind.get("kind"))):
            if item.name == reference["name"] and (where is None or item.namespace == where):
                yield item.ref
