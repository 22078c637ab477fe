"""The CA chain: root -> intermediate for cert-manager, and the trust bundle.

The root's private key exists in the encrypted state only. Rotation is by a numbered epoch in the settings: a new epoch makes a
new root and a new intermediate, and the root before it stays in the bundle for that one epoch, so that certificates issued by the
old chain are trusted until they have renewed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_tls as tls
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from components.outputs import LayerOutputs
from components.secrets import revealed
from mlops.settings import CorporateAuthority, OwnAuthority

ROOT_VALIDITY_HOURS = 10 * 365 * 24
INTERMEDIATE_VALIDITY_HOURS = 5 * 365 * 24
_KEY_ALGORITHM, _KEY_CURVE = "ECDSA", "P384"
_CA_USES = ["cert_signing", "crl_signing", "digital_signature"]


@dataclass(frozen=True, kw_only=True)
class CaChainArgs:
    """What the chain is made of.

    Attributes:
        site: the site's name; part of the certificates' subjects.
        authority: a root of our own, or an intermediate that a corporate CA has issued.
        extra_roots: PEM certificates that are trusted besides.
    """

    site: str
    authority: OwnAuthority | CorporateAuthority
    extra_roots: Sequence[str]


class CaChain(pulumi.ComponentResource):
    """Root, intermediate and trust bundle.

    Attributes:
        root_certificate: PEM of the root.
        bundle: PEM certificates that hosts and pods trust: root, the root of the epoch before, extra roots.
        issuer_certificate: PEM of the intermediate followed by the certificates above it, root last, as cert-manager wants it.
        issuer_key: PEM of the intermediate's private key; secret.
        outputs: expiry of root and intermediate.
    """

    root_certificate: pulumi.Output[str]
    bundle: pulumi.Output[str]
    issuer_certificate: pulumi.Output[str]
    issuer_key: pulumi.Output[str]
    outputs: LayerOutputs

    def __init__(self, name: str, args: CaChainArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("onprem-mlops:trust:CaChain", name, {"site": args.site, "epoch": args.authority.epoch}, opts)
        if isinstance(args.authority, OwnAuthority):
            self._own(name, args.site, args.authority, args.extra_roots)
        else:
            self._corporate(args.authority, args.extra_roots)
        self.register_outputs({"rootCertificate": self.root_certificate, "bundle": self.bundle, **self.outputs.certificate_expiry})

    def _own(self, name: str, site: str, authority: OwnAuthority, extra_roots: Sequence[str]) -> None:
        epoch = authority.epoch
        root_key, root = self._root(name, site, authority, epoch)
        older = [self._root(name, site, authority, epoch - 1)[1].cert_pem] if epoch > 1 else []
        key = self._key(f"{name}-intermediate-{epoch}-key")
        request = tls.CertRequest(
            f"{name}-intermediate-{epoch}-request",
            private_key_pem=key.private_key_pem,
            subject=tls.CertRequestSubjectArgs(common_name=f"{site} issuing CA {epoch}", organization=authority.organization),
            opts=pulumi.ResourceOptions(parent=self),
        )
        intermediate = tls.LocallySignedCert(
            f"{name}-intermediate-{epoch}",
            cert_request_pem=request.cert_request_pem,
            ca_private_key_pem=root_key.private_key_pem,
            ca_cert_pem=root.cert_pem,
            is_ca_certificate=True,
            set_subject_key_id=True,
            validity_period_hours=INTERMEDIATE_VALIDITY_HOURS,
            allowed_uses=_CA_USES,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.root_certificate = root.cert_pem
        self.bundle = _joined([root.cert_pem, *older, *extra_roots])
        self.issuer_certificate = _joined([intermediate.cert_pem, root.cert_pem])
        self.issuer_key = pulumi.Output.secret(key.private_key_pem)
        self.outputs = LayerOutputs(
            certificate_expiry={"root": root.validity_end_time, "intermediate": intermediate.validity_end_time}
        )

    def _corporate(self, authority: CorporateAuthority, extra_roots: Sequence[str]) -> None:
        above = x509.load_pem_x509_certificates(authority.chain.encode())
        issued = x509.load_pem_x509_certificate(authority.certificate.encode())
        root = _pem(above[-1])
        self.root_certificate = pulumi.Output.from_input(root)
        self.bundle = _joined([root, *extra_roots])
        self.issuer_certificate = _joined([authority.certificate, authority.chain])
        self.issuer_key = revealed(authority.key)
        self.outputs = LayerOutputs(
            certificate_expiry={
                "root": above[-1].not_valid_after_utc.isoformat(),
                "intermediate": issued.not_valid_after_utc.isoformat(),
            }
        )

    def _key(self, name: str) -> tls.PrivateKey:
        return tls.PrivateKey(name, algorithm=_KEY_ALGORITHM, ecdsa_curve=_KEY_CURVE, opts=pulumi.ResourceOptions(parent=self))

    def _root(self, name: str, site: str, authority: OwnAuthority, epoch: int) -> tuple[tls.PrivateKey, tls.SelfSignedCert]:
        # The name carries the epoch and the resources of one epoch never change: that is what keeps an old root as it was.
        key = self._key(f"{name}-root-{epoch}-key")
        certificate = tls.SelfSignedCert(
            f"{name}-root-{epoch}",
            private_key_pem=key.private_key_pem,
            subject=tls.SelfSignedCertSubjectArgs(common_name=f"{site} root CA {epoch}", organization=authority.organization),
            is_ca_certificate=True,
            set_subject_key_id=True,
            validity_period_hours=ROOT_VALIDITY_HOURS,
            allowed_uses=_CA_USES,
            opts=pulumi.ResourceOptions(parent=self),
        )
        return key, certificate


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def _joined(certificates: Sequence[pulumi.Input[str]]) -> pulumi.Output[str]:
    # every PEM block ends with a newline, whatever its source
    return pulumi.Output.all(*certificates).apply(lambda parts: "".join(part.strip() + "\n" for part in parts))
