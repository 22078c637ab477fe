"""The table of stand-ins: what is played, and the Deployment whose being Available is the condition for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mlops.rehearsal.controllers import cainjector, issuing, reviews
from mlops.rehearsal.controllers.client import Api
from mlops.rehearsal.controllers.webhook_backend import WebhookBackend, WebhookEntry

CERT_MANAGER_WEBHOOK = WebhookEntry(
    stands_in_for="cert-manager-webhook",
    namespace="cert-manager",
    service="cert-manager-webhook",
    authority_secret="cert-manager-webhook-ca",  # noqa: S106  (a name)
    reviews={"/validate": reviews.validate, "/mutate": reviews.mutate},
)


@dataclass(frozen=True, slots=True)
class Controller:
    """A controller that is played.

    Attributes:
        stands_in_for: the program, for people.
        namespace: namespace of its Deployment.
        deployment: its Deployment.
        starts_after: seconds between the Deployment being Available and the first act (leader election, filling of caches);
            scaled with the site's other delays.
        act: one look at the cluster, and what follows from it; runs again and again.
    """

    stands_in_for: str
    namespace: str
    deployment: str
    starts_after: float
    act: Callable[[Api], None]


def webhooks() -> tuple[WebhookBackend, ...]:
    """All webhook backends that are played."""
    return (WebhookBackend(CERT_MANAGER_WEBHOOK),)


def controllers(backends: tuple[WebhookBackend, ...]) -> tuple[Controller, ...]:
    """All controllers that are played, the making of each webhook's CA included."""
    entries = [Controller(b.entry.stands_in_for, b.entry.namespace, b.entry.service, 0.5, b.act) for b in backends]
    return (
        *entries,
        Controller("cert-manager-cainjector", "cert-manager", "cert-manager-cainjector", 2.0, cainjector.act),
        Controller("cert-manager-controller", "cert-manager", "cert-manager", 1.0, issuing.act),
    )
