"""Checks of the operating system."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlops.hosts.checks.check import Fault, Subject, of_host

# The same list as in scripts/family.sh, which refuses what is not in it; a test holds them together.
SUPPORTED = (
    "Ubuntu 22.04, 24.04, 26.04; Debian 12, 13; RHEL, Rocky Linux, AlmaLinux 9 (10 as an experiment); "
    "openSUSE Leap 15.6 (SLES 15 SP6 and SP7 as an experiment)"
)
_RELEASES = re.compile(r"ubuntu:(22|24|26)\.04|debian:1[23]|opensuse-leap:15\.6|(rhel|rocky|almalinux):9(\.\d+)?")
_EXPERIMENTS = re.compile(r"(rhel|rocky|almalinux):10(\.\d+)?|sles:15\.[67]")
OLDEST_STORAGE_KERNEL = (5, 13)  # OpenEBS Mayastor, prerequisites
NEEDED_MODULES = ("br_netfilter", "overlay", "nf_conntrack", "vxlan", "ip_set")
INOTIFY = {"fs.inotify.max_user_instances": 2280, "fs.inotify.max_user_watches": 1255360}  # kubeflow/community-distribution
OLDEST_SNAPD = (2, 58)  # `snap refresh --hold`


@of_host("os", "error", SUPPORTED, "install one of these")
def system(subject: Subject) -> Iterator[Fault]:
    """Releases that the scripts know."""
    facts = subject.facts
    release = f"{facts.release.get('ID', '')}:{facts.release.get('VERSION_ID', '')}"
    if _EXPERIMENTS.fullmatch(release):
        yield Fault(f"{facts.system}, an experiment", mend="nothing, if you mean to try it", severity="warning")
    elif not _RELEASES.fullmatch(release):
        yield Fault(facts.system)


@of_host("os-family", "error", "the family that osFamily names, or osFamily: auto", "correct osFamily of this host")
def os_family(subject: Subject) -> Iterator[Fault]:
    """Another system than the file says is another machine than was meant."""
    there, wanted = subject.facts.family, subject.host.os_family
    if wanted not in {"auto", there}:
        yield Fault(f"{subject.facts.system}, family {there}; the settings say {wanted}")


@of_host("kernel", "error", "kernel 5.13 or later on a storage host, better 5.15", "update the kernel and restart the host")
def kernel(subject: Subject) -> Iterator[Fault]:
    """Mayastor's initiator."""
    if subject.host.is_storage and subject.facts.kernel_version < OLDEST_STORAGE_KERNEL:
        yield Fault(f"kernel {subject.facts.kernel}")


@of_host(
    "cgroup",
    "error",
    "cgroup v2, the unified hierarchy",
    "boot with the kernel argument systemd.unified_cgroup_hierarchy=1",
)
def cgroup(subject: Subject) -> Iterator[Fault]:
    """From Kubernetes 1.35 on the kubelet refuses to start on cgroup v1 (KEP 5573)."""
    if not subject.facts.cgroup2:
        yield Fault("cgroup v1", severity="error" if subject.wanted.channel >= "1.35" else "warning")


@of_host(
    "modules",
    "error",
    f"kernel modules {', '.join(NEEDED_MODULES)}",
    "install what the distribution packages apart: linux-modules-extra-$(uname -r), kernel-modules-extra, kernel-default",
)
def modules(subject: Subject) -> Iterator[Fault]:
    """Modules that pod networking loads."""
    missing = [name for name in NEEDED_MODULES if not subject.facts.modules.get(name, False)]
    if missing:
        yield Fault(f"the running kernel has no {', '.join(missing)}")


