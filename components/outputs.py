"""The one place where layers leave their stack outputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pulumi


@dataclass(frozen=True, kw_only=True)
class LayerOutputs:
    """What one layer adds to the stack's outputs; a name may be used by one layer only.

    Attributes:
        endpoints: name to URL.
        initial_credentials: name to the first password or token of an administrator; kept secret.
        certificate_expiry: name to the end of a certificate's life, RFC 3339.
        versions: name to the version deployed.
    """

    endpoints: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    initial_credentials: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    certificate_expiry: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    versions: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)


def _merge(name: str, parts: Iterable[Mapping[str, pulumi.Input[str]]]) -> dict[str, pulumi.Input[str]]:
    merged: dict[str, pulumi.Input[str]] = {}
    for part in parts:
        twice = sorted(merged.keys() & part.keys())
        if twice:
            message = f"two layers add {twice} to the output {name!r}"
            raise ValueError(message)
        merged.update(part)
    return dict(sorted(merged.items()))


def export_outputs(*, ca_certificate: pulumi.Input[str], kubeconfig: pulumi.Input[str], layers: Iterable[LayerOutputs]) -> None:
    """Exports the stack's outputs: caCertificate, kubeconfig, endpoints, initialCredentials, certificateExpiry, versions.

    Args:
        ca_certificate: PEM of the root that signs the platform's certificates.
        kubeconfig: administrator's access to the cluster; exported as a secret.
        layers: what each layer adds.

    Raises:
        ValueError: two layers add the same name.
    """
    parts = tuple(layers)
    pulumi.export("caCertificate", ca_certificate)
    pulumi.export("kubeconfig", pulumi.Output.secret(kubeconfig))
    pulumi.export("endpoints", _merge("endpoints", (part.endpoints for part in parts)))
    pulumi.export("initialCredentials", pulumi.Output.secret(_merge("initialCredentials", (p.initial_credentials for p in parts))))
    pulumi.export("certificateExpiry", _merge("certificateExpiry", (part.certificate_expiry for part in parts)))
    pulumi.export("versions", _merge("versions", (part.versions for part in parts)))
