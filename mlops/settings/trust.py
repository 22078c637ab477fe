"""Whom the platform trusts, and who signs its certificates."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from mlops.settings.secret import FromFile, Secret
from mlops.settings.section import Section, kind_of_value
from mlops.settings.types import CertificateChainPem, CertificatePem, Epoch, Organization

_EPOCH = "Number of the present authority, from 1; one more makes a new one and keeps trusting the old one for one epoch."


class OwnAuthority(Section):
    """A root of the platform's own, made at the first deployment; its key stays in the encrypted state."""

    kind: Literal["own"] = Field(description="The platform makes its own root and intermediate.")
    organization: Organization = Field(description="Organisation named in the certificates.")
    epoch: Epoch = Field(default=1, description=_EPOCH)


class CorporateAuthority(Section):
    """An intermediate issued by the organisation's own certificate authority."""

    kind: Literal["corporate"] = Field(description="An intermediate of the organisation's authority signs.")
    certificate: CertificatePem = Field(
        description="The intermediate's certificate, PEM; a CA whose name constraints admit the domain."
    )
    chain: CertificateChainPem = Field(description="Certificates above it, PEM: its issuer first, the self-signed root last.")
    key: Annotated[Secret, FromFile("intermediate-key.pem")] = Field(
        default_factory=Secret.missing, description="The intermediate's private key, PEM without passphrase (secret)."
    )
    epoch: Epoch = Field(default=1, description="Number of the present intermediate, from 1; count it up with each new one.")


Authority = Annotated[
    Annotated[OwnAuthority, Tag("own")] | Annotated[CorporateAuthority, Tag("corporate")], Discriminator(kind_of_value)
]


class Trust(Section):
    """Who signs, and which other roots are trusted everywhere in the site."""

    authority: Authority = Field(description="Who signs the platform's certificates: own or corporate.")
    extra_roots: tuple[CertificatePem, ...] = Field(
        default=(), description="Further self-signed roots to trust, PEM, one an item; that of an intercepting proxy, for instance."
    )
