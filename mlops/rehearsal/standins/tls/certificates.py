"""Stand-in ``tls`` provider: certificates and requests, with the extensions the official one writes (Go ``crypto/x509``)."""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID as Extended
from cryptography.x509.oid import NameOID
from cryptography.x509.oid import ObjectIdentifier as Oid

from mlops.rehearsal.standins.provider import ProviderError
from mlops.rehearsal.standins.tls.keys import PrivateKey, PublicKey, digest_for

KEY_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "cert_signing",
    "crl_signing",
    "encipher_only",
    "decipher_only",
)
EXTENDED_USAGES: Mapping[str, Oid] = {
    "any_extended": Extended.ANY_EXTENDED_KEY_USAGE,
    "server_auth": Extended.SERVER_AUTH,
    "client_auth": Extended.CLIENT_AUTH,
    "code_signing": Extended.CODE_SIGNING,
    "email_protection": Extended.EMAIL_PROTECTION,
    "ipsec_end_system": Oid("1.3.6.1.5.5.7.3.5"),
    "ipsec_tunnel": Oid("1.3.6.1.5.5.7.3.6"),
    "ipsec_user": Oid("1.3.6.1.5.5.7.3.7"),
    "timestamping": Extended.TIME_STAMPING,
    "ocsp_signing": Extended.OCSP_SIGNING,
    "microsoft_server_gated_crypto": Oid("1.3.6.1.4.1.311.10.3.3"),
    "netscape_server_gated_crypto": Oid("2.16.840.1.113730.4.1"),
    "microsoft_commercial_code_signing": Oid("1.3.6.1.4.1.311.2.1.22"),
    "microsoft_kernel_code_signing": Oid("1.3.6.1.4.1.311.61.1.1"),
}
# In the order in which Go writes them.
_SUBJECT: Mapping[str, Oid] = {
    "country": NameOID.COUNTRY_NAME,
    "organization": NameOID.ORGANIZATION_NAME,
    "organizationalUnit": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "locality": NameOID.LOCALITY_NAME,
    "province": NameOID.STATE_OR_PROVINCE_NAME,
    "streetAddresses": NameOID.STREET_ADDRESS,
    "postalCode": NameOID.POSTAL_CODE,
    "commonName": NameOID.COMMON_NAME,
    "serialNumber": NameOID.SERIAL_NUMBER,
    "emailAddress": NameOID.EMAIL_ADDRESS,
}


def name(subject: Mapping[str, Any] | None) -> x509.Name:
    """A distinguished name from the property ``subject``.

    Raises:
        ProviderError: a value that the library behind this stand-in does not write, e.g. a country of three letters.
    """
    attributes = []
    for key, oid in _SUBJECT.items():
        values = (subject or {}).get(key) or []
        try:
            attributes += [x509.NameAttribute(oid, value) for value in ([values] if isinstance(values, str) else values)]
        except ValueError as error:
            raise ProviderError(f"stand-in: subject.{key}: {error}") from error
    return x509.Name(attributes)


def alternative_names(inputs: Mapping[str, Any]) -> list[x509.GeneralName]:
    """``dnsNames``, ``ipAddresses``, ``uris``.

    Raises:
        ProviderError: an address is none.
    """
    names: list[x509.GeneralName] = [x509.DNSName(value) for value in inputs.get("dnsNames") or []]
    for value in inputs.get("ipAddresses") or []:
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(value)))
        except ValueError:
            raise ProviderError(f'Invalid IP address: Failed to parse "{value}"') from None
    return names + [x509.UniformResourceIdentifier(value) for value in inputs.get("uris") or []]


