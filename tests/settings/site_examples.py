"""A good site to spoil, and certificates to go with it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

NOW = datetime(2026, 6, 1, tzinfo=UTC)

KEYS = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAfwVnSFThBuUpK4SXHwoTFH8q8VDJwKrjpgn9Nuerx3",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA/e3gjbXF6ei8YxXfkPhulMr622EvOV6zLgT7Zzk12N",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOLqG47a2KykWEfOMEOnXOJPlUZurJOa4geGJloql79k",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIABN7C+h5cw46wjotFJNriyYwvbjSncM8bpFuA78Ud4E",
)

Values = dict[str, Any]
EXISTING: dict[str, object] = {"hosts": ..., "cluster": {"kind": "existing"}}
"""Changes that make of the good site one on a cluster that stands already."""


@dataclass(frozen=True)
class Signed:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    @property
    def locked_key_pem(self) -> str:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"pass")).decode()


@cache
def sign(
    name: str,
    issuer: Signed | None = None,
    *,
    ca: bool = True,
    years: tuple[int, int] = (2025, 2035),
    length: int | None = None,
    usage: bool = True,
    permitted: str = "",
    excluded: str = "",
) -> Signed:
    """A certificate made here and now, signed by itself without an issuer."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(years[0], 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(years[1], 1, 1, tzinfo=UTC))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=length), critical=True)
    )
    bits = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only"), False
    )
    builder = builder.add_extension(
        x509.KeyUsage(digital_signature=True, key_cert_sign=usage, crl_sign=usage, **bits), critical=True
    )
    if permitted or excluded:
        trees = [[x509.DNSName(tree)] if tree else None for tree in (permitted, excluded)]
        builder = builder.add_extension(x509.NameConstraints(*trees), critical=True)
    return Signed(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


ROOT = sign("Root")
INTERMEDIATE = sign("Intermediate", ROOT)


def good() -> Values:
    """The settings of a site in which nothing is wrong: three control planes, a worker, a bastion, a proxy."""
    roles = ["control-plane", "worker", "storage"]
    nodes = [{"name": f"n{i}", "address": f"172.16.20.1{i}", "hostKey": KEYS[i], "roles": list(roles)} for i in range(3)]
    return {
        "name": "test",
        "domain": "mlops.test.example",
        "hosts": {"access": {"user": "deploy"}, "nodes": nodes},
        "cluster": {"kind": "microk8s", "channel": "1.35/stable"},
        "network": {
            "podCidr": "10.1.0.0/16",
            "serviceCidr": "10.152.183.0/24",
            "nodeSubnet": "172.16.20.0/24",
            "loadBalancerRange": "172.16.20.200-172.16.20.219",
            "gatewayAddress": "172.16.20.200",
            "dnsServers": ["172.16.8.53"],
        },
        "trust": {"authority": {"kind": "own", "organization": "Example"}},
    }


def put(values: Values, path: str, value: object) -> Values:
    """Sets (or, with `...`, deletes) the value at a dotted path, list positions written as numbers; makes sections on the way."""
    *way, last = (int(part) if part.isdigit() else part for part in path.split("."))
    here: Any = values
    for part in way:
        if isinstance(here, dict) and part not in here:
            here[part] = {}
        here = here[part]
    if value is ...:
        del here[last]
    elif isinstance(here, list) and last == len(here):
        here.append(value)
    else:
        here[last] = copy.deepcopy(value)
    return values


def changed(changes: Mapping[str, object], base: Callable[[], Values] = good) -> Values:
    """The good site with changes."""
    values = base()
    for path, value in changes.items():
        put(values, path, value)
    return values


REPOSITORY = Path(__file__).resolve().parents[2]
