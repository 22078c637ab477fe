"""A site for tests: three hosts and a bastion in another subnet, with keys made anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from mlops.rehearsal.site.facts import HostFacts
from mlops.rehearsal.site.spec import HostSpec, Role, SiteSpec
from mlops.rehearsal.site.systems import DEFAULT


def key_pair() -> tuple[str, str]:
    key = ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption())
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return private.decode(), public.decode()


@dataclass(frozen=True)
class SiteForTests:
    spec: SiteSpec
    client_key: str
    host_keys: dict[str, str]

    def write(self, directory: Path) -> Path:
        """Writes spec.json, id (client key) and known_hosts; returns the path of spec.json."""
        directory.mkdir(parents=True, exist_ok=True)
        self.spec.save(directory / "spec.json")
        identity = directory / "id"
        identity.touch(mode=0o600)
        identity.write_text(self.client_key)
        lines = [f"{host.address} {self.host_keys[host.name]}\n" for host in self.spec.all_hosts]
        (directory / "known_hosts").write_text("".join(lines))
        return directory / "spec.json"


def make_site(
    name: str = "test", *, systems: Mapping[str, str] | None = None, facts: Mapping[str, HostFacts] | None = None
) -> SiteForTests:
    """The site; its hosts have the usual system and facts unless told otherwise, by name."""
    client, public = key_pair()
    keys: dict[str, str] = {}

    def host(host_name: str, address: str, user: str, *roles: Role) -> HostSpec:
        private, keys[host_name] = key_pair()
        return HostSpec(
            host_name,
            address,
            24,
            roles,
            private,
            user,
            public,
            os=(systems or {}).get(host_name, DEFAULT),
            facts=(facts or {}).get(host_name, HostFacts()),
        )

    hosts = (
        host("node1", "192.168.50.11", "deploy", "control-plane"),
        host("node2", "192.168.50.12", "deploy", "worker"),
        host("node3", "192.168.50.13", "deploy", "worker", "storage"),
    )
    bastion = host("bastion", "192.168.60.2", "jump")
    spec = SiteSpec(
        name, "mlops.example", hosts, "192.168.50.0/24", reserved=("192.168.50.1-192.168.50.9",), bastion=bastion, delay_scale=0
    )
    return SiteForTests(spec, client, keys)
