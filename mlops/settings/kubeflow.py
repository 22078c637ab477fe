"""Kubeflow: which of its parts are installed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, get_args

from pydantic import Field

from mlops.settings.section import Section

Part = Literal[
    "cluster-local-gateway",
    "katib",
    "knative-serving",
    "kserve",
    "kserve-models-web-app",
    "model-catalog",
    "model-registry",
    "notebooks",
    "pipelines",
    "spark-operator",
    "trainer",
    "user-namespace",
]
PARTS: tuple[Part, ...] = get_args(Part)
"""The parts that may be left out; each is the bundle of that name."""

NEEDS: Mapping[Part, tuple[Part, ...]] = {
    "knative-serving": ("cluster-local-gateway",),  # its config-istio names that gateway
    "kserve": ("knative-serving",),  # serverless is the mode that Kubeflow sets
    "kserve-models-web-app": ("kserve",),
    "model-registry": ("user-namespace",),  # upstream puts the registry into that namespace
}
"""Part to the parts that it does not work without."""


class Kubeflow(Section):
    """Kubeflow; its common services (Istio, Dex, oauth2-proxy, dashboard and profiles) are always there."""

    parts: tuple[Part, ...] = Field(default=PARTS, description="The parts that are installed; all of them when left out.")

    def lacking(self) -> Iterator[tuple[Part, Part]]:
        """Parts that are installed without one that they need, each with that one."""
        for part in self.parts:
            yield from ((part, needed) for needed in NEEDS.get(part, ()) if needed not in self.parts)
