"""kwok stands in for the kubelets: the stages of its nodes and pods, with start delays that are the same in every run."""

from __future__ import annotations

import json
from typing import Any

import yaml

# A pod's start delay, before scaling: what pulling and starting an image takes on a quick local registry.
SHORTEST_MS = 2_000
LONGEST_MS = 20_000
# An annotation on a pod that sets its delay, e.g. "1500ms".
DELAY_ANNOTATION = "rehearsal.onprem-mlops/start-delay"
# Says of a pod that the volumes and values it names are there: a kubelet sees for itself, here a stand-in looks and writes it.
VOLUMES_ANNOTATION = "rehearsal.onprem-mlops/volumes"
# "later" on a pod that runs before it is Ready, "now" once it is.
READY_ANNOTATION = "rehearsal.onprem-mlops/ready"
# "down" on a node whose kubelet does not run: kwok leaves it alone, so that it stays what the site has made of it.
KUBELET_ANNOTATION = "rehearsal.onprem-mlops/kubelet"
# How long a Job's pod runs.
JOB_MS = 1_000

_MODULUS = 2**31 - 1

_NODE_CONDITIONS = """\
{{ $now := Now }}
conditions:
{{ range NodeConditions }}
- lastHeartbeatTime: {{ $now | Quote }}
  lastTransitionTime: {{ or $.metadata.creationTimestamp $now | Quote }}
  message: {{ .message | Quote }}
  reason: {{ .reason | Quote }}
  status: {{ .status | Quote }}
  type: {{ .type | Quote }}
{{ end }}
phase: Running
"""

_POD_RUNNING = """\
{{ $now := Now }}
phase: Running
startTime: {{ $now | Quote }}
conditions:
{{ $ready := "True" }}
{{ if eq (or (index (or .metadata.annotations (dict)) "READY_ANNOTATION") "") "later" }}{{ $ready = "False" }}{{ end }}
{{ range $type := list "PodReadyToStartContainers" "Initialized" }}
- {type: {{ $type }}, status: "True", lastTransitionTime: {{ $now | Quote }}}
{{ end }}
{{ range $type := list "ContainersReady" "Ready" }}
- {type: {{ $type }}, status: {{ $ready | Quote }}, lastTransitionTime: {{ $now | Quote }}}
{{ end }}
{{ range .spec.readinessGates }}
- {type: {{ .conditionType | Quote }}, status: "True", lastTransitionTime: {{ $now | Quote }}}
{{ end }}
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  imageID: ""
  ready: true
  started: true
  restartCount: 0
  state: {running: {startedAt: {{ $now | Quote }}}}
{{ end }}
{{ if .spec.initContainers }}
initContainerStatuses:
{{ range .spec.initContainers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  imageID: ""
  ready: true
  restartCount: 0
  {{ if eq (or .restartPolicy "") "Always" }}
  started: true
  state: {running: {startedAt: {{ $now | Quote }}}}
  {{ else }}
  started: false
  state: {terminated: {exitCode: 0, reason: Completed, startedAt: {{ $now | Quote }}, finishedAt: {{ $now | Quote }}}}
  {{ end }}
{{ end }}
{{ end }}
{{ with NodeIPsWith .spec.nodeName }}
hostIP: {{ index . 0 | Quote }}
hostIPs: [{ip: {{ index . 0 | Quote }}}]
{{ end }}
{{ $host := or .spec.hostNetwork false }}
{{ with PodIPsWith .spec.nodeName $host (or .metadata.uid "") (or .metadata.name "") (or .metadata.namespace "") }}
podIP: {{ index . 0 | Quote }}
podIPs: [{ip: {{ index . 0 | Quote }}}]
{{ end }}
""".replace("READY_ANNOTATION", READY_ANNOTATION)

_POD_READY = """\
{{ $now := Now }}
conditions:
{{ range $type := list "ContainersReady" "Ready" }}
- {type: {{ $type }}, status: "True", lastTransitionTime: {{ $now | Quote }}}
{{ end }}
"""

# Whether a pod names something that has to be there before its containers start, and nobody has looked yet. Every pod mounts
# kube-root-ca.crt, which the controller-manager makes with the namespace.
_WAITS = f"""\
if .metadata.annotations["{VOLUMES_ANNOTATION}"] == null and ([
  (.spec.volumes // [])[] | (., (.projected.sources // [])[]) | (.secret, .configMap)
  | select(. != null) | select((.optional | not) and .name != "kube-root-ca.crt")
] + [
  ((.spec.containers // []) + (.spec.initContainers // []))[]
  | (((.env // [])[] | .valueFrom | select(. != null) | (.secretKeyRef, .configMapKeyRef)),
     ((.envFrom // [])[] | (.secretRef, .configMapRef)))
  | select(. != null) | select(.optional | not)
] | length > 0) then "waits" else "starts" end"""

_POD_COMPLETE = """\
{{ $now := Now }}
phase: Succeeded
conditions:
{{ range $type := list "ContainersReady" "Ready" }}
- {type: {{ $type }}, status: "False", reason: PodCompleted, lastTransitionTime: {{ $now | Quote }}}
{{ end }}
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  imageID: ""
  ready: false
  started: false
  restartCount: 0
  state: {terminated: {exitCode: 0, reason: Completed, startedAt: {{ $now | Quote }}, finishedAt: {{ $now | Quote }}}}
{{ end }}
"""


