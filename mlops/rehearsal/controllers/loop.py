"""The loop that plays all stand-ins: look, act, look again when something has changed."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from functools import partial

from mlops.rehearsal.controllers.client import Api
from mlops.rehearsal.controllers.responder import Backend, Responder
from mlops.rehearsal.controllers.table import Controller
from mlops.rehearsal.controllers.webhook_backend import WebhookBackend
from mlops.rehearsal.site.api import ApiError

AGAIN_SECONDS = 0.2
"""Pause before an act that failed is tried again."""
LONGEST_PAUSE_SECONDS = 10.0

log = logging.getLogger("mlops.rehearsal.controllers")


class Loop:
    """One look at the cluster per :meth:`turn`.

    Args:
        api: the cluster.
        responders: by port, answer for the webhooks that are ready.
        webhooks: webhook backends to play.
        controllers: controllers to play.
        seed: seed of the time a controller takes to start.
        delay_scale: factor on that time.
        pool: where they act, so that none waits for a slow write of another; one after the other when not given.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        api: Api,
        responders: Mapping[int, Responder],
        webhooks: Sequence[WebhookBackend],
        controllers: Sequence[Controller],
        *,
        seed: str = "",
        delay_scale: float = 1.0,
        pool: Executor | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api, self._responders = api, responders
        self._webhooks, self._controllers = webhooks, controllers
        self._clock, self._pool = clock, pool
        self._acting: dict[str, Future[None]] = {}
        self._delays = {entry.stands_in_for: entry.delay_seconds(seed, delay_scale) for entry in controllers}
        self._running_since: dict[str, float] = {}
        self._again_at: dict[str, float] = {}
        self._last_words: dict[str, str] = {}

    def turn(self) -> float:
        """Let every controller act that has something new to look at, and see which webhooks can answer.

        Returns:
            Seconds after which to turn again at the latest, if nothing changes meanwhile.
        """
        now = self._clock()
        pauses = [self._play(entry, now) for entry in self._controllers]
        self._attempt("responder", self._update_responders)
        return min(pauses, default=LONGEST_PAUSE_SECONDS)

    def _play(self, entry: Controller, now: float) -> float:
        """Let one act if it is time; gives the seconds until it may be."""
        name = entry.stands_in_for
        if not entry.runs(self._api):
            self._running_since.pop(name, None)
            self._again_at.pop(name, None)
            return LONGEST_PAUSE_SECONDS
        starts = self._running_since.setdefault(name, now) + self._delays[name]
        due = max(starts, self._again_at.get(name, 0.0))
        if now < due:
            return due - now
        acting = self._acting.get(name)
        if acting is not None and not acting.done():
            return AGAIN_SECONDS
        if name not in self._again_at and not self._api.changed(name):
            return LONGEST_PAUSE_SECONDS
        if self._pool is not None:
            self._acting[name] = self._pool.submit(self._act, entry)
            return AGAIN_SECONDS
        self._act(entry)
        return AGAIN_SECONDS if name in self._again_at else LONGEST_PAUSE_SECONDS

    def _act(self, entry: Controller) -> None:
        name = entry.stands_in_for
        self._api.note_reads()
        if self._attempt(name, partial(entry.act, self._api)):
            self._again_at.pop(name, None)
            self._api.acted(name)
        else:
            self._again_at[name] = self._clock() + AGAIN_SECONDS

    def _update_responders(self) -> None:
        backends: dict[int, dict[str, Backend]] = {port: {} for port in self._responders}
        for webhook in self._webhooks:
            backend = webhook.backend()
            address = webhook.address(self._api) if backend else None
            if address and backend:
                backends[webhook.entry.port][address] = backend
        kubernetes = self._api.get("/api/v1/namespaces/default/services/kubernetes")
        relayed = frozenset({kubernetes["spec"]["clusterIP"]} if kubernetes else ())
        for port, responder in self._responders.items():
            if backends[port].keys() != responder.backends.keys():
                names = ", ".join(f"{backend.name} at {address}" for address, backend in backends[port].items())
                log.info("webhooks that answer at port %d: %s", port, names or "none")
            responder.backends, responder.relayed = backends[port], relayed

    def _attempt(self, name: str, work: Callable[[], None]) -> bool:
        """Do some work; what fails is tried again, and said once. Gives whether it went well."""
        try:
            work()
        except (ApiError, OSError) as error:  # conflicts, a namespace that goes away, an API server that restarts
            self._say(name, str(error))
            return False
        except Exception as error:  # noqa: BLE001 - one stand-in's bug must not end the others
            self._say(name, "".join(traceback.format_exception(error)))
            return False
        self._last_words.pop(name, None)
        return True

    def _say(self, name: str, words: str) -> None:
        if self._last_words.get(name) != words:
            log.warning("%s: %s", name, words)
        self._last_words[name] = words
