"""A webhook that guards Things, and its backend, as YAML."""

from __future__ import annotations

_GUARD = """
apiVersion: v1
kind: Namespace
metadata: {name: guard}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: guard, namespace: guard}
spec:
  replicas: REPLICAS
  selector: {matchLabels: {app: guard}}
  template: {metadata: {labels: {app: guard}}, spec: {containers: [{name: guard, image: guard}]}}
---
apiVersion: v1
kind: Service
metadata: {name: guard, namespace: guard}
spec: {selector: {app: guard}, ports: [{port: 443}]}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.org}
spec:
  group: example.org
  scope: Cluster
  names: {plural: things, kind: Thing}
  versions: [{name: v1, served: true, storage: true}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: guard}
webhooks:
- name: things.guard.example.org
  clientConfig: {service: {name: guard, namespace: guard}}
  rules: [{apiGroups: [example.org], apiVersions: [v1], operations: [CREATE], resources: [things]}]
  sideEffects: None
  admissionReviewVersions: [v1]
"""


def guard(*, replicas: int = 1) -> str:
    """Namespace, Deployment, Service, kind and configuration of the webhook."""
    return _GUARD.replace("REPLICAS", str(replicas))
