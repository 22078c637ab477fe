"""The peer that this project replaces, on the same cluster: ``kubectl apply`` in a loop until it stops failing.

That is how the community distribution of Kubeflow is installed (its README: ``while ! kustomize build example | kubectl apply
--server-side --force-conflicts -f -; do ... sleep 20; done``).
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlops.ordering import KubeObject
from mlops.rehearsal.run.audit import parse

PAUSE_SECONDS = 20.0
"""What upstream's README sleeps between two attempts."""
MOST_ATTEMPTS = 15
_GUARDED = {
    "apiVersion": "cert-manager.io/v1",
    "kind": "ClusterIssuer",
    "metadata": {"name": "peer"},
    "spec": {"selfSigned": {}},
}
"""As the component's own issuer: an object that cert-manager's webhook looks at."""


@dataclass(frozen=True, kw_only=True)
class PeerResult:
    """What the loop needed.

    Attributes:
        attempts: how often everything was applied.
        seconds: until everything had been accepted, pauses included.
        refused: writes that the API server refused meanwhile.
        accepted: whether the last attempt was accepted whole.
    """

    attempts: int
    seconds: float
    refused: int
    accepted: bool


def kubectl_loop(objects: Sequence[KubeObject], *, kubectl: Path, kubeconfig: Path, audit_log: Path) -> PeerResult:
    """Applies the objects and one guarded object until kubectl ends with 0, then deletes them.

    Args:
        objects: a bundle's objects, in the order in which kustomize gives them.
        kubectl: the program.
        kubeconfig: access to the cluster.
        audit_log: the API server's.
    """
    manifest = json.dumps({"apiVersion": "v1", "kind": "List", "items": [*(dict(item.body) for item in objects), _GUARDED]})
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}

    def run(*arguments: str) -> int:
        return subprocess.run(
            [kubectl, *arguments, "-f", "-"], input=manifest, env=environment, text=True, capture_output=True, check=False
        ).returncode

    before = audit_log.stat().st_size
    started = time.monotonic()
    attempts, accepted = 0, False
    while not accepted and attempts < MOST_ATTEMPTS:
        if attempts:
            time.sleep(PAUSE_SECONDS)  # the peer's own way, measured as it is
        attempts += 1
        accepted = run("apply", "--server-side", "--force-conflicts") == 0
    seconds = time.monotonic() - started
    with audit_log.open(encoding="utf-8") as log:
        log.seek(before)
        refused = sum(write.refused and not write.dry_run and write.agent.startswith("kubectl/") for write in parse(log))
    run("delete", "--ignore-not-found", "--wait=true")
    return PeerResult(attempts=attempts, seconds=seconds, refused=refused, accepted=accepted)
