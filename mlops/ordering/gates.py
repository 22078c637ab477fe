"""Gates: conditions that must hold before the order goes on, as data. Who waits, and how, is the caller's business.

A gate has one of two places:

- *after* an object was written (:class:`CrdEstablished`, :class:`WorkloadReady`): it counts as there only once the gate holds;
- *before* a guarded object is written (:class:`WebhookAnswers`): proved by a server-side dry-run of that very object.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mlops.ordering.objects import ObjectRef


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
class WebhookAnswers:
    """Before a guarded object: the webhooks that look at it answer.

    Attributes:
        at: the guarded object; its own dry-run is the probe.
        configuration: Mutating- or ValidatingWebhookConfiguration.
        webhooks: names of the webhooks in it that match the object.
        service: Service behind them, None for a URL outside the cluster.
        workloads: workloads that the Service selects, as far as they are among the objects.
        refusing: whether the API server refuses the object while the webhook is down (failurePolicy Fail).
        authority: who fills in the CA that the API server checks the webhook by: ``given`` (in the manifest), ``injected``
            (an annotation asks cert-manager's cainjector), ``self`` (the backend patches its configuration).
        reason: one sentence for messages.
    """

    at: ObjectRef
    configuration: ObjectRef
    webhooks: tuple[str, ...]
    service: ObjectRef | None
    workloads: tuple[ObjectRef, ...]
    refusing: bool
    authority: Literal["given", "injected", "self"]
    reason: str


Gate = CrdEstablished | WorkloadReady | WebhookAnswers
