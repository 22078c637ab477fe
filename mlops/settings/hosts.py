"""The machines: what each one does, and what is done to it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Literal

from pydantic import Field

from mlops.settings.access import Access, HostAccess
from mlops.settings.kubernetes import LabelKey, LabelValue, TaintKey
from mlops.settings.section import Section
from mlops.settings.types import Address, AddressOrName, CheckName, DiskPath, Epoch, HostKey, NodeName, Port, Text, UserName

__all__ = ["CHECK_NAMES", "Host", "Hosts", "Preflight", "Skip", "Taint"]

Role = Literal["control-plane", "worker", "storage"]
OsFamily = Literal["auto", "debian", "redhat", "suse"]
TaintEffect = Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]

CHECK_NAMES: tuple[str, ...] = (
    *("reachable", "sudo", "os", "os-family", "kernel", "cgroup", "cores", "memory", "disk", "cpu-flags", "data-disks", "modules"),
    *("ip-tables", "nvme-tcp", "nvme-multipath", "inotify", "hugepages", "swap", "time-sync", "clock", "host-name", "address"),
    *("name-resolution", "default-route", "ports", "node-ports", "firewall", "selinux", "snapd", "proxy", "proxy-credentials"),
    *("proxy-login-page", "origins", "tls-interception", "snap-channel", "routes", "load-balancer-range", "microk8s"),
    *("networks", "role", "unique-names", "unique-machine-ids", "mtu", "capacity", "pods", "lost", "removal", "trust", "offline"),
    *("passphrase", "state-backend", "settings"),
)
"""Names of the checks before the first change, in the order of the report."""


class Taint(Section):
    """What keeps pods off a node that do not tolerate it."""

    key: TaintKey = Field(description="Key of the taint, e.g. nvidia.com/gpu.")
    value: LabelValue = Field(default="", description="Value that a toleration has to name; none when left out.")
    effect: TaintEffect = Field(description="NoSchedule, PreferNoSchedule, or NoExecute, which evicts running pods as well.")


class Host(Section):
    """One host."""

    name: NodeName = Field(description="The host's own name (`hostname`), under which it joins the cluster.")
    address: Address = Field(
        description="IPv4 address of the host, for the cluster and, without sshAddress, for SSH; fixed, inside network.nodeSubnet."
    )
    ssh_address: AddressOrName | None = Field(
        default=None, description="Name, IPv4 or IPv6 address of its SSH server, when it is not reached by its address."
    )
    host_key: HostKey = Field(description="Its ed25519 public host key; any other key ends the connection.")
    roles: tuple[Role, ...] = Field(
        min_length=1,
        description="What the host does: control-plane (1, 3 or 5 hosts), worker (runs the platform), storage (holds volumes).",
    )
    os_family: OsFamily = Field(default="auto", description="Family of its operating system; auto looks it up on the host.")
    user: UserName | None = Field(default=None, description="User to log in as on this host, in place of hosts.access.user.")
    port: Port | None = Field(default=None, description="TCP port of its SSH server, in place of hosts.access.port.")
    labels: Mapping[LabelKey, LabelValue] = Field(default={}, description="Labels of its node, besides those that roles give.")
    taints: tuple[Taint, ...] = Field(default=(), description="Taints of its node.")
    data_disks: tuple[DiskPath, ...] = Field(
        default=(), description="Empty disks for volumes, by their lasting names in /dev/disk/by-id; for the role storage."
    )
    epoch: Epoch = Field(default=1, description="Count it up to run every step on this host again, e.g. after it was reinstalled.")
    lost: bool = Field(
        default=False,
        strict=True,
        description="true says that the host is dead for good: a living one takes it out of the cluster, nobody connects to it.",
    )

    @property
    def is_control_plane(self) -> bool:
        """Whether it runs the cluster's control plane."""
        return "control-plane" in self.roles


class Skip(Section):
    """A check that is not to stop the site."""

    check: CheckName = Field(description="Name of the check, as `mlops doctor` prints it.")
    reason: Text = Field(description="Why the site may go on without it; stands in the report.")
    host: NodeName | None = Field(default=None, description="Name of the host for which it is skipped; all hosts when left out.")


class Preflight(Section):
    """Checks of the hosts before the first change."""

    skip: tuple[Skip, ...] = Field(default=(), description="Checks that are reported and stop nothing, each with a reason.")


class Hosts(Section):
    """The machines that become the cluster."""

    access: Access = Field(description="How the hosts are reached over SSH.")
    on_destroy: Literal["keep", "reset"] = Field(
        default="keep",
        description="What `pulumi destroy` does to the hosts: keep leaves MicroK8s and all data on them, reset removes both.",
    )
    firewall: Literal["open", "leave"] = Field(
        default="open",
        description="What is done to a running firewalld: open lets the cluster's traffic through, leave touches nothing.",
    )
    selinux: Literal["leave", "permissive"] = Field(
        default="leave",
        description="What is done to SELinux: leave touches nothing, permissive sets it so on hosts that enforce it.",
    )
    preflight: Preflight = Field(default_factory=Preflight, description="What the checks before the first change let pass.")
    nodes: tuple[Host, ...] = Field(
        min_length=1, description="The hosts, in any order; the first control plane starts the cluster."
    )

    @cached_property
    def control_planes(self) -> tuple[Host, ...]:
        """Living nodes of the control plane, in the file's order; the first one starts the cluster, the others join it."""
        return tuple(node for node in self.nodes if node.is_control_plane and not node.lost)

    @cached_property
    def workers(self) -> tuple[Host, ...]:
        """Living nodes that join as workers only (control planes that also work are not among them), in the file's order."""
        return tuple(node for node in self.nodes if not node.is_control_plane and not node.lost)

    @cached_property
    def lost(self) -> tuple[Host, ...]:
        """Hosts that are declared dead, in the file's order."""
        return tuple(node for node in self.nodes if node.lost)

    @property
    def first(self) -> Host:
        """The first living control plane: it starts the cluster, and takes hosts in and out."""
        return self.control_planes[0]

    def in_joining_order(self) -> tuple[Host, ...]:
        """All living hosts: the control plane that starts the cluster, the other control planes, the workers."""
        return (*self.control_planes, *self.workers)

    def access_of(self, node: Host) -> HostAccess:
        """How `node` is reached: its own user, port and SSH address, else those of hosts.access and its address."""
        access, bastion = self.access, self.access.bastion
        # a jump host without a key of its own takes that of the hosts, wherever it is
        own = bastion if bastion and (bastion.key or bastion.key_file) else access if bastion else None
        return HostAccess(
            ssh_address=node.ssh_address or str(node.address),
            user=node.user or access.user,
            port=node.port or access.port,
            key=access.key,
            key_file=access.key_file,
            agent=access.agent,
            sudo_password=access.sudo_password,
            bastion=bastion,
            bastion_key=own.key if own else None,
            bastion_key_file=own.key_file if own else None,
            bastion_agent=own is access and access.agent,
            wait_seconds=access.wait_seconds,
        )
