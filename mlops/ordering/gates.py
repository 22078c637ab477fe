"""Gates: conditions that must hold before the order goes on, as data. Who waits, and how, is the caller's business.

A gate has one of two places:

- *after* an object was written: it counts as there only once the gate holds (:data:`GateAfter`);
- *before* a guarded object is written (:data:`GateBefore`): webhooks have their CA, and answer, proved by a server-side dry-run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mlops.ordering.objects import ObjectRef
from mlops.ordering.rules_admission import Authority


@dataclass(frozen=True, slots=True, order=True)
class CrdEstablished:
    """After a CRD: condition Established is True, so that objects of its kind can be written."""

    at: ObjectRef
    reason: str


@dataclass(frozen=True, slots=True, order=True)
class WorkloadReady:
    """After a Deployment, StatefulSet or DaemonSet: rolled out; after a Job: completed."""

    at: ObjectRef
    reason: str


@dataclass(frozen=True, slots=True, order=True)
class ApiServiceAvailable:
    """After an APIService: condition Available is True, so that objects of its group can be written."""

    at: ObjectRef
    reason: str


@dataclass(frozen=True, slots=True, order=True)
class ConditionReady:
    """After a custom resource whose condition Ready others count on: Certificate, Issuer, ClusterIssuer."""

    at: ObjectRef
    reason: str


@dataclass(frozen=True, slots=True, order=True)
class NamespaceMade:
    """After a custom resource whose controller makes a namespace: the namespace is there.

    Attributes:
        at: the custom resource.
        namespace: name of the namespace.
        reason: one sentence for messages.
    """

    at: ObjectRef
    namespace: str
    reason: str


@dataclass(frozen=True, slots=True, order=True)
class CaBundlePresent:
    """Before a guarded object: the webhook configuration carries the CA that somebody puts there at run time.

    It cannot be *after* the configuration: the backend that puts it there may come later.

    Attributes:
        at: the guarded object.
        configuration: Mutating- or ValidatingWebhookConfiguration.
        webhooks: names of the webhooks in it whose ``clientConfig.caBundle`` must not be empty.
        authority: ``injected`` (by cert-manager's cainjector) or ``self`` (by the backend).
        reason: one sentence for messages.
    """

    at: ObjectRef
    configuration: ObjectRef
    webhooks: tuple[str, ...]
    authority: Authority
    reason: str


@dataclass(frozen=True, slots=True, order=True)
class WebhookAnswers:
    """Before a guarded object: the webhooks that look at it answer.

    Attributes:
        at: the guarded object.
        configuration: Mutating- or ValidatingWebhookConfiguration.
        webhooks: names of the webhooks in it that match the object.
        service: Service behind them, None for a URL outside the cluster.
        workloads: workloads that the Service selects, as far as they are among the objects.
        refusing: whether the API server refuses the write while the webhook is down (failurePolicy Fail).
        authority: who fills in the CA that the API server checks the webhook by: ``given`` (in the manifest), ``injected``
            (an annotation asks cert-manager's cainjector), ``self`` (the backend patches its configuration).
        reason: one sentence for messages.
        probe: what to send as a dry-run: the object ``itself``, or one of ``its pods`` (:attr:`Workload.as_pod`).
    """

    at: ObjectRef
    configuration: ObjectRef
    webhooks: tuple[str, ...]
    service: ObjectRef | None
    workloads: tuple[ObjectRef, ...]
    refusing: bool
    authority: Authority
    reason: str
    probe: Literal["itself", "its pods"] = "itself"


GateAfter = CrdEstablished | WorkloadReady | ApiServiceAvailable | ConditionReady | NamespaceMade
GateBefore = CaBundlePresent | WebhookAnswers
Gate = GateAfter | GateBefore
