"""A webhook with its backend, and an object that it looks at; one ServiceAccount that only the backend's pods need."""

from __future__ import annotations

from mlops.ordering import Graph, ObjectRef, build_graph
from tests.ordering.objects_for_tests import crd, deployment, namespace, obj, service, webhook

BACKEND = ObjectRef("apps", "Deployment", "hooks", "guard")
OTHER = ObjectRef("apps", "Deployment", "hooks", "other")
THING = ObjectRef("g.io", "Thing", "hooks", "thing")
GATE = ObjectRef("gate", "ValidatingWebhookConfiguration", "", "guard")
GUARD = ObjectRef("admissionregistration.k8s.io", "ValidatingWebhookConfiguration", "", "guard")
ACCOUNT = ObjectRef("", "ServiceAccount", "hooks", "runner")
NAMESPACE = ObjectRef("", "Namespace", "", "hooks")
CRD = ObjectRef("apiextensions.k8s.io", "CustomResourceDefinition", "", "things.g.io")


def guarded_things() -> Graph:
    objects = [
        namespace("hooks"),
        crd("g.io", "Thing"),
        obj("v1", "ServiceAccount", "runner", "hooks"),
        deployment("guard", "hooks", serviceAccountName="runner"),
        deployment("other", "hooks"),
        service("guard", "hooks", app="guard"),
        webhook("guard"),
        obj("g.io/v1", "Thing", "thing", "hooks"),
    ]
    return build_graph(objects)
