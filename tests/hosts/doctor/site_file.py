"""A site file for a throw-away site of the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from mlops.rehearsal.site.spec import HostSpec
from tests.rehearsal.site.site_for_tests import SiteForTests

DISK = "/dev/disk/by-id/virtio-data"
PREFIX = "onprem-mlops:"


def write_site(path: Path, site: SiteForTests, *, bastion: bool = False, **changes: Any) -> Path:
    """Writes the site file of a site whose key lies in the same folder; ``changes`` are laid over ``hosts`` and other sections."""
    spec = site.spec
    access: dict[str, Any] = {"user": "deploy", "keyFile": str(path.parent / "id"), "waitSeconds": 5}
    if bastion and spec.bastion:
        access["bastion"] = {
            "address": spec.bastion.address,
            "user": spec.bastion.user,
            "hostKey": site.host_keys["bastion"].strip(),
        }
    values: dict[str, Any] = {
        "name": spec.name,
        "domain": spec.domain,
        "hosts": {"access": access, "nodes": [_node(host, site) for host in spec.hosts]},
        "cluster": {"kind": "microk8s", "channel": "1.35/stable"},
        "network": {
            "nodeSubnet": spec.node_subnet,
            "loadBalancerRange": "192.168.50.200-192.168.50.204",
            "gatewayAddress": "192.168.50.200",
        },
        "trust": {"authority": {"kind": "own", "organization": "Example"}},
    }
    for section, change in changes.items():
        values[section] = {**values[section], **change} if isinstance(values.get(section), dict) else change
    path.write_text(yaml.safe_dump({"config": {f"{PREFIX}{name}": value for name, value in values.items()}}))
    return path


def _node(host: HostSpec, site: SiteForTests) -> dict[str, Any]:
    roles = ["control-plane", "worker"] if host.control_plane else list(host.roles)
    node: dict[str, Any] = {
        "name": host.name,
        "address": host.address,
        "hostKey": site.host_keys[host.name].strip(),
        "roles": roles,
    }
    if "storage" in roles:
        node["dataDisks"] = [DISK]
    return node
