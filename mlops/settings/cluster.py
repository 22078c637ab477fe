"""The Kubernetes cluster: MicroK8s on the site's own hosts, or one that stands already."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from mlops.settings.secret import FromFile, Secret
from mlops.settings.section import Section, kind_of_value
from mlops.settings.types import SnapChannel, Text


class MicroK8sCluster(Section):
    """A MicroK8s cluster made from the hosts."""

    kind: Literal["microk8s"] = Field(description="MicroK8s, installed on the hosts.")
    channel: SnapChannel = Field(description="Snap channel of MicroK8s, e.g. 1.35/stable; fixes the Kubernetes minor version.")


class ExistingCluster(Section):
    """A cluster that others run; the platform is installed into it and no host is touched."""

    kind: Literal["existing"] = Field(description="A cluster that stands already.")
    kubeconfig: Annotated[Secret, FromFile("kubeconfig-file")] = Field(
        default_factory=Secret.missing, description="Kubeconfig of a cluster administrator, self-contained (secret)."
    )
    context: Text | None = Field(default=None, description="Context of the kubeconfig; its current context when left out.")


Cluster = Annotated[
    Annotated[MicroK8sCluster, Tag("microk8s")] | Annotated[ExistingCluster, Tag("existing")], Discriminator(kind_of_value)
]
