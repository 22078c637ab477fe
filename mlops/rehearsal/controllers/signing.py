"""Real certificates: a CA out of a Secret or a new one, and leaves signed by it."""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
DEFAULT_LIFE = dt.timedelta(days=90)
# Clocks of the site's hosts may be a little behind.
_SLACK = dt.timedelta(minutes=5)


class UnusableAuthorityError(Exception):
    """A Secret holds no certificate authority; the text says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate with its key, PEM.

    Attributes:
        chain: leaf first, then what leads up to the root, the root left out.
        key: private key.
        root: topmost certificate of the chain.
        leaf: the certificate itself.
    """

    chain: str
    key: str
    root: str
    leaf: x509.Certificate


class Authority:
    """A certificate authority.

    Args:
        chain: its certificates, the issuing one first, the topmost last.
        key: key of the first one.
    """

    def __init__(self, chain: list[x509.Certificate], key: Key) -> None:
        self.chain, self._key = chain, key

    @classmethod
    def new(cls, name: str, key: Key | None = None) -> Authority:
        """A self-signed one, with a key of its own when none is given."""
        key = key or ec.generate_private_key(ec.SECP384R1())
        subject = _subject(name)
        return cls([_signed(subject, key, subject, key, life=dt.timedelta(days=365), authority=True, names=())], key)

    @classmethod
    def from_secret(cls, secret: dict[str, Any]) -> Authority:
        """The one in a Secret with tls.crt and tls.key.

        Raises:
            UnusableAuthorityError: a key is missing or unreadable, it is no CA, or certificate and key do not belong together.
        """
        data = secret.get("data") or {}
        try:
            chain = x509.load_pem_x509_certificates(base64.b64decode(data["tls.crt"]))
            key = serialization.load_pem_private_key(base64.b64decode(data["tls.key"]), password=None)
        except KeyError as error:
            raise UnusableAuthorityError(f"no data for {error.args[0]!r} in secret") from error
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise UnusableAuthorityError(f"error decoding: {error}") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey):
            raise UnusableAuthorityError("unsupported kind of key")
        if _public(key) != _public(chain[0]):
            raise UnusableAuthorityError("certificate and key do not belong together")
        if not is_authority(chain[0]):
            raise UnusableAuthorityError("certificate is not a CA")
        return cls(chain, key)

    @property
    def root(self) -> str:
        """Topmost certificate of the chain, PEM."""
        return pem(self.chain[-1])

    @property
    def key(self) -> str:
        """Key of the issuing certificate, PEM."""
        return key_pem(self._key)

    @property
    def certificates(self) -> str:
        """The whole chain, PEM."""
        return "".join(map(pem, self.chain))

    def signed(self, certificate: x509.Certificate) -> bool:
        """Whether it signed a certificate."""
        try:
            certificate.verify_directly_issued_by(self.chain[0])
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True

    def issue(
        self,
        *,
        common_name: str = "",
        names: Iterable[str] = (),
        life: dt.timedelta = DEFAULT_LIFE,
        authority: bool = False,
        key: Key | None = None,
        pkcs8: bool = False,
    ) -> Issued:
        """A certificate for DNS names and addresses.

        Args:
            common_name: subject; empty for none.
            names: DNS names and IP addresses.
            life: how long it is valid.
            authority: whether it may sign others.
            key: its key, P-256 when not given.
            pkcs8: encoding of the key, else the algorithm's own one.
        """
        key = key or ec.generate_private_key(ec.SECP256R1())
        subject = _subject(common_name)
        leaf = _signed(subject, key, self.chain[0].subject, self._key, life=life, authority=authority, names=names)
        above = [c for c in self.chain if c.subject != c.issuer]
        return Issued("".join(map(pem, [leaf, *above])), key_pem(key, pkcs8=pkcs8), self.root, leaf)


def new_key(algorithm: str, size: int | None) -> Key:
    """A key as ``spec.privateKey`` of a Certificate asks for it (cert-manager's defaults: RSA 2048, P-256)."""
    if algorithm == "Ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if algorithm == "ECDSA":
        curves = {384: ec.SECP384R1(), 521: ec.SECP521R1()}
        return ec.generate_private_key(curves.get(size or 256, ec.SECP256R1()))
    return rsa.generate_private_key(public_exponent=65537, key_size=size or 2048)


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether a certificate may sign others."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def pem(certificate: x509.Certificate) -> str:
    """PEM of a certificate."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def key_pem(key: Key, *, pkcs8: bool = False) -> str:
    """PEM of a key without encryption; Ed25519 has no encoding but PKCS 8."""
    own = not pkcs8 and not isinstance(key, ed25519.Ed25519PrivateKey)
    form = serialization.PrivateFormat.TraditionalOpenSSL if own else serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def _subject(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else [])


def _public(holder: Key | x509.Certificate) -> bytes:
    return holder.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _signed(
    subject: x509.Name,
    key: Key,
    issuer: x509.Name,
    issuer_key: Key,
    *,
    life: dt.timedelta,
    authority: bool,
    names: Iterable[str],
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder(
        issuer_name=issuer,
        subject_name=subject,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - _SLACK,
        not_valid_after=now + life,
    )
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=not authority, data_encipherment=False,
        key_agreement=False, key_cert_sign=authority, crl_sign=authority, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    builder = builder.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    builder = builder.add_extension(usage, critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    if not authority:
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    general = [_general_name(name) for name in dict.fromkeys(names)]
    if general:
        builder = builder.add_extension(x509.SubjectAlternativeName(general), critical=not subject.rdns)
    algorithm = None if isinstance(issuer_key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(issuer_key, algorithm)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
