"""The questions behind an object's needs, and how they are asked until they are answered well or the deadline has passed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from components.gates.answer import PASSED, Answer, judge
from components.gates.api import Api
from components.gates.failure import GateBefore, describe_failure
from components.gates.needs import Needs
from mlops.ordering import CaBundlePresent, from_body
from mlops.ordering.view import workload

POLL_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class Question:
    """One thing that must hold.

    Attributes:
        gates: what it proves, for the error text.
        ask: asks the API server once.
        needed: how often in a row it must hold.
    """

    gates: tuple[GateBefore, ...]
    ask: Callable[[Api], Answer]
    needed: int = 1


class GateError(Exception):
    """A gate did not open before its deadline, or the object is refused."""


def questions(needs: Needs, body: Mapping[str, Any]) -> Iterator[Question]:
    """The questions of an object, in the order in which they make sense.

    Args:
        needs: from the graph.
        body: the object as it will be written.
    """
    if needs.namespace:
        yield Question(gates=(needs.namespace,), ask=partial(_namespace, needs.namespace.namespace))
    for bundle in needs.bundles:
        yield Question(gates=(bundle,), ask=partial(_bundle, bundle))
    if needs.webhooks:
        yield Question(gates=needs.webhooks, ask=partial(_dry_run, needs.path.collection, body), needed=needs.successes)
    template = workload(from_body(body)) if needs.pods else None
    if needs.pods and template:
        pod = template.as_pod.body
        yield Question(gates=needs.pod_webhooks, ask=partial(_dry_run, needs.pods.collection, pod), needed=needs.successes)


async def prove(api: Api, needs: Needs, body: Mapping[str, Any], *, deadline_seconds: float) -> None:
    """Asks all questions of an object until each is answered well.

    Args:
        api: who is asked.
        needs: from the graph.
        body: the object as it will be written.
        deadline_seconds: for all of them together.

    Raises:
        GateError: the deadline has passed, or asking again would not help.
    """
    started = time.monotonic()
    for question in questions(needs, body):
        row = 0
        while row < question.needed:
            answer = await asyncio.to_thread(question.ask, api)
            row = row + 1 if answer.passed else 0
            waited = time.monotonic() - started
            if answer.final or (not answer.passed and waited > deadline_seconds):
                told = partial(describe_failure, webhooks=(*needs.webhooks, *needs.pod_webhooks))
                text = await asyncio.to_thread(told, api, needs.at, question.gates, answer, waited)
                raise GateError(text)
            if not answer.passed:
                await asyncio.sleep(POLL_SECONDS)


def _namespace(name: str, api: Api) -> Answer:
    reply = api.get(f"/api/v1/namespaces/{name}")
    phase = (reply.body.get("status") or {}).get("phase")
    if reply.ok and phase == "Active":
        return PASSED
    if reply.ok:
        return Answer(passed=False, cause="namespace ends", text=f"namespace {name} is {phase}")
    if reply.status == 404:
        return Answer(passed=False, cause="no namespace", text=reply.message)
    return judge(reply)


def _bundle(gate: CaBundlePresent, api: Api) -> Answer:
    ref = gate.configuration
    reply = api.get(f"/apis/admissionregistration.k8s.io/v1/{ref.kind.lower()}s/{ref.name}")
    if not reply.ok:
        found = judge(reply)
        return Answer(
            passed=False, final=found.final, cause="no configuration" if reply.status == 404 else found.cause, text=found.text
        )
    empty = [
        webhook["name"]
        for webhook in reply.body.get("webhooks") or ()
        if webhook["name"] in gate.webhooks and not webhook["clientConfig"].get("caBundle")
    ]
    return Answer(passed=False, cause="no CA", text=f"no caBundle in {', '.join(empty)}") if empty else PASSED


def _dry_run(collection: str, body: Mapping[str, Any], api: Api) -> Answer:
    return judge(api.dry_run(collection, body))