def request(inputs: Mapping[str, Any], key: PrivateKey) -> x509.CertificateSigningRequest:
    """A certificate request."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(name(inputs.get("subject")))
    names = alternative_names(inputs)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=not inputs.get("subject"))
    return builder.sign(key, digest_for(key))


def certificate(
    inputs: Mapping[str, Any],
    *,
    subject: x509.Name,
    names: Sequence[x509.GeneralName],
    public_key: PublicKey,
    signer: PrivateKey,
    issuer: x509.Certificate | None,
) -> dict[str, object]:
    """Sign a certificate.

    Args:
        inputs: ``validityPeriodHours``, ``allowedUses``, ``isCaCertificate``, ``maxPathLength``, ``set…KeyId``.
        subject: whom it is for.
        names: alternative names.
        public_key: the subject's.
        signer: the issuer's key.
        issuer: the issuer's certificate; None for a self-signed one.

    Returns:
        Serial number (``id``) and the outputs ``certPem``, ``validityStartTime``, ``validityEndTime`` (RFC 3339).

    Raises:
        ProviderError: a CA without a subject, or no key identifier to refer to.
    """
    authority = bool(inputs.get("isCaCertificate"))
    if authority and not list(subject):
        raise ProviderError(
            "Invalid Certificate Subject: Must contain at least one Distinguished Name when creating Certificate Authority (CA)"
        )
    start = datetime.now(UTC)
    end = start + timedelta(hours=inputs["validityPeriodHours"])
    serial = secrets.randbits(127) + 1
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(public_key)
        .serial_number(serial)
        .not_valid_before(start)
        .not_valid_after(end)
    )
    own = x509.SubjectKeyIdentifier(_key_identifier(public_key)) if authority or inputs.get("setSubjectKeyId") else None
    for extension, critical in _extensions(inputs, authority=authority, names=names, named=bool(list(subject))):
        builder = builder.add_extension(extension, critical=critical)
    if own is not None:
        builder = builder.add_extension(own, critical=False)
    above = _identifier_of(issuer) if issuer else own if inputs.get("setAuthorityKeyId") else None
    if above is None and inputs.get("setAuthorityKeyId"):
        raise ProviderError("Invalid Certificate Authority: Could not determine Authority Key Identifier")
    if above is not None:
        builder = builder.add_extension(x509.AuthorityKeyIdentifier(above.digest, None, None), critical=False)
    signed = builder.sign(signer, digest_for(signer))
    return {
        "id": str(serial),
        "certPem": signed.public_bytes(Encoding.PEM).decode(),
        "validityStartTime": start.isoformat().replace("+00:00", "Z"),
        "validityEndTime": end.isoformat().replace("+00:00", "Z"),
    }


def _extensions(
    inputs: Mapping[str, Any], *, authority: bool, names: Sequence[x509.GeneralName], named: bool
) -> list[tuple[x509.ExtensionType, bool]]:
    """Extensions with their criticality: usages, constraints, alternative names."""
    uses = inputs.get("allowedUses") or []
    extensions: list[tuple[x509.ExtensionType, bool]] = []
    if set(uses) & set(KEY_USAGES):
        flags = {use: use in uses for use in KEY_USAGES}
        agreement = flags["key_agreement"]
        usage = x509.KeyUsage(
            digital_signature=flags["digital_signature"],
            content_commitment=flags["content_commitment"],
            key_encipherment=flags["key_encipherment"],
            data_encipherment=flags["data_encipherment"],
            key_agreement=agreement,
            key_cert_sign=flags["cert_signing"],
            crl_sign=flags["crl_signing"],
            encipher_only=agreement and flags["encipher_only"],
            decipher_only=agreement and flags["decipher_only"],
        )
        extensions.append((usage, True))
    if extended := [EXTENDED_USAGES[use] for use in uses if use in EXTENDED_USAGES]:
        extensions.append((x509.ExtendedKeyUsage(extended), False))
    # The official provider sets no "zero is meant" flag, so Go leaves a path length of 0 out of the certificate.
    length = inputs.get("maxPathLength")
    limit = length if authority and length is not None and length > 0 else None
    extensions.append((x509.BasicConstraints(ca=authority, path_length=limit), True))
    if names:
        extensions.append((x509.SubjectAlternativeName(names), not named))
    return extensions


def _key_identifier(key: PublicKey) -> bytes:
    """SHA-1 of the public key's bits; of their DER octet string for Ed25519, which is what the official provider hashes."""
    if isinstance(key, ed25519.Ed25519PublicKey):
        raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return hashlib.sha1(b"\x04\x20" + raw, usedforsecurity=False).digest()
    return x509.SubjectKeyIdentifier.from_public_key(key).digest


def _identifier_of(issuer: x509.Certificate) -> x509.SubjectKeyIdentifier | None:
    try:
        return issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return None
