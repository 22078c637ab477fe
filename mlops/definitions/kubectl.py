"""kubectl with a kubeconfig that no other process can read: neither on a command line nor in a file with a name."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from mlops.tools import tool
from mlops.tools.cache import Cache

FIELD_MANAGER = "onprem-mlops"
"""Name under which the cluster keeps what we have set. The Kubernetes provider's own is random for each resource and remembered in
the state: when a run is killed while it creates an object, the next run finds that object in the hands of a manager that it has
never heard of, and the API server refuses with a conflict."""
GRACE_SECONDS = 5
"""More than kubectl is given: its own message tells more than that of a killed process."""
KIND = "customresourcedefinitions.apiextensions.k8s.io"


@cache
def pinned_kubectl() -> Path:
    """The program; looked for once.

    Raises:
        UserError: it cannot be had.
    """
    return tool("kubectl")


_PUT_OFF = (
    # An API server that takes in many kinds at once is slow: each new one makes it put its schemas together again.
    "Error from server (Timeout)",
    "Error from server (TooManyRequests)",
    # kubectl wait: a CRD so new that its conditions are null, which kubectl takes for an error
    "<nil> is of the type <nil>",
)


class KubectlError(Exception):
    """kubectl failed or took too long; the text is its own."""


@dataclass(frozen=True, kw_only=True)
class Kubectl:
    """The pinned kubectl and the cluster that it talks to.

    Attributes:
        kubeconfig: YAML text.
        context: its context, None for the current one.
        deadline: when everything has to be done, on :func:`time.monotonic`'s clock.
        program: gives kubectl; called when it is run.
    """

    kubeconfig: str
    context: str | None
    deadline: float
    program: Callable[[], Path] = pinned_kubectl

    def apply(self, bodies: Sequence[Mapping[str, Any]]) -> None:
        """Applies CRDs on the server's side, once, and waits until they are established.

        Fields that another manager holds are not taken from it: what is sent leaves out those that controllers own, so a conflict
        means that somebody else has deployed the CRD.

        Raises:
            KubectlError: refused, or not established before the deadline.
        """
        # The server refuses unknown fields by itself; the check that is left out here would make it put the schemas of all kinds
        # together, once for each group of CRDs (20 s of its time for the whole of Kubeflow).
        document = {"apiVersion": "v1", "kind": "List", "items": list(bodies)}
        with _one_at_a_time():
            self._patiently(
                ["apply", "--server-side", f"--field-manager={FIELD_MANAGER}", "--validate=ignore", "--filename=-"],
                json.dumps(document),
            )
        names = [f"{KIND}/{body['metadata']['name']}" for body in bodies]
        self._patiently(["wait", "--for=condition=Established", f"--timeout={self._left():.0f}s", *names])

    def _patiently(self, arguments: Sequence[str], stdin: str = "") -> None:
        """Runs kubectl again when it was not refused but put off; only for what may be done twice.

        Raises:
            KubectlError: refused, or not done before the deadline.
        """
        while True:
            try:
                self._run(arguments, stdin)
            except KubectlError as error:
                if time.monotonic() > self.deadline or not any(known in str(error) for known in _PUT_OFF):
                    raise
            else:
                return

    def live(self, names: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Those CRDs of the given names that the cluster has."""
        answer = self._run(["get", KIND, "--ignore-not-found", "--output=json", *names]).strip() or "{}"
        document = json.loads(answer)
        # of a single name kubectl prints the object itself
        found = document.get("items", [document] if document else [])
        return {body["metadata"]["name"]: body for body in found}

    def labelled(self, label: str) -> list[str]:
        """Names of the CRDs with a label ``key=value``."""
        return [line.partition("/")[2] for line in self._run(["get", KIND, f"--selector={label}", "--output=name"]).split()]

    def delete(self, names: Sequence[str]) -> None:
        """Deletes CRDs, with all objects of their kinds, and waits until they are gone.

        Raises:
            KubectlError: refused, or not gone before the deadline.
        """
        if names:
            self._run(["delete", KIND, "--ignore-not-found", "--wait", f"--timeout={self._left():.0f}s", *names])

    def remove(self, objects: Sequence[str]) -> None:
        """Deletes single cluster-wide objects, e.g. ``ValidatingWebhookConfiguration/some``, and waits until they are gone.

        Raises:
            KubectlError: refused, or not gone before the deadline.
        """
        if objects:
            self._run(["delete", "--ignore-not-found", "--wait", f"--timeout={self._left():.0f}s", *objects])

    def with_objects(self, kinds: Sequence[str]) -> list[str]:
        """Those of the kinds (names of CRDs), in their order, that have objects anywhere."""
        names: dict[tuple[str, str], str] = {}
        for line in self._run(["api-resources", "--no-headers"]).splitlines():
            plural, *_, version, _, kind = line.split()
            group = version.rpartition("/")[0]
            if f"{plural}.{group}" in kinds:
                names[group, kind] = f"{plural}.{group}"
        if not names:
            return []
        shown = '{range .items[*]}{.apiVersion} {.kind}{"\\n"}{end}'
        lines = self._run(["get", ",".join(names.values()), "--all-namespaces", f"--output=jsonpath={shown}"]).splitlines()
        found = {(version.rpartition("/")[0], kind) for version, _, kind in (line.partition(" ") for line in lines)}
        return [kind for kind in kinds if kind in {names[key] for key in found if key in names}]

    def delete_all(self, kind: str) -> None:
        """Deletes all objects of a kind, in all namespaces, and waits until they are gone.

        Raises:
            KubectlError: refused, or not gone before the deadline.
        """
        self._run(["delete", kind, "--all", "--all-namespaces", "--ignore-not-found", "--wait", f"--timeout={self._left():.0f}s"])

    def _left(self) -> float:
        return max(self.deadline - time.monotonic(), 1.0)

    def _run(self, arguments: Sequence[str], stdin: str = "") -> str:
        with _unnamed(self.kubeconfig) as (path, descriptors):
            access = [f"--kubeconfig={path}", f"--cache-dir={Cache.of(os.environ).root / 'kubectl'}"]
            access += [f"--context={self.context}"] if self.context else []
            try:
                done = subprocess.run(
                    [self.program(), *access, *arguments],
                    input=stdin,
                    text=True,
                    capture_output=True,
                    check=False,
                    pass_fds=descriptors,
                    timeout=self._left() + GRACE_SECONDS,
                )
            except subprocess.TimeoutExpired:
                message = f"kubectl {arguments[0]}: no answer before the deadline"
                raise KubectlError(message) from None
        if done.returncode != 0:
            raise KubectlError(f"kubectl {arguments[0]}: {done.stderr.strip()}")
        return done.stdout


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Groups of CRDs queue up: ten side by side got each of the largest past the API server's time for one write (34 s)."""
    lock = Cache.of(os.environ).root / "locks" / "definitions"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _unnamed(text: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    """A file that only the holder of its descriptor can open, where the system has such; else one that only this user can read."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("kubeconfig")
        try:
            os.write(descriptor, text.encode())
            # kubectl reads it more than once, each time from the start: this path opens it anew
            yield f"/proc/self/fd/{descriptor}", (descriptor,)
        finally:
            os.close(descriptor)
    else:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            yield file.name, ()
