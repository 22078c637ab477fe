"""What a probe found on a host: read from the JSON of ``scripts/probe.sh`` and understood here, so that the script stays small."""

from __future__ import annotations

import json
import re
import struct
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from mlops.hosts.origins import OriginAnswer, origin_answer

MIB = 1024

Family = Literal["debian", "redhat", "suse", "unsupported"]


class FactsError(ValueError):
    """What a probe printed cannot be read: the text says where."""


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk of the settings, as the host has it.

    Attributes:
        path: its stable path in the settings.
        device: what that points to; empty when there is none.
        size: bytes.
        kind: what lsblk calls it, e.g. ``disk`` or ``part``.
        content: what stands on it, e.g. ``a partition table (gpt)``; empty when it is empty.
    """

    path: str
    device: str
    size: int
    kind: str
    content: str


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the cluster as its API server tells.

    Attributes:
        name: its name.
        machine_id: of the machine that it runs on.
        ready: whether it is Ready.
        labels: its labels.
        taints: its taints, as ``key=value:effect``.
        cordoned: whether no pod is put there.
    """

    name: str
    machine_id: str
    ready: bool
    labels: dict[str, str]
    taints: tuple[str, ...]
    cordoned: bool

    @property
    def is_control_plane(self) -> bool:
        """Whether it runs the control plane: MicroK8s labels these nodes."""
        return "node.kubernetes.io/microk8s-controlplane" in self.labels


@dataclass(frozen=True, slots=True)
class Volume:
    """A PersistentVolume that is bound to nodes.

    Attributes:
        name: its name.
        claim: namespace/name of its claim.
        nodes: nodes that it is bound to.
    """

    name: str
    claim: str
    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """One line of what a step left on the host: step, kind, name, value (contract of ``record`` in lib.sh)."""

    step: str
    kind: str
    name: str
    value: str


