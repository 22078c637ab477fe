"""kubectl with a kubeconfig that no other process can read: neither on a command line nor in a file with a name."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from mlops.folders import cache_folder
from mlops.objectset.kinds import DEFINITION, MEMBERS, identity, identity_of, reference

FIELD_MANAGER = "onprem-mlops"
"""Name under which the cluster keeps what we have set. The Kubernetes provider's own is random for each resource and remembered in
the state: when a run is killed while it creates an object, the next run finds that object in the hands of a manager that it has
never heard of, and the API server refuses with a conflict."""
LARGE_BYTES = 256 * 1024
"""Size of a CRD from which on its set queues up with others like it; of Kubeflow's 79 eight are larger."""
GRACE_SECONDS = 5
"""More than kubectl is given: its own message tells more than that of a killed process."""
_POLL_SECONDS = 0.2
_PINS = Path(__file__).parents[1] / "tools" / "pins.yaml"
_DEFINITIONS = "customresourcedefinitions.apiextensions.k8s.io"


@cache
def pinned_kubectl() -> Path:
    """The program; looked for once, and laid down where the steps of the same pins find it.

    Raises:
        UserError: it cannot be had.
    """
    # What looks for programs takes longer to import than the rest of a step; there are dozens of steps in a deployment.
    from mlops.tools import tool  # noqa: PLC0415 - only where it has to be looked for

    path = tool("kubectl")
    link, fresh = _laid_down(), _laid_down().with_suffix(f".{os.getpid()}")
    with suppress(OSError):  # steps look for it themselves, which takes longer
        link.parent.mkdir(parents=True, exist_ok=True)
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(path)
        fresh.replace(link)
    return path


def laid_down_kubectl() -> Path:
    """The program as :func:`pinned_kubectl` has laid it down; looked for where it has not.

    Raises:
        UserError: it cannot be had.
    """
    link = _laid_down()
    return link if os.access(link, os.X_OK) else pinned_kubectl()


def _laid_down() -> Path:
    # a home folder can be shared by machines
    digest = hashlib.sha256(_PINS.read_bytes() + os.uname().machine.encode()).hexdigest()
    return cache_folder() / "programs" / digest[:16] / "kubectl"


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
    program: Callable[[], Path] = laid_down_kubectl

    def apply(self, bodies: Sequence[Mapping[str, Any]]) -> None:
        """Applies objects on the server's side, once, and waits until CRDs among them are established.

        Fields that another manager holds are not taken from it: what is sent leaves out those that controllers own, so a conflict
        means that somebody else has deployed the object.

        Raises:
            KubectlError: refused, or not established before the deadline.
        """
        definitions = [f"{_DEFINITIONS}/{body['metadata']['name']}" for body in bodies if body["kind"] == DEFINITION]
        large = any(len(json.dumps(body)) > LARGE_BYTES for body in bodies if body["kind"] == DEFINITION)
        with self._one_at_a_time() if large else nullcontext():
            # The server refuses unknown fields by itself; the check that is left out here would make it put the schemas of all
            # kinds together, once for each set (20 s of its time for the CRDs of the whole of Kubeflow).
            self._patiently(
                ["apply", "--server-side", f"--field-manager={FIELD_MANAGER}", "--validate=ignore", "--filename=-"], _list(bodies)
            )
        if definitions:
            self._patiently(["wait", "--for=condition=Established", f"--timeout={self._left():.0f}s", *definitions])

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

    def live(self, named: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Those objects that the cluster has, of the given identities."""
        arguments = ["get", "--ignore-not-found", "--output=json", "--filename=-"]
        document = json.loads(self._run(arguments, _list(map(reference, named))).strip() or "{}") if named else {}
        # of a single one kubectl prints the object itself
        found = document.get("items", [document] if document else [])
        return {identity(body): body for body in found}

    def labelled(self, selector: str) -> list[str]:
        """Identities of the members of sets by a selector of labels, e.g. ``key=value`` or ``key in (one,other)``."""
        kinds = ",".join(f"{kind.resource}.{kind.group}" if kind.group else kind.resource for kind in MEMBERS.values())
        shown = '{range .items[*]}{.kind}{"\\t"}{.metadata.namespace}{"\\t"}{.metadata.name}{"\\n"}{end}'
        output = self._run(["get", kinds, "--all-namespaces", f"--selector={selector}", f"--output=jsonpath={shown}"])
        return [identity_of(*line.split("\t")) for line in output.splitlines()]

    def remove(self, named: Sequence[str]) -> None:
        """Deletes objects, of a CRD all objects of its kind with it, and waits until they are gone.

        Raises:
            KubectlError: refused, or not gone before the deadline.
        """
        if named:
            arguments = ["delete", "--ignore-not-found", "--wait", f"--timeout={self._left():.0f}s", "--filename=-"]
            self._run(arguments, _list(map(reference, named)))

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

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        """Sets of large CRDs queue up: ten side by side got the largest past the API server's time for one write (34 s)."""
        lock = cache_folder() / "locks" / f"definitions-{hashlib.sha256(self.kubeconfig.encode()).hexdigest()[:16]}"
        lock.parent.mkdir(parents=True, exist_ok=True)
        with lock.open("w") as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > self.deadline:
                        message = "kubectl apply: other sets of large CRDs were not done before the deadline"
                        raise KubectlError(message) from None
                    time.sleep(_POLL_SECONDS)
            yield

    def _left(self) -> float:
        return max(self.deadline - time.monotonic(), 1.0)

    def _run(self, arguments: Sequence[str], stdin: str = "") -> str:
        with _unnamed(self.kubeconfig) as (path, descriptors):
            access = [f"--kubeconfig={path}", f"--cache-dir={cache_folder() / 'kubectl'}"]
            access += [f"--context={self.context}"] if self.context else []
            try:
                done = subprocess.run(
                    [self.program(), *access, *arguments],
                    input=stdin,
                    text=True,
                    capture_output=True,
                    check=False,
                    pass_fds=descriptors,
                    # a user's preferences (kuberc) could ask before deleting, or take fields from others
                    env={**os.environ, "KUBERC": "off"},
                    timeout=self._left() + GRACE_SECONDS,
                )
            except subprocess.TimeoutExpired:
                message = f"kubectl {arguments[0]}: no answer before the deadline"
                raise KubectlError(message) from None
        if done.returncode != 0:
            raise KubectlError(f"kubectl {arguments[0]}: {done.stderr.strip()}")
        return done.stdout


def _list(bodies: Iterable[Mapping[str, Any]]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(bodies)})


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
