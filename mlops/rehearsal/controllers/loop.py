"""The loop that plays all stand-ins: look, act, look again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial

from mlops.rehearsal.controllers.client import Api
from mlops.rehearsal.controllers.responder import Responder
from mlops.rehearsal.controllers.table import Controller
from mlops.rehearsal.controllers.webhook_backend import WebhookBackend
from mlops.rehearsal.site.api import ApiError

log = logging.getLogger("mlops.rehearsal.controllers")


class Loop:
    """One look at the cluster per :meth:`turn`.

    Args:
        api: the cluster.
        responder: answers for the webhooks that are ready.
        webhooks: webhook backends to play.
        controllers: controllers to play.
        delay_scale: factor for the time a controller takes to start.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        api: Api,
        responder: Responder,
        webhooks: Sequence[WebhookBackend],
        controllers: Sequence[Controller],
        *,
        delay_scale: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api, self._responder = api, responder
        self._webhooks, self._controllers = webhooks, controllers
        self._delay_scale, self._clock = delay_scale, clock
        self._available_since: dict[str, float] = {}
        self._last_words: dict[str, str] = {}

    def turn(self) -> None:
        """Let every controller act whose Deployment is Available, and see which webhooks can answer."""
        for controller in self._controllers:
            self._attempt(controller.stands_in_for, partial(self._play, controller))
        self._attempt("responder", self._update_responder)

    def _play(self, controller: Controller) -> None:
        deployment = self._api.get(f"/apis/apps/v1/namespaces/{controller.namespace}/deployments/{controller.deployment}") or {}
        conditions = (deployment.get("status") or {}).get("conditions") or ()
        if not any(c["type"] == "Available" and c["status"] == "True" for c in conditions):
            self._available_since.pop(controller.stands_in_for, None)
            return
        since = self._available_since.setdefault(controller.stands_in_for, self._clock())
        if self._clock() - since >= controller.starts_after * self._delay_scale:
            controller.act(self._api)

    def _update_responder(self) -> None:
        backends = {}
        for webhook in self._webhooks:
            address, backend = webhook.address(self._api), webhook.backend(self._api)
            if address and backend:
                backends[address] = backend
        kubernetes = self._api.get("/api/v1/namespaces/default/services/kubernetes")
        if backends.keys() != self._responder.backends.keys():
            log.info("webhooks that answer: %s", ", ".join(f"{b.name} at {a}" for a, b in backends.items()) or "none")
        self._responder.backends = backends
        self._responder.relayed = frozenset({kubernetes["spec"]["clusterIP"]} if kubernetes else ())

    def _attempt(self, name: str, work: Callable[[], None]) -> None:
        """Do some work; what fails is tried again at the next turn, and said once."""
        try:
            work()
        except (ApiError, OSError) as error:  # conflicts, a namespace that goes away, an API server that restarts
            words = str(error)
            if self._last_words.get(name) != words:
                log.warning("%s: %s", name, words)
            self._last_words[name] = words
        else:
            self._last_words.pop(name, None)
