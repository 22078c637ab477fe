"""Domain types of the settings: each carries its check, and its words for a user who got it wrong."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, summarize_address_range
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema
from pydantic_core import core_schema

from mlops.settings.patterns import IPV4, LABEL, matching, text_schema
from mlops.settings.section import Hint, RefusedError

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue

_FQDN = rf"{LABEL}(\.{LABEL})+"
_IPV6 = r"[0-9a-fA-F:]*:[0-9a-fA-F:.]*"

# --- names ------------------------------------------------------------------------------------------------------------------


def _fqdn(value: str) -> str:
    if value.endswith("."):
        raise RefusedError(mend=f"leave the dot at the end out: {value.rstrip('.')}")
    if value != value.lower():
        raise RefusedError(mend=f"write it in lower case: {value.lower()}")
    if len(value) > 253 or not re.fullmatch(_FQDN, value) or re.fullmatch(r"[0-9.]+", value):
        raise RefusedError
    return value


def _label(value: str) -> str:
    if not re.fullmatch(LABEL, value):
        raise RefusedError
    return value


def _node_name(value: str) -> str:
    if value == "localhost":
        raise RefusedError(mend="give the host its own name with `hostnamectl set-hostname NAME`")
    return _label(value)


Fqdn = Annotated[
    str,
    AfterValidator(_fqdn),
    text_schema(_FQDN, "mlops.example.org"),
    Hint("a fully qualified domain name in lower case, at least two labels, e.g. mlops.example.org"),
]
SiteName = Annotated[
    str,
    AfterValidator(_label),
    text_schema(LABEL, "corporate"),
    Hint("lower-case letters, digits and inner hyphens, at most 63 characters (RFC 1123 label)"),
]
# MicroK8s registers a node under its host name in lower case, and refuses nothing: two spellings would be two nodes.
NodeName = Annotated[
    str,
    AfterValidator(_node_name),
    text_schema(LABEL, "node1"),
    Hint("the host's own name: lower-case letters, digits and inner hyphens, at most 63 characters, not localhost"),
]


_USER = r"[a-z_][a-z0-9_-]{0,31}"
UserName = Annotated[str, matching(_USER), text_schema(_USER, "ubuntu"), Hint("a Linux user name, e.g. ubuntu")]
_EMAIL = r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+"
Email = Annotated[str, matching(_EMAIL), text_schema(_EMAIL, "ops@example.org"), Hint("an e-mail address, e.g. ops@example.org")]
_FREE = r"\S(.*\S)?"
_SUBJECT = r"\S(.{0,62}\S)?"
# RFC 5280, ub-organization-name
Organization = Annotated[
    str, matching(_SUBJECT), text_schema(_SUBJECT, "Example Ltd"), Hint("one line of text, not empty, at most 64 characters")
]
Text = Annotated[str, matching(_FREE), text_schema(_FREE, "Example Ltd"), Hint("one line of text, not empty, no space around it")]
FilePath = Annotated[
    str,
    matching(_FREE),
    text_schema(_FREE, "/srv/mlops-bundle"),
    Hint("a path on the machine that deploys, e.g. /srv/mlops-bundle"),
]
# The program runs in a folder of the engine's choosing: a path that depends on it would mean another place each time.
_FOLDER = r"/(.*\S)?"
Folder = Annotated[
    str,
    matching(_FOLDER),
    text_schema(_FOLDER, "/srv/mlops-bundle"),
    Hint("the full path of a folder on the machine that deploys, from / on, e.g. /srv/mlops-bundle"),
]
_KEY_FILE = r"~?/(.*\S)"
KeyFile = Annotated[
    str,
    matching(_KEY_FILE),
    text_schema(_KEY_FILE, "~/.ssh/id_ed25519"),
    Hint("the full path of a file on the machine that deploys, from / or ~/ on, e.g. ~/.ssh/id_ed25519"),
]
Port = Annotated[int, Field(strict=True, ge=1, le=65535)]
_CHECK = r"[a-z][a-z0-9]*(-[a-z0-9]+)*"
CheckName = Annotated[
    str, matching(_CHECK), text_schema(_CHECK, "memory"), Hint("the name of a check as `mlops doctor` prints it, e.g. memory")
]
# /dev/sdb may be another disk after the next start.
_DISK = r"/dev/disk/by-id/[^/\s]+"
DiskPath = Annotated[
    str,
    matching(_DISK),
    text_schema(_DISK, "/dev/disk/by-id/nvme-eui.0025385b71b0f3e1"),
    Hint("a disk by its lasting name, /dev/disk/by-id/NAME", "`ls -l /dev/disk/by-id` on the host shows the names"),
]
Epoch = Annotated[int, Field(strict=True, ge=1, le=9999)]


def _channel(value: str) -> str:
    track, _, risk = value.partition("/")
    if re.fullmatch(r"1\.[0-9]+", track) and not risk:
        raise RefusedError(mend=f"name the risk as well: {track}/stable")
    if "-strict" in track:
        raise RefusedError(
            "a classic channel: strict confinement keeps storage and network plug-ins from their host paths",
            f"write {track.removesuffix('-strict')}/{risk or 'stable'}",
        )
    if track == "latest":
        raise RefusedError("a channel of one Kubernetes minor version: `latest` moves to the next by itself", "write 1.35/stable")
    if not re.fullmatch(_CHANNEL, value):
        raise RefusedError
    if track not in SUPPORTED_TRACKS:
        raise RefusedError(
            f"a channel of Kubernetes {', '.join(SUPPORTED_TRACKS)}, for which the other parts are made", "write 1.35/stable"
        )
    return value


SUPPORTED_TRACKS = ("1.33", "1.34", "1.35")
"""cert-manager 1.20 supports 1.32 to 1.35 (docs/decisions/0002); 1.33 is the oldest that MicroK8s still carries."""

_CHANNEL = r"1\.[0-9]{2}/(stable|candidate|beta|edge)"
SnapChannel = Annotated[
    str,
    AfterValidator(_channel),
    text_schema(_CHANNEL, "1.35/stable"),
    Hint("TRACK/RISK of the microk8s snap, e.g. 1.35/stable"),
]

# --- addresses --------------------------------------------------------------------------------------------------------------


def address(value: object) -> IPv4Address:
    """Read an IPv4 address that a host can have.

    Raises:
        RefusedError: it is something else.
    """
    if isinstance(value, IPv4Address):
        return value
    if not isinstance(value, str):
        raise RefusedError
    try:
        found = IPv4Address(value)
    except AddressValueError:
        raise RefusedError(_IPV4_ONLY if _is_ipv6(value) else "") from None
    if found.is_unspecified or found.is_loopback or found.is_multicast or found.is_link_local or int(found) >= 0xF0000000:
        raise RefusedError("an address that other machines can reach: not 0.0.0.0, loopback, link-local, multicast or broadcast")
    return found


_IPV4_ONLY = "an IPv4 address: the platform's networks are IPv4 only"


def _is_ipv6(value: str) -> bool:
    try:
        IPv6Address(value.partition("/")[0])
    except AddressValueError:
        return False
    return True


def network(value: object) -> IPv4Network:
    """Read an IPv4 network in CIDR notation.

    Raises:
        RefusedError: it is something else.
    """
    if isinstance(value, IPv4Network):
        return value
    if not isinstance(value, str) or "/" not in value:
        raise RefusedError
    if _is_ipv6(value):
        raise RefusedError(_IPV4_ONLY)
    try:
        network = IPv4Network(value, strict=False)
    except ValueError:
        raise RefusedError from None
    if str(network) != value:
        raise RefusedError("the first address of the network and its prefix length", f"write {network}")
    return network


def _reachable(value: str) -> str:
    if re.fullmatch(IPV4, value):
        return str(address(value))
    if value.startswith("[") and value.endswith("]"):
        raise RefusedError(mend=f"write it without brackets: {value[1:-1]}")
    if _is_ipv6(value):
        found = IPv6Address(value)
        if found.is_unspecified or found.is_loopback or found.is_multicast or found.is_link_local or found.ipv4_mapped:
            raise RefusedError("an address that other machines can reach: not ::, loopback, link-local, multicast or IPv4-mapped")
        return str(found)
    return _fqdn(value)


Address = Annotated[
    IPv4Address,
    BeforeValidator(address),
    PlainSerializer(str),
    text_schema(IPV4, "192.0.2.11"),
    Hint("an IPv4 address, e.g. 192.0.2.11"),
]
Cidr = Annotated[
    IPv4Network,
    BeforeValidator(network),
    PlainSerializer(str),
    text_schema(IPV4 + "/[0-9]{1,2}", "192.0.2.0/24"),
    Hint("an IPv4 network in CIDR notation, e.g. 192.0.2.0/24"),
]
AddressOrName = Annotated[
    str,
    AfterValidator(_reachable),
    text_schema(f"({IPV4}|{_IPV6}|{_FQDN})", "bastion.example.org"),
    Hint("an IPv4 or IPv6 address or a fully qualified domain name, e.g. bastion.example.org"),
]


@dataclass(frozen=True, slots=True)
class AddressRange:
    """IPv4 addresses from `first` to `last`, both included; written ``first-last``."""

    first: IPv4Address
    last: IPv4Address

    HINT = Hint("two IPv4 addresses, the lower one first, e.g. 192.0.2.200-192.0.2.220")

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"

    def __contains__(self, item: IPv4Address) -> bool:
        return self.first <= item <= self.last

    @property
    def networks(self) -> tuple[IPv4Network, ...]:
        """The fewest networks that hold exactly these addresses."""
        return tuple(summarize_address_range(self.first, self.last))

    def overlaps(self, network: IPv4Network) -> bool:
        """Whether an address lies in both."""
        return self.first <= network.broadcast_address and network.network_address <= self.last

    @classmethod
    def parse(cls, value: object) -> AddressRange:
        """Read ``first-last``; also accepts a range.

        Raises:
            RefusedError: it is something else.
        """
        if isinstance(value, AddressRange):
            return value
        if not isinstance(value, str):
            raise RefusedError
        ends = [end.strip() for end in value.split("-")]
        if len(ends) != 2:
            raise RefusedError
        first, last = (address(end) for end in ends)
        if first > last:
            raise RefusedError(mend=f"write {last}-{first}")
        return cls(first, last)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls.parse, serialization=core_schema.plain_serializer_function_ser_schema(str)
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "pattern": f"^{IPV4} *- *{IPV4}$", "examples": ["192.0.2.200-192.0.2.220"]}


# --- keys and certificates --------------------------------------------------------------------------------------------------

_KEYSCAN = (
    "compare what `ssh-keyscan -t ed25519{port} {address}` prints with the host's own /etc/ssh/ssh_host_ed25519_key.pub and set it"
)


def _host_key(value: str) -> str:
    words = value.split()
    # ssh-keyscan puts the host in front, the .pub file a comment at the end; both may be pasted as they are.
    if len(words) > 2 and words[1].startswith(("ssh-", "ecdsa-")):
        words = words[1:]
    if len(words) < 2 or words[0] != "ssh-ed25519":
        raise RefusedError
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (binascii.Error, ValueError):
        raise RefusedError("an ed25519 key that can be decoded: this one is cut or mistyped") from None
    # RFC 8709: string "ssh-ed25519", then a string of 32 bytes.
    if len(blob) != 51 or not blob.startswith(b"\0\0\0\x0bssh-ed25519\0\0\0\x20"):
        raise RefusedError("an ed25519 key that can be decoded: this one is cut or mistyped")
    return f"ssh-ed25519 {words[1]}"


def _certificates(value: str) -> str:
    from mlops.settings.certificates import load  # noqa: PLC0415  (cryptography takes 0.1 s to import; most sites hold no certificate)

    return load(value)[0]


def _certificate(value: str) -> str:
    if value.count("-----BEGIN CERTIFICATE-----") > 1:
        raise RefusedError("one certificate", "make each certificate an item or a setting of its own")
    return _certificates(value)


_PEM = r"(.|\n)*-----BEGIN CERTIFICATE-----(.|\n)*-----END CERTIFICATE-----\s*"
HostKey = Annotated[
    str,
    AfterValidator(_host_key),
    text_schema(r"(\S+ )?ssh-ed25519 [A-Za-z0-9+/=]+( .*)?", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI..."),
    Hint("the host's ed25519 public key: ssh-ed25519 AAAA...", _KEYSCAN),
]
CertificatePem = Annotated[
    str,
    AfterValidator(_certificate),
    WithJsonSchema({"type": "string", "pattern": _PEM}),
    Hint("one X.509 certificate in PEM form (-----BEGIN CERTIFICATE----- ...), as a block after `|`"),
]
CertificateChainPem = Annotated[
    str,
    AfterValidator(_certificates),
    WithJsonSchema({"type": "string", "pattern": _PEM}),
    Hint("one or more X.509 certificates in PEM form, as a block after `|`"),
]
