"""Gate "the webhook answers": a resource hook that proves it by a server-side dry-run of the very object that it guards.

Why a hook and not a retry: the write itself is never repeated. The dry-run is a question; it stores nothing (the webhooks asked
must be free of side effects on a dry-run, which the API server enforces), it has a deadline, and its last answer is the error text.
Why not the readiness of the pods: a pod is Ready before its endpoint, its certificate and its caBundle are (docs/decisions/0006).
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import yaml
from kubernetes import client as kube
from kubernetes.config import new_client_from_config_dict
from urllib3.exceptions import HTTPError

from mlops.ordering import RestPath, WebhookAnswers

POLL_SECONDS = 0.5
REQUEST_TIMEOUT_SECONDS = 15
FIELD_MANAGER = "onprem-mlops-gate"
"""Name under which a gate's dry-runs stand in the audit log."""

_CAUSES = (
    ("x509", re.compile(r"x509|certificate signed by unknown authority|tls: ")),
    ("no service", re.compile(r'service "[^"]+" not found')),
    ("no endpoint", re.compile(r"no endpoints available")),
    ("refused", re.compile(r"connection refused|connection reset|EOF|no route to host")),
    ("no answer", re.compile(r"deadline exceeded|timeout|timed out")),
)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one dry-run told.

    Attributes:
        passed: the webhooks answered and let the object pass.
        final: asking again would not help: the object itself is refused.
        cause: class of the cause, e.g. ``no endpoint`` or ``denied``; empty when passed.
        text: what the API server said.
    """

    passed: bool
    final: bool = False
    cause: str = ""
    text: str = ""


def judge(status: int, message: str, reason: str) -> Answer:
    """Reads the API server's answer to a dry-run.

    Args:
        status: HTTP status.
        message: ``message`` of the Status object.
        reason: ``reason`` of the Status object.
    """
    if status < 300 or reason == "AlreadyExists":
        # AlreadyExists comes from the storage, which is asked after all admission
        return Answer(passed=True)
    if "denied the request" in message:
        return Answer(passed=False, final=True, cause="denied", text=message)
    if "failed calling webhook" in message or "failed to call webhook" in message:
        cause = next((name for name, pattern in _CAUSES if pattern.search(message)), "failed")
        return Answer(passed=False, cause=cause, text=message)
    if status == 404:
        return Answer(passed=False, cause="no CRD or namespace", text=message)
    # Too many requests and server errors may pass; anything else is about the object or the rights of the one who asks.
    return Answer(passed=False, final=status not in {429, 500, 503, 504}, cause=reason or str(status), text=message)


def ask(api: kube.ApiClient, path: RestPath, body: Mapping[str, Any]) -> Answer:
    """One server-side dry-run of creating the object."""
    try:
        api.call_api(
            path.collection,
            "POST",
            query_params=[("dryRun", "All"), ("fieldManager", FIELD_MANAGER)],
            header_params={"Content-Type": "application/json", "Accept": "application/json"},
            body=body,
            auth_settings=["BearerToken"],
            response_type="object",
            _request_timeout=REQUEST_TIMEOUT_SECONDS,
        )
    except kube.ApiException as error:
        status = yaml.safe_load(error.body) if error.body else {}
        known = status if isinstance(status, dict) else {}
        return judge(error.status or 0, str(known.get("message", error.reason)), str(known.get("reason", "")))
    except (HTTPError, OSError) as error:
        return Answer(passed=False, cause="API server not reached", text=str(error))
    return Answer(passed=True)


def describe_failure(gate: WebhookAnswers, answer: Answer, waited_seconds: float) -> str:
    """The error text: object, webhook, what stands behind it, cause, what to do."""
    behind = ", ".join(map(str, gate.workloads)) or "nothing that this platform deploys"
    return (
        f"{gate.at} cannot be written: {gate.configuration} ({', '.join(gate.webhooks)}) "
        f"{'refuses it' if answer.final else f'did not answer within {waited_seconds:.0f} s'}\n"
        f"  cause:   {answer.cause}: {answer.text}\n"
        f"  behind:  {gate.service or 'a URL outside the cluster'}, served by {behind}\n"
        f"  allowed: the webhook answers a dry-run of the object and lets it pass\n"
        f"  mend:    "
        + (
            "mend the object as the message says"
            if answer.final
            else "kubectl get pods,endpointslices and the log of the workload tell why; then run pulumi up again"
        )
    )


class GateError(Exception):
    """A gate did not open before its deadline, or the webhook refuses the object."""


async def prove(
    kubeconfig: str,
    context: str | None,
    gate: WebhookAnswers,
    path: RestPath,
    body: Mapping[str, Any],
    *,
    needed: int,
    deadline: float,
) -> None:
    """Asks until the webhooks have answered ``needed`` times in a row (one per replica behind the Service, since each may differ).

    Args:
        kubeconfig: YAML text.
        context: its context, None for the current one.
        gate: for the error text.
        path: where the object goes.
        body: the object.
        needed: successes in a row.
        deadline: seconds.

    Raises:
        GateError: the deadline passed, or asking again would not help.
    """
    api = new_client_from_config_dict(yaml.safe_load(kubeconfig), context=context, persist_config=False)
    started, row = time.monotonic(), 0
    while row < needed:
        answer = await asyncio.to_thread(ask, api, path, body)
        row = row + 1 if answer.passed else 0
        waited = time.monotonic() - started
        if answer.final or (not answer.passed and waited > deadline):
            raise GateError(describe_failure(gate, answer, waited))
        if not answer.passed:
            await asyncio.sleep(POLL_SECONDS)


def webhook_gate(
    name: str,
    gate: WebhookAnswers,
    path: RestPath,
    *,
    kubeconfig: pulumi.Output[str],
    context: str | None,
    needed: int,
    deadline: float,
) -> pulumi.ResourceHook:
    """The hook that holds a guarded object back until the gate is open; attach it before create and before update.

    Args:
        name: unique name of the hook.
        gate: from the graph.
        path: where the object goes.
        kubeconfig: access to the cluster.
        context: its context, None for the current one.
        needed: successes in a row.
        deadline: seconds to wait at most.
    """

    async def hook(args: pulumi.ResourceHookArgs) -> None:
        known = await kubeconfig.future()
        if known is None:
            message = f"{gate.at}: the kubeconfig is not known when the gate is asked"
            raise GateError(message)
        await prove(known, context, gate, path, args.new_inputs or {}, needed=needed, deadline=deadline)

    return pulumi.ResourceHook(name, hook)
