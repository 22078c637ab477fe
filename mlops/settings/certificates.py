"""X.509 and private keys: read, and checked against what the platform needs of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key, load_ssh_private_key

from mlops.settings.section import RefusedError

_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def load(pem: str) -> tuple[str, tuple[x509.Certificate, ...]]:
    """Read the certificates in a PEM text.

    Returns:
        The certificates alone, as normalised PEM text, and the same decoded.

    Raises:
        RefusedError: there is none, one cannot be decoded, or a private key stands among them.
    """
    if "PRIVATE KEY-----" in pem:
        raise RefusedError("certificates only", "take the private key out of the file and regard it as disclosed")
    blocks = _BLOCK.findall(pem)
    if not blocks:
        raise RefusedError
    try:
        found = tuple(x509.load_pem_x509_certificate(block.encode()) for block in blocks)
    except ValueError:
        raise RefusedError("a certificate that can be decoded: this one is cut, mistyped or indented unevenly") from None
    return "".join(c.public_bytes(Encoding.PEM).decode() for c in found), found


def title(certificate: x509.Certificate) -> str:
    """A certificate's subject, as a person would call it."""
    return certificate.subject.rfc4514_string() or f"serial number {certificate.serial_number:x}"


def faults(certificate: x509.Certificate, now: datetime) -> Iterator[tuple[str, str]]:
    """What keeps a certificate from being a certificate authority today: pairs of what was found and what is allowed."""
    name = title(certificate)
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        is_authority = constraints.ca
    except x509.ExtensionNotFound:
        is_authority = False
    if not is_authority:
        yield f"{name}, which is no certificate authority", "a certificate with basic constraints CA:TRUE"
    else:
        try:
            usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        except x509.ExtensionNotFound:
            pass
        else:
            if not usage.key_cert_sign:
                yield f"{name}, whose key usage does not let it sign certificates", "key usage with Certificate Sign"
    if certificate.not_valid_after_utc <= now:
        yield f"{name}, expired on {certificate.not_valid_after_utc:%Y-%m-%d}", "a certificate that is valid today"
    if certificate.not_valid_before_utc > now:
        yield f"{name}, not valid before {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC", "a certificate that is valid today"


def is_root(certificate: x509.Certificate) -> bool:
    """Whether it is signed by itself."""
    return _issued_by(certificate, certificate)


def chain_fault(certificates: Sequence[x509.Certificate]) -> str:
    """What breaks a chain that starts with the lowest certificate and ends with the root; empty when it holds."""
    for below, (lower, upper) in enumerate(pairwise(certificates), 1):
        if not _issued_by(lower, upper):
            return f"{title(lower)} is not issued by {title(upper)}"
        length = _path_length(upper)
        # RFC 5280, 4.2.1.9: the number of authorities that may follow in a path, the certificate at its end not counted.
        if length is not None and length < below:
            return f"{title(upper)} allows {length} authorities below itself (pathlen), and {below} are there"
    if not is_root(certificates[-1]):
        return f"the last certificate, {title(certificates[-1])}, is not a self-signed root"
    return ""


def excludes(certificate: x509.Certificate, domain: str) -> str:
    """The certificate's name constraints when they forbid names in the domain, else nothing (RFC 5280, 4.2.1.10)."""
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return ""

    def names(subtrees: list[x509.GeneralName] | None) -> list[str]:
        return [subtree.value for subtree in subtrees or [] if isinstance(subtree, x509.DNSName)]

    def inside(tree: str) -> bool:
        return f".{domain}".endswith("." + tree.lstrip(".").lower())

    permitted, excluded = names(constraints.permitted_subtrees), names(constraints.excluded_subtrees)
    if permitted and not any(map(inside, permitted)):
        return f"permits names in {', '.join(permitted)} only"
    return next((f"excludes names in {tree}" for tree in excluded if inside(tree)), "")


def private_key(pem: str) -> PrivateKeyTypes:
    """Read a private key in PKCS #8, traditional or OpenSSH form.

    Raises:
        RefusedError: it is none, or it is protected by a passphrase, for which nobody would be asked.
    """
    data = pem.encode()
    try:
        if "OPENSSH PRIVATE KEY" in pem:
            return load_ssh_private_key(data, None)
        return load_pem_private_key(data, None)
    except TypeError:
        raise RefusedError("a private key without a passphrase") from None
    except (ValueError, UnsupportedAlgorithm) as error:
        if "password" in str(error).lower():
            raise RefusedError("a private key without a passphrase") from None
        raise RefusedError("a private key in PEM form (-----BEGIN ... PRIVATE KEY-----)") from None


def matches(key: PrivateKeyTypes, certificate: x509.Certificate) -> bool:
    """Whether the certificate's public key belongs to the private key."""

    def public(source: x509.Certificate | PrivateKeyTypes) -> bytes:
        return source.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    return public(key) == public(certificate)


def _issued_by(lower: x509.Certificate, upper: x509.Certificate) -> bool:
    try:
        lower.verify_directly_issued_by(upper)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _path_length(certificate: x509.Certificate) -> int | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length
    except x509.ExtensionNotFound:
        return None
