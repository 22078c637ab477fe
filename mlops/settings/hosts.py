"""The machines: how they are reached and what each one does."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field

from mlops.settings.secret import FromFile, Secret
from mlops.settings.section import Section
from mlops.settings.types import Address, AddressOrName, HostKey, NodeName, Port, UserName

Role = Literal["control-plane", "worker", "storage"]
OsFamily = Literal["auto", "debian"]


class Bastion(Section):
    """A jump host through which all nodes are reached."""

    address: AddressOrName = Field(description="IPv4 address or name of the jump host.")
    port: Port = Field(default=22, description="TCP port of its SSH server.")
    user: UserName = Field(description="User to log in as on the jump host; needs no rights there but to forward connections.")
    host_key: HostKey = Field(description="Its ed25519 public host key; any other key ends the connection.")
    key: Annotated[Secret | None, FromFile("bastion-key-file")] = Field(
        default=None, description="SSH private key for the jump host, without passphrase (secret); hosts.access.key when left out."
    )


class Access(Section):
    """How the hosts are reached over SSH, unless a node says otherwise."""

    user: UserName = Field(description="User to log in as; root, or a user who may run `sudo -n` without a password.")
    port: Port = Field(default=22, description="TCP port of the SSH server on each host.")
    key: Annotated[Secret, FromFile("key-file")] = Field(
        default_factory=Secret.missing, description="SSH private key for the hosts, without passphrase (secret)."
    )
    wait_seconds: Annotated[int, Field(strict=True, ge=1, le=3600)] = Field(
        default=120, description="Seconds to wait for a host that does not answer, e.g. while it reboots, before the run fails."
    )
    bastion: Bastion | None = Field(default=None, description="Jump host in front of the hosts; left out when there is none.")


class Host(Section):
    """One host."""

    name: NodeName = Field(description="The host's own name (`hostname`), under which it joins the cluster.")
    address: Address = Field(description="IPv4 address of the host, for SSH and for the cluster; fixed, inside network.nodeSubnet.")
    host_key: HostKey = Field(description="Its ed25519 public host key; any other key ends the connection.")
    roles: tuple[Role, ...] = Field(
        min_length=1,
        description="What the host does: control-plane (1, 3 or 5 hosts), worker (runs the platform), storage (holds volumes).",
    )
    os_family: OsFamily = Field(default="auto", description="Family of its operating system; auto looks it up on the host.")
    user: UserName | None = Field(default=None, description="User to log in as on this host, in place of hosts.access.user.")
    port: Port | None = Field(default=None, description="TCP port of its SSH server, in place of hosts.access.port.")

    @property
    def is_control_plane(self) -> bool:
        """Whether it runs the cluster's control plane."""
        return "control-plane" in self.roles


@dataclass(frozen=True, slots=True)
class HostAccess:
    """How one host is reached: all defaults applied.

    Attributes:
        user: SSH user.
        port: TCP port of the SSH server.
        key: SSH private key for the host.
        bastion: jump host in between, if any.
        bastion_key: SSH private key for the jump host, if there is one.
        wait_seconds: how long a host may not answer before the run fails.
    """

    user: str
    port: int
    key: Secret
    bastion: Bastion | None
    bastion_key: Secret | None
    wait_seconds: int


class Hosts(Section):
    """The machines that become the cluster."""

    access: Access = Field(description="How the hosts are reached over SSH.")
    on_destroy: Literal["keep", "reset"] = Field(
        default="keep",
        description="What `pulumi destroy` does to the hosts: keep leaves MicroK8s and all data on them, reset removes both.",
    )
    nodes: tuple[Host, ...] = Field(
        min_length=1, description="The hosts, in any order; the first control plane starts the cluster."
    )

    @cached_property
    def control_planes(self) -> tuple[Host, ...]:
        """Nodes of the control plane, in the file's order; the first one starts the cluster, the others join it."""
        return tuple(node for node in self.nodes if node.is_control_plane)

    @cached_property
    def workers(self) -> tuple[Host, ...]:
        """Nodes that join as workers only (control planes that also work are not among them), in the file's order."""
        return tuple(node for node in self.nodes if not node.is_control_plane)

    def in_joining_order(self) -> tuple[Host, ...]:
        """All hosts: the control plane that starts the cluster, the other control planes, the workers."""
        return (*self.control_planes, *self.workers)

    def access_of(self, node: Host) -> HostAccess:
        """How `node` is reached: its own user and port, else those of hosts.access."""
        access = self.access
        bastion_key = (access.bastion.key or access.key) if access.bastion else None
        return HostAccess(
            user=node.user or access.user,
            port=node.port or access.port,
            key=access.key,
            bastion=access.bastion,
            bastion_key=bastion_key,
            wait_seconds=access.wait_seconds,
        )
