"""Looks at the objects for what cannot work, or cannot be known, whatever the order.

Two classes: what makes an order impossible (an error at once), and findings: true of many sets that are parts of something bigger,
wrong in a whole platform (:meth:`Graph.require_complete`).
"""

from __future__ import annotations

from collections.abc import Iterator

from mlops.errors import Problem
from mlops.ordering.kinds import CRD_GROUP
from mlops.ordering.objects import KubeObject, ObjectRef
from mlops.ordering.rules_admission import services, sources_of_authority
from mlops.ordering.view import View, service_of

_DRY_RUN = ("None", "NoneOnDryRun")


def unfit_webhooks(view: View) -> Iterator[Problem]:
    """Webhooks that a dry-run cannot ask: the API server refuses the dry-run (and, since v1, such a configuration).

    Source: https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#side-effects
    """
    for configuration in view.configurations:
        for webhook in configuration.body.get("webhooks") or ():
            if webhook.get("sideEffects") not in _DRY_RUN:
                yield Problem(
                    f"webhook {webhook.get('name')} of {configuration.ref} ({configuration.origin})",
                    f"sideEffects: {webhook['sideEffects']}" if "sideEffects" in webhook else "no sideEffects",
                    " or ".join(_DRY_RUN),
                    "the author of the webhook must make it free of side effects on a dry-run, and say so",
                )


def findings(view: View) -> tuple[Problem, ...]:
    """What is missing or ambiguous among the objects, sorted by place."""
    found = [*_unknown_kinds(view), *_backends(view), *_authorities(view), *_without_rules(view)]
    return tuple(sorted(found, key=lambda problem: (problem.where, problem.found)))


def _unknown_kinds(view: View) -> Iterator[Problem]:
    unknown: dict[tuple[str, str], list[KubeObject]] = {}
    for item in view.objects:
        if view.kinds.get(item.group, item.kind) is None:
            unknown.setdefault((item.group, item.kind), []).append(item)
    for (group, kind), items in unknown.items():
        more = f" and {len(items) - 1} more" if len(items) > 1 else ""
        yield Problem(
            f"{items[0].ref} ({items[0].origin}){more}",
            f"kind {kind} of group {group or 'core'} is not built in and has no CRD in the set; plural and scope are unknown",
            "the CRD among the objects, or already in the cluster",
            f"add the CRD of {kind}",
        )


def _backends(view: View) -> Iterator[Problem]:
    """Services that the API server calls: missing, without workload, or with several."""
    for user, service in _called(view):
        item = view.by_ref.get(service)
        where = f"{user} calls {service}"
        if item is None:
            yield Problem(where, "no such Service among the objects", "the Service, or one that is already in the cluster")
        elif not item.spec.get("selector"):
            yield Problem(
                where, "a Service without selector", "a selector: who stands behind it cannot be known", "set spec.selector"
            )
        else:
            behind = view.workloads_behind(service)
            if not behind:
                found = f"its selector {dict(item.spec['selector'])} selects no workload"
                yield Problem(where, found, "one workload of its namespace whose pods have these labels", "mend the selector")
            elif len(behind) > 1:
                found = f"its selector {dict(item.spec['selector'])} selects {', '.join(map(str, behind))}"
                yield Problem(where, found, "one workload: each call goes to one of them at random", "narrow the selector")


def _called(view: View) -> Iterator[tuple[ObjectRef, ObjectRef]]:
    for configuration in view.configurations:
        for service in services(configuration):
            yield configuration.ref, service
    for definition in view.of_kind(CRD_GROUP, "CustomResourceDefinition"):
        webhook = (definition.spec.get("conversion") or {}).get("webhook") or {}
        converter = service_of(webhook.get("clientConfig"))
        if converter:
            yield definition.ref, converter
    for item in view.of_kind("apiregistration.k8s.io", "APIService"):
        server = service_of(item.spec)
        if server:
            yield item.ref, server


def _authorities(view: View) -> Iterator[Problem]:
    for item in (*view.configurations, *view.of_kind(CRD_GROUP, "CustomResourceDefinition")):
        for source in sources_of_authority(item):
            # Secrets are often made by a controller; a Certificate is always somebody's manifest
            if source.kind == "Certificate" and source not in view.by_ref:
                allowed = "a Certificate of the set, as namespace/name"
                yield Problem(f"{item.ref} takes its CA from {source}", "no such Certificate", allowed, "mend the annotation")


def _without_rules(view: View) -> Iterator[Problem]:
    for configuration in view.configurations:
        names = [str(w.get("name")) for w in configuration.body.get("webhooks") or () if not w.get("rules")]
        if names and configuration.ref not in view.filled_in:
            yield Problem(
                f"webhook {', '.join(names)} of {configuration.ref}",
                "no rules: its backend fills them in, and what it looks at cannot be known",
                "rules, or an entry rulesAtRunTime in order.yaml",
            )