def configuration(*, seed: str, delay_scale: float) -> str:
    """The configuration file of kwok: its options and all stages, YAML documents."""
    documents = [
        {
            "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
            "kind": "KwokConfiguration",
            "metadata": {"name": "rehearsal"},
            "options": {
                "manageAllNodes": True,
                # without these three kwok exits when it gets a configuration of one's own
                "nodeLeaseParallelism": 4,
                "podPlayStageParallelism": 4,
                "nodePlayStageParallelism": 4,
                "nodeLeaseDurationSeconds": 40,
            },
        },
        _stage("node-initialize", "Node", [_ready("NotIn"), _kubelet_runs()], {"statusTemplate": _NODE_CONDITIONS}),
        _stage(
            "node-heartbeat",
            "Node",
            [_ready("In"), _kubelet_runs()],
            {"statusTemplate": _NODE_CONDITIONS},
            delay={"durationMilliseconds": 300_000},
        ),
        _stage(
            "pod-ready",
            "Pod",
            [
                _gone(deleted=False),
                _phase("Pending"),
                _ready("NotIn"),
                {"key": _WAITS, "operator": "In", "values": ["starts"]},
            ],
            {"statusTemplate": _POD_RUNNING},
            delay={"durationMilliseconds": 0, "durationFrom": {"expressionFrom": delay_expression(seed, delay_scale)}},
        ),
        _stage(
            "pod-ready-later",
            "Pod",
            [
                _gone(deleted=False),
                _phase("Running"),
                _ready("NotIn"),
                {"key": f".metadata.annotations[{json.dumps(READY_ANNOTATION)}]", "operator": "In", "values": ["now"]},
            ],
            {"statusTemplate": _POD_READY},
        ),
        _stage(
            "pod-complete",
            "Pod",
            [
                _gone(deleted=False),
                _phase("Running"),
                {"key": ".spec.restartPolicy", "operator": "In", "values": ["Never", "OnFailure"]},
            ],
            {"statusTemplate": _POD_COMPLETE},
            delay={"durationMilliseconds": int(JOB_MS * delay_scale)},
        ),
        _stage("pod-delete", "Pod", [_gone(deleted=True)], {"finalizers": {"empty": True}, "delete": True}),
    ]
    return yaml.safe_dump_all(documents, sort_keys=False, width=1000)


def delay_expression(seed: str, scale: float) -> str:
    """The jq expression that gives a pod's start delay; :func:`start_delay_seconds` gives the same.

    A hash of seed, namespace and owner (a pod's own name is random), so that the same workload starts equally late in every
    run: kwok's own jitter comes from a generator that cannot be seeded. Of a ReplicaSet's name the last part is left out, which
    is made from the pod template.
    """
    low, span = _range(scale)
    name = '(if .kind == "ReplicaSet" then (.name | split("-")[:-1] | join("-")) else .name end)'
    owner = f'(((.metadata.ownerReferences // [])[0] // empty | {name}) // .metadata.generateName // .metadata.name // "")'
    text = f'({json.dumps(seed + "/")} + (.metadata.namespace // "") + "/" + {owner})'
    step = f"reduce explode[] as $c (7; (. * 1103515 + $c * 12345 + 1013) % {_MODULUS})"
    mixed = f"((. * 48271) % {_MODULUS})"
    hashed = f'(({text} | {step} | {mixed} | . % {span} + {low} | tostring) + "ms")'
    return f"(.metadata.annotations[{json.dumps(DELAY_ANNOTATION)}] // {hashed})"


def start_delay_seconds(seed: str, namespace: str, owner_kind: str, owner_name: str, scale: float) -> float:
    """How long a workload's pods take to start once their volumes are there, as kwok plays it.

    Args:
        seed: seed of the site.
        namespace: namespace of the workload.
        owner_kind: kind of the workload, or of what owns its pods (``ReplicaSet``).
        owner_name: its name.
        scale: factor on the delays.
    """
    low, span = _range(scale)
    name = owner_name.rpartition("-")[0] if owner_kind == "ReplicaSet" else owner_name
    return (spread(f"{seed}/{namespace}/{name}") % span + low) / 1000


def spread(text: str) -> int:
    """A hash of a text that kwok's jq can work out as well.

    A linear congruential step per code point, then one mixing round, because similar names would otherwise lie close together.
    """
    state = 7
    for character in text:
        state = (state * 1103515 + ord(character) * 12345 + 1013) % _MODULUS
    return state * 48271 % _MODULUS


def _range(scale: float) -> tuple[int, int]:
    """Shortest delay and width of the range of delays, milliseconds."""
    return int(SHORTEST_MS * scale), max(int((LONGEST_MS - SHORTEST_MS) * scale), 1)


def _stage(
    name: str, kind: str, match: list[dict[str, Any]], following: dict[str, Any], *, delay: dict[str, Any] | None = None
) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "resourceRef": {"apiGroup": "v1", "kind": kind},
        "selector": {"matchExpressions": match},
        "next": following,
    }
    if delay:
        spec["delay"] = delay
    return {"apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "Stage", "metadata": {"name": name}, "spec": spec}


def _ready(operator: str) -> dict[str, Any]:
    return {"key": '.status.conditions.[] | select( .type == "Ready" ) | .status', "operator": operator, "values": ["True"]}


def _kubelet_runs() -> dict[str, Any]:
    return {"key": f".metadata.annotations[{json.dumps(KUBELET_ANNOTATION)}]", "operator": "NotIn", "values": ["down"]}


def _phase(phase: str) -> dict[str, Any]:
    return {"key": ".status.phase", "operator": "In", "values": [phase]}


def _gone(*, deleted: bool) -> dict[str, Any]:
    return {"key": ".metadata.deletionTimestamp", "operator": "Exists" if deleted else "DoesNotExist"}
