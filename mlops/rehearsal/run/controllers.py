"""Starts the stand-ins for controllers once the throw-away site's cluster exists, and ends them with the site."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from mlops.rehearsal.site.site import ThrowAwaySite

_POLL_SECONDS = 0.1


class StandInControllers:
    """A context manager around the process that stands in for controllers; it waits for the cluster by itself.

    Args:
        site: the throw-away site.
        log: file for what the process prints.
    """

    def __init__(self, site: ThrowAwaySite, log: Path) -> None:
        self._site = site
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._start_when_possible, name="stand-in controllers")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()
        if self._process is not None:
            self._process.terminate()
            self._process.wait()

    def _start_when_possible(self) -> None:
        kubeconfig = self._site.kubeconfig_path()
        while not kubeconfig.exists():
            if self._ended.wait(_POLL_SECONDS):
                return
        first = next(host for host in self._site.spec.hosts if host.control_plane)
        namespace = self._site.network_namespace(first.name)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    "nsenter",
                    f"--net={namespace}",
                    "--",
                    sys.executable,
                    "-m",
                    "mlops.rehearsal.controllers",
                    "--kubeconfig",
                    str(kubeconfig),
                    f"--seed={self._site.spec.seed}",
                    f"--delay-scale={self._site.spec.delay_scale}",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