class Facts(BaseModel):
    """Facts of one host. Texts stand as the host gave them; what they mean is in the properties.

    Those with a default are left out when a probe was asked for records only.

    Attributes:
        host: name of the settings.
        host_name: its own name.
        machine_id: /etc/machine-id.
        time: seconds since 1970 by its clock.
        memory_kib: memory.
        hugepages: pages of 2 MiB that are set aside.
        modules: kernel module -> whether the running kernel has it.
        mtu: interface -> MTU.
        worker: whether MicroK8s runs here as a worker.
        cni: what its network add-on is told (args/cni-env).
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    host: str
    host_name: str
    machine_id: str
    time: int
    cores: int = 0
    sse4_2: bool = False
    memory_kib: int = 0
    hugepages: int = 0
    var: str = ""
    data_disks: tuple[dict[str, Any], ...] = ()
    swaps: str = ""
    os_release: str = ""
    kernel: str = ""
    architecture: str = ""
    cgroup2: bool = False
    modules: dict[str, bool] = {}
    sysctls: dict[str, str] = {}
    nvme_multipath: str = ""
    time_synchronised: str = ""
    selinux: str = ""
    snapd: str = ""
    addresses: str = ""
    mtu: dict[str, int] = {}
    routes: str = ""
    listening: str = ""
    firewall: str = ""
    snaps: str
    worker: bool
    cni: str = ""
    records: str
    found: str = ""
    peers: str
    shared: str
    neighbours: str
    names: str
    origins: str
    nodes: str
    volumes: str

    @classmethod
    def parse(cls, text: str) -> Facts:
        """Read what a probe printed.

        Raises:
            FactsError: it is no JSON, or lacks something.
        """
        try:
            return cls.model_validate_json(text.strip())
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "the whole of it"
            raise FactsError(f"{place}: {first['msg']} (in {text.strip()[:80]!r})") from None

    @cached_property
    def release(self) -> dict[str, str]:
        """/etc/os-release as names and values."""
        pairs = (line.partition("=") for line in self.os_release.splitlines() if not line.startswith("#"))
        return {name.strip(): value.strip().strip("\"'") for name, _, value in pairs}

    @property
    def system(self) -> str:
        """The operating system as it calls itself."""
        return self.release.get("PRETTY_NAME") or self.release.get("ID") or "an operating system without /etc/os-release"

    @property
    def family(self) -> Family:
        """Family of the operating system, by ID and ID_LIKE."""
        words = [self.release.get("ID", ""), *self.release.get("ID_LIKE", "").split()]
        for word in words:
            if word in {"debian", "ubuntu"}:
                return "debian"
            if word in {"rhel", "fedora", "centos", "rocky", "almalinux"}:
                return "redhat"
            if word.startswith(("suse", "opensuse", "sles")):
                return "suse"
        return "unsupported"

    @property
    def kernel_version(self) -> tuple[int, int]:
        """Major and minor version of the running kernel; zeros when it does not tell."""
        found = re.match(r"(\d+)\.(\d+)", self.kernel)
        return (int(found[1]), int(found[2])) if found else (0, 0)

    @property
    def var_free_kib(self) -> int:
        """Free space under /var."""
        return int(self._df()[3])

    @property
    def var_size_kib(self) -> int:
        """Size of the file system that holds /var."""
        return int(self._df()[1])

    @property
    def var_used_percent(self) -> int:
        """How full it is."""
        return int(self._df()[4].rstrip("%"))

    def _df(self) -> list[str]:
        lines = self.var.splitlines()
        fields = lines[1].split() if len(lines) > 1 else []
        return fields if len(fields) >= 6 and fields[1].isdigit() and fields[3].isdigit() else ["", "0", "0", "0", "0%", ""]

    @cached_property
    def disks(self) -> tuple[Disk, ...]:
        """The data disks of the settings."""
        return tuple(_disk(entry) for entry in self.data_disks)

    @property
    def swap_devices(self) -> tuple[str, ...]:
        """Swap that is on."""
        return tuple(line.split()[0] for line in self.swaps.splitlines()[1:] if line.strip())

    @cached_property
    def interfaces(self) -> dict[str, tuple[IPv4Interface, ...]]:
        """Addresses by interface."""
        found: dict[str, tuple[IPv4Interface, ...]] = {}
        for line in self.addresses.splitlines():
            words = line.split()
            if len(words) > 3 and words[2] == "inet":
                found[words[1]] = (*found.get(words[1], ()), IPv4Interface(words[3]))
        return found

    def interface_of(self, address: IPv4Address) -> str:
        """Interface that has an address; empty when none has."""
        return next((name for name, has in self.interfaces.items() if any(entry.ip == address for entry in has)), "")

    @cached_property
    def routed(self) -> tuple[tuple[str, IPv4Network], ...]:
        """Routes: interface and network."""
        lines = (line.split() for line in self.routes.splitlines())
        return tuple(
            (words[0], IPv4Network((_hexadecimal(words[1]), str(IPv4Address(_hexadecimal(words[7])))), strict=False))
            for words in lines
            if len(words) > 7
        )

    @cached_property
    def ports(self) -> frozenset[str]:
        """Ports that something listens on, as ``tcp 443``."""
        return frozenset(self.listening.splitlines())

    @cached_property
    def resolved(self) -> dict[str, tuple[str, ...]]:
        """Name of another host -> addresses that this host finds for it; none when it finds none."""
        found: dict[str, tuple[str, ...]] = {}
        for name, address in _pairs(self.names):
            found[name] = found.get(name, ()) if address == "-" else (*found.get(name, ()), address)
        return found

    @cached_property
    def connections(self) -> dict[tuple[str, int], str]:
        """Address and port of another host -> ``open``, ``refused`` or ``unreachable``; what never answered is missing."""
        return _connections(self.peers)

    @property
    def answering(self) -> frozenset[IPv4Address]:
        """Addresses of the load balancer's range that somebody has: they take or refuse connections, or answer ARP."""
        taken = {IPv4Address(address) for (address, _), state in _connections(self.shared).items() if state != "unreachable"}
        for line in self.neighbours.splitlines()[1:]:
            words = line.split()
            # flag 0x2: the entry is complete (linux/if_arp.h, ATF_COM)
            if len(words) > 3 and int(words[2], 16) & 2 and words[3] != "00:00:00:00:00:00":
                taken.add(IPv4Address(words[0]))
        return frozenset(taken)

    @property
    def asked(self) -> tuple[OriginAnswer, ...]:
        """What came of asking origins."""
        return tuple(origin_answer(line) for line in self.origins.splitlines() if line.count("\t") >= 3)

    @property
    def channel(self) -> str:
        """Channel of MicroK8s; empty when it is not installed."""
        return next((words[3] for words in self._snap_lines() if words[0] == "microk8s"), "")

    @property
    def networks(self) -> tuple[str, str]:
        """Networks of the pods and of the Services that MicroK8s runs with; empty texts where it does not tell."""
        told = {name.strip(): value.replace('"', "") for name, _, value in (line.partition("=") for line in self.cni.splitlines())}
        return told.get("IPv4_CLUSTER_CIDR", ""), told.get("IPv4_SERVICE_CIDR", "")

    @property
    def snap_state(self) -> dict[str, str]:
        """Installed snap -> its channel and whether it is held, as a record has it."""
        return {words[0]: f"{words[3]}\t{'held' if 'held' in words[5] else '-'}" for words in self._snap_lines()}

    def _snap_lines(self) -> list[list[str]]:
        return [words for line in self.snaps.splitlines()[1:] if len(words := line.split()) >= 6]

    @property
    def prepared(self) -> bool:
        """Whether a deployment has left records here."""
        return bool(self.recorded)

    @property
    def prepared_for_storage(self) -> bool:
        """Whether it was prepared with the role storage; a host that gets the role later has records, too."""
        return ("sysctl", "vm.nr_hugepages") in {(record.kind, record.name) for record in self.recorded}

    @cached_property
    def recorded(self) -> tuple[Record, ...]:
        """What steps have left on the host."""
        rows = (line.split("\t") for line in self.records.splitlines())
        return tuple(Record(row[0], row[1], row[2], "\t".join(row[3:])) for row in rows if len(row) >= 3)

    @cached_property
    def present(self) -> dict[tuple[str, str], str]:
        """Kind and name of a record -> what is there now; what is not there is missing."""
        rows = (line.split("\t", 2) for line in self.found.splitlines())
        return {(row[0], row[1]): row[2] for row in rows if len(row) == 3}

    @cached_property
    def members(self) -> tuple[Node, ...]:
        """Nodes of the cluster, as far as this host was asked and may ask."""
        return tuple(_node(line.split("\t")) for line in self.nodes.splitlines() if line.count("\t") >= 3)

    @cached_property
    def bound_volumes(self) -> tuple[Volume, ...]:
        """PersistentVolumes that are bound to nodes."""
        rows = (line.split("\t") for line in self.volumes.splitlines())
        return tuple(Volume(row[0], row[1], tuple(row[2].split())) for row in rows if len(row) == 3 and row[2].strip())


