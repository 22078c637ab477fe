"""The text of a gate that did not open: object, webhook, rule, what stands behind it and how that is, cause, what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from components.gates.answer import Answer
from components.gates.api import Api
from mlops.ordering import CaBundlePresent, NamespaceMade, ObjectRef, WebhookAnswers

_APPS = "/apis/apps/v1"

GateBefore = NamespaceMade | CaBundlePresent | WebhookAnswers
"""What may have to hold before an object is written."""


def describe_failure(
    api: Api,
    at: ObjectRef,
    gates: Sequence[GateBefore],
    answer: Answer,
    waited_seconds: float,
    *,
    webhooks: Sequence[WebhookAnswers] = (),
) -> str:
    """The error text; asks the API server how the backends are.

    Args:
        api: who is asked.
        at: the object that cannot be written.
        gates: what was to be proved.
        answer: the last one.
        waited_seconds: since the first question.
        webhooks: all webhooks that look at the object: who is to put a CA into a configuration stands behind one of them.
    """
    told = [gate for gate in gates if _is_blamed(gate, answer)] or list(gates)
    how = "refuses" if answer.final else f"was not there within {waited_seconds:.0f} s"
    lines = [f"{at} cannot be written: {'; '.join(_needed(gate) for gate in told)} {how}"]
    lines += [f"  rule:    {gate.reason}" for gate in told]
    lines += [f"  cause:   {answer.cause}: {answer.text}"]
    configurations = {gate.configuration for gate in told if isinstance(gate, CaBundlePresent)}
    backends = [gate for gate in webhooks if gate in told or gate.configuration in configurations]
    lines += [f"  behind:  {line}" for gate in backends for line in _behind(api, gate)]
    lines += [
        "  allowed: the webhooks answer a dry-run of it and let it pass"
        if isinstance(told[0], WebhookAnswers)
        else "  allowed: it is there before the object is written"
    ]
    mend = "mend the object as the message says" if answer.final else "the log of the workload tells why; then run pulumi up again"
    return "\n".join([*lines, f"  mend:    {mend}"])


def _is_blamed(gate: GateBefore, answer: Answer) -> bool:
    """Whether the API server names one of its webhooks."""
    return isinstance(gate, WebhookAnswers) and any(f'"{name}"' in answer.text for name in gate.webhooks)


def _needed(gate: GateBefore) -> str:
    if isinstance(gate, NamespaceMade):
        return f"namespace {gate.namespace}, which {gate.at} brings into being,"
    if isinstance(gate, CaBundlePresent):
        return f"the CA in {gate.configuration} ({', '.join(gate.webhooks)})"
    what = "pods of it, asked of " if gate.probe == "its pods" else ""
    return f"{what}{gate.configuration} ({', '.join(gate.webhooks)})"


def _behind(api: Api, gate: WebhookAnswers) -> Iterator[str]:
    if gate.service is None:
        yield "a URL outside the cluster"
        return
    yield _service(api, gate.service)
    for ref in gate.workloads:
        yield _workload(api, ref)
    if not gate.workloads:
        yield "nothing that this platform deploys"


def _service(api: Api, ref: ObjectRef) -> str:
    reply = api.get(f"/api/v1/namespaces/{ref.namespace}/services/{ref.name}")
    if not reply.ok:
        return f"{ref}: {reply.message}"
    slices = api.get(
        f"/apis/discovery.k8s.io/v1/namespaces/{ref.namespace}/endpointslices?labelSelector=kubernetes.io/service-name={ref.name}"
    )
    endpoints = [endpoint for item in slices.body.get("items") or () for endpoint in item.get("endpoints") or ()]
    ready = sum(bool((endpoint.get("conditions") or {}).get("ready")) for endpoint in endpoints)
    return f"{ref}: {ready} of {len(endpoints)} endpoints ready"


def _workload(api: Api, ref: ObjectRef) -> str:
    reply = api.get(f"{_APPS}/namespaces/{ref.namespace}/{ref.kind.lower()}s/{ref.name}")
    if not reply.ok:
        return f"{ref}: {reply.message}"
    status = reply.body.get("status") or {}
    wanted = (reply.body.get("spec") or {}).get("replicas", status.get("desiredNumberScheduled"))
    ready = status.get("readyReplicas", status.get("numberReady", 0))
    conditions = [
        f"{condition['type']} {condition['status']}: {condition.get('message', '')}".rstrip(": ")
        for condition in status.get("conditions") or ()
    ]
    return f"{ref}: {ready} of {wanted} pods ready" + "".join(f"; {condition}" for condition in conditions)
