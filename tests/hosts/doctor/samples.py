"""Clean facts of three hosts, as probe.sh prints them, and a site that they fit."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from mlops.bundles.requests import Demand
from mlops.hosts.checks.check import Survey
from mlops.hosts.expectations import Expectations, Wanted
from mlops.hosts.facts import Facts

NOW = 1_790_000_000
NAMES = ("node1", "node2", "node3")
ADDRESSES = {name: f"192.0.2.1{number}" for number, name in enumerate(NAMES, 1)}
DISK = "/dev/disk/by-id/nvme-one"
STORE = "api.snapcraft.io"
DF = "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/vda1 {size} {used} {free} {percent}% /"
RELEASE = 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nID=debian\nVERSION_ID="13"\n'


def release(name: str, version: str, like: str = "") -> str:
    return f'PRETTY_NAME="{name} {version}"\nID={name}\nVERSION_ID="{version}"\nID_LIKE="{like}"\n'


def df(percent: int, size_gib: int = 250) -> str:
    size = size_gib * 1024 * 1024
    used = size * percent // 100
    return DF.format(size=size, used=used, free=size - used, percent=percent)


def disk(**device: Any) -> dict[str, Any]:
    found = {"path": "/dev/nvme0n1", "type": "disk", "size": 500 * 1024**3, "fstype": None, "pttype": None, "mountpoint": None}
    return {"path": DISK, "device": "/dev/nvme0n1", "lsblk": {"blockdevices": [{**found, **device}]}}


def peers(name: str) -> str:
    host = wanted().host(name)
    return "\n".join(f"{other.address} {port} refused" for other, port in wanted().peers_of(host))


def origin(name: str, connection: str, seen: str = "", via: str = "proxy", port: int = 443) -> str:
    return f"{name}:{port}\t{via}\t{connection}\t{seen}"


def passed(name: str, issuer: str = "C = XX, CN = Example Proxy Root", answer: str = "HTTP/1.1 401 Unauthorized") -> str:
    seen = f"subject=CN = {name}|issuer={issuer}|Verify return code: 0 (ok)|{answer}|content-type: application/json|"
    return origin(name, "HTTP/1.1 200 Connection established", seen)


STORE_ANSWER = "HTTP/1.1 200 OK|channel=1.35/stable|channel=1.34/stable"


def facts(name: str, **changes: Any) -> dict[str, Any]:
    number = NAMES.index(name) + 1
    others = [other for other in NAMES if other != name]
    clean = {
        "host": name,
        "host_name": name,
        "machine_id": str(number) * 32,
        "time": NOW,
        "cores": 8,
        "sse4_2": True,
        "memory_kib": 32 * 1024 * 1024,
        "hugepages": 0,
        "var": df(20),
        "data_disks": [disk()] if name == "node3" else [],
        "swaps": "Filename Type Size Used Priority",
        "os_release": RELEASE,
        "kernel": "6.12.48+deb13-amd64",
        "architecture": "x86_64",
        "cgroup2": True,
        "modules": dict.fromkeys(
            ("br_netfilter", "overlay", "nf_conntrack", "vxlan", "ip_set", "ip_tables", "nf_tables", "nvme_tcp"), True
        ),
        "sysctls": {"fs.inotify.max_user_instances": "128", "fs.inotify.max_user_watches": "60000"},
        "nvme_multipath": "Y",
        "time_synchronised": "yes",
        "selinux": "",
        "snapd": "",
        "addresses": f"1: lo    inet 127.0.0.1/8 scope host lo\n2: eth0    inet {ADDRESSES[name]}/24 brd 192.0.2.255 scope global",
        "mtu": {"eth0": 1500},
        "routes": "eth0 00000000 010200C0 0003 0 0 0 00000000 0 0 0\neth0 000200C0 00000000 0001 0 0 0 00FFFFFF 0 0 0",
        "listening": "tcp 22",
        "firewall": "",
        "snaps": "",
        "worker": False,
        "cni": "",
        "records": "",
        "found": "",
        "peers": peers(name),
        "shared": "192.0.2.200 443 unreachable" if name == "node1" else "",
        "neighbours": "IP address HW type Flags HW address Mask Device\n192.0.2.201 0x1 0x0 00:00:00:00:00:00 * eth0",
        "names": "\n".join(f"{other} {ADDRESSES[other]}" for other in others),
        "origins": f"{passed(STORE, answer=STORE_ANSWER)}\n{passed('registry-1.docker.io')}",
        "nodes": "",
        "volumes": "",
    }
    assert not set(changes) - set(clean), "a fact that no probe tells"
    return {**clean, **changes}


def wanted(**changes: Any) -> Expectations:
    roles = {"node1": ("control-plane", "worker"), "node2": ("worker",), "node3": ("worker", "storage")}
    site = Expectations(
        site="test",
        hosts=tuple(
            Wanted(
                name=name,
                address=IPv4Address(ADDRESSES[name]),
                roles=roles[name],
                os_family="auto",
                data_disks=(DISK,) if name == "node3" else (),
                labels={},
                taints=(),
            )
            for name in NAMES
        ),
        lost=(),
        channel="1.35/stable",
        offline=False,
        kube_proxy_mode="auto",
        pod_cidr=IPv4Network("10.1.0.0/16"),
        service_cidr=IPv4Network("10.152.183.0/24"),
        node_subnet=IPv4Network("192.0.2.0/24"),
        load_balancer=(IPv4Address("192.0.2.200"), IPv4Address("192.0.2.219")),
        firewall="open",
        selinux="leave",
        proxy="http://proxy.example:3128",
        proxy_user="",
        origins=((STORE, 443, "/"), ("registry-1.docker.io", 443, "/v2/")),
        extra_roots=("CN=Example Proxy Root,C=XX",),
        demand=Demand(cpu=4, memory=12 * 1024**3, pods=60, node_cpu=0.1, node_pods=2),
        skipped=(),
    )
    return site.model_copy(update=changes)


def survey(changes: dict[str, dict[str, Any]] | None = None, site: dict[str, Any] | None = None, **more: Any) -> Survey:
    found = {name: Facts.parse(json.dumps(facts(name, **(changes or {}).get(name, {})))) for name in NAMES}
    return replace(Survey(wanted(**(site or {})), found), **more)


def snaps(channel: str) -> str:
    return f"Name Version Rev Tracking Publisher Notes\nmicrok8s v1.35.4 8000 {channel} canonical** classic,held"


def node(
    name: str,
    *,
    plane: bool = False,
    ready: bool = True,
    machine: str = "",
    labels: dict[str, str] | None = None,
    cordoned: bool = False,
) -> str:
    own = {"node.kubernetes.io/microk8s-controlplane": "microk8s-controlplane"} if plane else {}
    return "\t".join([name, machine, str(ready), json.dumps({**own, **(labels or {})}), "", "true" if cordoned else ""])