def _pairs(text: str) -> list[tuple[str, str]]:
    return [(words[0], words[1]) for line in text.splitlines() if len(words := line.split()) == 2]


def _connections(text: str) -> dict[tuple[str, int], str]:
    return {(words[0], int(words[1])): words[2] for line in text.splitlines() if len(words := line.split()) == 3}


def _hexadecimal(text: str) -> int:
    # the kernel prints addresses as it holds them, in the byte order of the machine
    return int(struct.unpack(">I", struct.pack("=I", int(text, 16)))[0])


def _disk(entry: dict[str, Any]) -> Disk:
    tree = (entry.get("lsblk") or {}).get("blockdevices") or [{}]
    top = tree[0]
    content = ""
    if top.get("pttype"):
        content = f"a partition table ({top['pttype']})"
    elif top.get("children"):
        content = ", ".join(f"{child.get('type') or 'a device'} {child.get('path')}" for child in top["children"])
    elif top.get("fstype"):
        content = f"a signature ({top['fstype']})"
    if top.get("mountpoint"):
        content += f"{' ' if content else ''}mounted at {top['mountpoint']}"
    return Disk(entry["path"], entry.get("device") or "", int(top.get("size") or 0), top.get("type") or "", content)


def _node(row: list[str]) -> Node:
    labels = json.loads(row[3]) if row[3].strip() else {}
    taints = json.loads(row[4]) if len(row) > 4 and row[4].strip() else []
    texts = tuple(f"{taint['key']}={taint.get('value', '')}:{taint['effect']}" for taint in taints)
    return Node(row[0], row[1], row[2] == "True", dict(labels), texts, cordoned=row[5:] == ["true"])
