"""Stand-in ``tls`` provider: private keys in the encodings of the official one."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
)

from mlops.rehearsal.standins.provider import ProviderError

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
CURVES: dict[str, type[ec.EllipticCurve]] = {"P224": ec.SECP224R1, "P256": ec.SECP256R1, "P384": ec.SECP384R1, "P521": ec.SECP521R1}
ALGORITHMS = ("RSA", "ECDSA", "ED25519")


def generate(algorithm: str, *, rsa_bits: int, curve: str) -> PrivateKey:
    """A new key: ``RSA`` of that many bits, ``ECDSA`` on that curve (``P224`` to ``P521``), or ``ED25519``."""
    if algorithm == "RSA":
        return rsa.generate_private_key(65537, rsa_bits)
    if algorithm == "ECDSA":
        return ec.generate_private_key(CURVES[curve]())
    return ed25519.Ed25519PrivateKey.generate()


def parse(pem: str) -> PrivateKey:
    """A key from PEM (PKCS#1, SEC 1 or PKCS#8).

    Raises:
        ProviderError: it is no such key.
    """
    return _known(lambda: load_pem_private_key(pem.encode(), None))


def parse_openssh(pem: str) -> PrivateKey:
    """A key from OpenSSH's format.

    Raises:
        ProviderError: it is no such key.
    """
    return _known(lambda: load_ssh_private_key(pem.encode(), None))


def _known(load: Callable[[], object]) -> PrivateKey:
    try:
        key = load()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ProviderError("failed to parse private key: not a PEM private key without a password") from None
    if not isinstance(key, PrivateKey):
        raise ProviderError(f"unsupported private key type: {type(key).__name__}")
    return key


def algorithm_of(key: PrivateKey | PublicKey) -> str:
    """``RSA``, ``ECDSA`` or ``ED25519``."""
    if isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey):
        return "RSA"
    return "ECDSA" if isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey) else "ED25519"


def digest_for(key: PrivateKey) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None:
    """The digest Go signs with: by the size of the curve, SHA-256 for RSA, none for Ed25519."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return None
    if isinstance(key, ec.EllipticCurvePrivateKey):
        if isinstance(key.curve, ec.SECP384R1):
            return hashes.SHA384()
        return hashes.SHA512() if isinstance(key.curve, ec.SECP521R1) else hashes.SHA256()
    return hashes.SHA256()


def private_outputs(key: PrivateKey) -> dict[str, object]:
    """``privateKeyPem`` (PKCS#1 or SEC 1, PKCS#8 for Ed25519), ``privateKeyPemPkcs8``, ``privateKeyOpenssh``."""

    def encode(style: PrivateFormat) -> str:
        return key.private_bytes(Encoding.PEM, style, NoEncryption()).decode()

    own = PrivateFormat.PKCS8 if isinstance(key, ed25519.Ed25519PrivateKey) else PrivateFormat.TraditionalOpenSSL
    return {
        "privateKeyPem": encode(own),
        "privateKeyPemPkcs8": encode(PrivateFormat.PKCS8),
        "privateKeyOpenssh": encode(PrivateFormat.OpenSSH) if _openssh_knows(key.public_key()) else "",
    }


def public_outputs(key: PublicKey) -> dict[str, object]:
    """PEM, OpenSSH line and its fingerprints; the latter empty on P-224, which OpenSSH does not know."""
    outputs: dict[str, object] = {"publicKeyPem": key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()}
    if not _openssh_knows(key):
        return outputs | dict.fromkeys(("publicKeyOpenssh", "publicKeyFingerprintMd5", "publicKeyFingerprintSha256"), "")
    line = key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    blob = base64.b64decode(line.split()[1])
    sha256 = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return outputs | {
        "publicKeyOpenssh": line + "\n",
        "publicKeyFingerprintMd5": hashlib.md5(blob, usedforsecurity=False).digest().hex(":"),
        "publicKeyFingerprintSha256": f"SHA256:{sha256}",
    }


def identity(key: PublicKey) -> str:
    """The resource id: SHA-1 of the public key's DER."""
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha1(der, usedforsecurity=False).hexdigest()


def _openssh_knows(key: PublicKey) -> bool:
    return not (isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP224R1))
