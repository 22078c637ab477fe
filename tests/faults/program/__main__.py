"""The platform's own program on its hosts and its cluster, with nothing put into that, so that a case costs seconds.

CHECKOUT names the folder of the program.
"""

import os
import runpy
from pathlib import Path

import components.bundle
import components.certificates
from components.outputs import LayerOutputs


class NothingAbove:
    """Stands in for the layers whose objects go into the cluster."""

    def __init__(self, *_: object) -> None:
        self.outputs = LayerOutputs()

    def register(self) -> None:
        """Nothing."""


components.bundle.ClusterObjects = NothingAbove  # type: ignore[assignment, misc]  # a stand-in, before the program imports it
components.certificates.CertManager = NothingAbove  # type: ignore[assignment, misc]  # likewise
runpy.run_path(str(Path(os.environ["CHECKOUT"]) / "__main__.py"), run_name="__main__")
