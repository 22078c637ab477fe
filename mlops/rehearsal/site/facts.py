"""What a throw-away host shows of its hardware and kernel: a suitable machine unless a test says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

GIB = 1024**3
# What a stock kernel of any of the systems can load, as far as anything here looks for it (names as in /proc/modules).
MODULES = (
    "br_netfilter",
    "ext4",
    "ip_set",
    "ip_tables",
    "iptable_nat",
    "nf_conntrack",
    "nf_tables",
    "nft_compat",
    "nvme_core",
    "nvme_fabrics",
    "nvme_tcp",
    "overlay",
    "vxlan",
    "xfs",
    "xt_conntrack",
    "xt_set",
)


@dataclass(frozen=True, slots=True)
class Disk:
    """A block device.

    Attributes:
        name: kernel name, e.g. ``vdb``.
        size: bytes.
        by_id: its name under /dev/disk/by-id; empty for a disk without one.
        fstype: signature of the whole disk, e.g. ``ext4`` or ``LVM2_member``; empty for an empty disk.
        partitions: file system types of its partitions, in order (``vdb1``, ...); empty text for one without a signature.
        mount: where its first partition is mounted, if anywhere.
    """

    name: str
    size: int = 200 * GIB
    by_id: str = ""
    fstype: str = ""
    partitions: tuple[str, ...] = ()
    mount: str = ""


@dataclass(frozen=True, slots=True)
class HostFacts:
    """Facts of one host.

    Attributes:
        cores: processors.
        cpu_flags: of each processor, as /proc/cpuinfo names them.
        memory_kib: total memory in KiB.
        disks: block devices.
        var_kib: size of the file system under /var in KiB, as ``df -Pk`` tells it.
        var_used_percent: how full that is.
        kernel: release of the running kernel; the system's own when empty.
        modules: what the kernel can load, beside what packages put under /lib/modules.
        loaded: modules that are loaded at each boot by themselves.
        cgroup: 2 for the unified hierarchy, else 1.
        nvme_multipath: parameter of nvme_core, ``Y`` or ``N``; empty: the kernel has no such parameter.
        hugepages_available: how many pages of 2 MiB the kernel can give; asking for more gives that many.
        sysctls: values under /proc/sys at boot that differ from the usual ones (key with dots).
        swaps: swap devices in /etc/fstab, in use from boot on.
        ntp_synchronized: whether the clock is kept in time.
        clock_offset: by how many seconds the host's ``date`` is off.
        selinux: ``enforcing``, ``permissive``, ``disabled`` or, without SELinux, empty.
        firewalld: ``running``, ``stopped`` or, when it is not installed, empty.
        mtu: of eth0.
        machine_id: 32 hexadecimal digits; derived from the names of site and host when empty.
        host_name: what ``hostname`` tells when it is not the name in the settings.
        snapd: version of snapd; the one that the system packages when empty.
    """

    cores: int = 16
    cpu_flags: tuple[str, ...] = ("fpu", "sse4_1", "sse4_2", "aes", "avx", "avx2")
    memory_kib: int = 64 * 1024**2
    disks: tuple[Disk, ...] = (Disk("vda", partitions=("ext4",), mount="/"),)
    var_kib: int = 200 * 1024**2
    var_used_percent: int = 10
    kernel: str = ""
    modules: tuple[str, ...] = MODULES
    loaded: tuple[str, ...] = ("ext4", "nvme_core", "overlay")
    cgroup: Literal[1, 2] = 2
    nvme_multipath: Literal["Y", "N", ""] = "Y"
    hugepages_available: int = 8192
    sysctls: Mapping[str, str] = field(default_factory=dict)
    swaps: tuple[str, ...] = ()
    ntp_synchronized: bool = True
    clock_offset: int = 0
    selinux: Literal["", "enforcing", "permissive", "disabled"] = ""
    firewalld: Literal["", "running", "stopped"] = ""
    mtu: int = 1500
    machine_id: str = ""
    host_name: str = ""
    snapd: str = ""

    @classmethod
    def load(cls, data: Mapping[str, Any]) -> HostFacts:
        """Facts from what JSON made of :func:`dataclasses.asdict`."""
        disks = tuple(Disk(**{**disk, "partitions": tuple(disk["partitions"])}) for disk in data["disks"])
        lists = {name: tuple(value) for name, value in data.items() if isinstance(value, list)}
        return cls(**{**data, **lists, "disks": disks})
