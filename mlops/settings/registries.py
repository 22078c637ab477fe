"""Container registries: where the hosts pull images from in place of the public ones, and as whom."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from mlops.settings.secret import Secret
from mlops.settings.section import Section
from mlops.settings.types import CertificateChainPem, Text
from mlops.settings.urls import RegistryHost, Url


class RegistryMirror(Section):
    """A place that has the images of a registry."""

    url: Url = Field(description="Its URL, e.g. https://registry.example.org; reached without the proxy.")
    override_path: bool = Field(
        default=False,
        strict=True,
        description="true when the URL names the API's root itself, /v2 included; otherwise /v2 is put behind it.",
    )
    certificate_authority: CertificateChainPem | None = Field(
        default=None, description="Certificates that the mirror's is checked against, PEM; those of the host when left out."
    )


class Registry(Section):
    """A registry as images name it."""

    host: RegistryHost = Field(description="The registry as images name it, e.g. docker.io or registry.example.org:5000.")
    mirrors: tuple[RegistryMirror, ...] = Field(default=(), description="Places asked before the registry itself, in this order.")
    username: Text | None = Field(default=None, description="User at the registry and its mirrors, when they ask for one.")
    password: Secret | None = Field(default=None, description="Password of that user (secret).")

    @classmethod
    def needs_secret(cls, key: str, values: Mapping[str, object]) -> bool:
        """A user without a password is half a credential."""
        return key == "password" and values.get("username") is not None
