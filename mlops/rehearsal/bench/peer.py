"""Other ways to install the same objects: ``kubectl apply`` until it stops failing.

That is how the community distribution of Kubeflow is installed (its README: ``while ! kustomize build example | kubectl apply
--server-side --force-conflicts -f -; do ... sleep 20; done``). The objects come in the order that the peer gives them.
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

PAUSE_SECONDS = 20.0
"""What upstream's README sleeps between two attempts."""
MOST_ATTEMPTS = 30
_UNKNOWN_KIND = "no matches for kind"


@dataclass(frozen=True, kw_only=True)
class Applied:
    """What the loop needed.

    Attributes:
        attempts: how often everything was applied.
        seconds: until everything had been accepted, pauses included.
        accepted: whether the last attempt was accepted whole.
        unknown: objects that kubectl itself refused, because their kind was not there yet: no request, so no refused write.
    """

    attempts: int
    seconds: float
    accepted: bool
    unknown: int


def apply_until_accepted(sets: Sequence[Sequence[KubeObject]], *, kubectl: Path, kubeconfig: Path, folder: Path) -> Applied:
    """Applies sets of objects one after the other, all of them again after a pause, until kubectl ends with 0 for each.

    Rendering is not counted: kustomize takes most of a minute for the whole of Kubeflow, in every attempt.

    Args:
        sets: the objects, each set in its order.
        kubectl: the program.
        kubeconfig: the deployer's access to the cluster.
        folder: an empty folder, for the manifests, the log and kubectl's cache.
    """
    files = [folder / f"set-{number}.json" for number in range(len(sets))]
    for file, objects in zip(files, sets, strict=True):
        items = [dict(item.body) for item in objects]
        file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}), encoding="utf-8")
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "HOME": str(folder)}
    started = time.monotonic()
    attempts, accepted = 0, False
    log = folder / "kubectl.log"
    with log.open("w", encoding="utf-8") as out:
        while not accepted and attempts < MOST_ATTEMPTS:
            if attempts:
                time.sleep(PAUSE_SECONDS)  # the peer's own way, measured as it is
            attempts += 1
            command = [str(kubectl), "apply", "--server-side", "--force-conflicts", "-f"]
            done = [subprocess.run([*command, str(file)], env=environment, stdout=out, stderr=out, check=False) for file in files]
            accepted = all(process.returncode == 0 for process in done)
        seconds = time.monotonic() - started
    unknown = log.read_text(encoding="utf-8").count(_UNKNOWN_KIND)
    return Applied(attempts=attempts, seconds=seconds, accepted=accepted, unknown=unknown)