@of_host(
    "ip-tables",
    "error",
    "module ip_tables, or nf_tables with kube-proxy in mode nftables",
    "set cluster.kubeProxyMode to auto or nftables",
)
def ip_tables(subject: Subject) -> Iterator[Fault]:
    """Without ip_tables kube-proxy in mode iptables ends again and again (microk8s #5525)."""
    there, mode = subject.facts.modules, subject.wanted.kube_proxy_mode
    if not there.get("ip_tables") and not there.get("nf_tables"):
        yield Fault("neither ip_tables nor nf_tables in the running kernel", mend="install a kernel that has one of them")
    elif mode == "iptables" and not there.get("ip_tables"):
        yield Fault("no ip_tables in the running kernel, and cluster.kubeProxyMode is iptables")
    elif mode == "nftables" and not there.get("nf_tables"):
        yield Fault(
            "no nf_tables in the running kernel, and cluster.kubeProxyMode is nftables", mend="set cluster.kubeProxyMode to auto"
        )


@of_host(
    "nvme-tcp",
    "error",
    "module nvme_tcp on a storage host",
    "install linux-modules-extra-$(uname -r) (Ubuntu), kernel-modules-extra (RHEL family) or kernel-default (SUSE)",
)
def nvme_tcp(subject: Subject) -> Iterator[Fault]:
    """By it volumes are reached. A module that the deployment's package brings is there only afterwards."""
    if subject.host.is_storage and not subject.facts.modules.get("nvme_tcp"):
        brought = subject.facts.family != "debian" or subject.facts.release.get("ID") == "ubuntu"
        yield Fault(
            "the running kernel has no nvme_tcp", severity="warning" if brought and not subject.facts.prepared_for_storage else None
        )


@of_host(
    "nvme-multipath",
    "warning",
    "native NVMe multipath on a storage host: volumes survive the loss of a path by it",
    "boot with the kernel argument nvme_core.multipath=Y; kernels of the RHEL 10 family have none",
)
def nvme_multipath(subject: Subject) -> Iterator[Fault]:
    """The file is there only once nvme_core is loaded."""
    if subject.host.is_storage and subject.facts.nvme_multipath in {"N", "0"}:
        yield Fault("NVMe multipath is off")


@of_host(
    "inotify",
    "error",
    "; ".join(f"{key} = {value} or more" for key, value in INOTIFY.items()),
    "a later file in /etc/sysctl.d or /etc/sysctl.conf lowers it: take that line out, then run `sysctl --system`",
)
def inotify(subject: Subject) -> Iterator[Fault]:
    """The deployment sets both; on a host that it has prepared a lower value comes from elsewhere."""
    for key, needed in INOTIFY.items():
        there = subject.facts.sysctls.get(key, "")
        if subject.facts.prepared and there.isdigit() and int(there) < needed:
            yield Fault(f"{key} = {there}")


@of_host(
    "time-sync",
    "warning",
    "a clock that is kept in time by chrony or systemd-timesyncd",
    "install chrony, or `timedatectl set-ntp true`",
)
def time_sync(subject: Subject) -> Iterator[Fault]:
    """A clock that nobody keeps drifts until tokens and certificates are refused."""
    if subject.facts.time_synchronised == "no":
        yield Fault("a clock that nothing synchronises")


@of_host(
    "selinux",
    "warning",
    "SELinux permissive or off, or hosts.selinux: leave on purpose",
    "nothing, or hosts.selinux: permissive: MicroK8s is not tested by its makers with SELinux enforcing",
)
def selinux(subject: Subject) -> Iterator[Fault]:
    """It is never changed unasked."""
    if subject.facts.selinux == "1" and subject.wanted.selinux == "leave":
        yield Fault("SELinux is enforcing")


@of_host("snapd", "error", "snapd 2.58 or later, which can hold a snap", "`snap install snapd` on the host")
def snapd(subject: Subject) -> Iterator[Fault]:
    """The deployment replaces an older one by the snap of the same name, before it installs MicroK8s."""
    found = re.match(r"(\d+)\.(\d+)", subject.facts.snapd)
    if subject.facts.channel and found and (int(found[1]), int(found[2])) < OLDEST_SNAPD:
        yield Fault(f"snapd {subject.facts.snapd}")


CHECKS = (
    system,
    os_family,
    kernel,
    cgroup,
    modules,
    ip_tables,
    nvme_tcp,
    nvme_multipath,
    inotify,
    time_sync,
    selinux,
    snapd,
)
