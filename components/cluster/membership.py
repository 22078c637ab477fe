"""Who belongs to the cluster: strangers out before the joins, nodes labelled after them, and what happens to a host that leaves.

Taking a host out of the file deletes its three resources, in this order: ``withdraw`` (checks, marks, drains), ``depart`` (leaves,
cleans the host), ``forget`` (removes the node). The engine deletes what depends on something before that, at the same time whatever
has no edge between; it looks at direct edges of resources that are deleted only, so each host's last step depends on the
first step of every host before it, and one host goes at a time, whichever they are.

On ``pulumi destroy`` :func:`members_step` goes as well, and then the engine asks the provider for none of what is deleted with it:
nothing is withdrawn or forgotten, and a host is connected to only where the site says that it is to be reset.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import pulumi
from pulumi_command import local, remote

from components.kubectl import kubectl_step
from components.remote import remote_step, removal_step
from mlops.nodes.state import WantedHost, written
from mlops.settings import Host, Hosts

INTERPRETER = (".venv/bin/python", "-m", "mlops.nodes")
"""What the plugin starts, from the folder of the program: the virtual environment of ``Pulumi.yaml``."""
_step = partial(kubectl_step, interpreter=INTERPRETER)
NODES_SECONDS = 120
DRAIN_SECONDS = 900
"""Pods have 30 s to end unless they say otherwise, and some wait for another one to become Ready elsewhere first."""
RETURN_SECONDS = 600


def members_step(
    name: str, hosts: Hosts, machine_ids: Mapping[str, pulumi.Input[str]], *, opts: pulumi.ResourceOptions
) -> remote.Command:
    """Takes hosts that are declared lost or were installed anew out of the cluster, on its first living control plane.

    Args:
        name: prefix of the resource's name.
        hosts: the site's hosts.
        machine_ids: living host to its machine id, as the host itself says.
        opts: parent and dependencies: the cluster stands; joins depend on the result.
    """
    living = hosts.in_joining_order()
    machines: pulumi.Output[str] = pulumi.Output.all(**machine_ids).apply(
        lambda known: "\n".join(f"{host.name} {known[host.name]} {_role(host)} {host.address}" for host in living)
    )
    return remote_step(
        f"{name}-members",
        "members",
        host=hosts.first,
        access=hosts.access_of(hosts.first),
        values={
            "HOST_NAME": hosts.first.name,
            "LOST": "\n".join(host.name for host in hosts.lost),
            "MACHINES": machines,
            "EPOCHS": _epochs(living),
        },
        opts=opts,
    )


def nodes_step(name: str, hosts: Hosts, access: pulumi.Output[str], *, opts: pulumi.ResourceOptions) -> local.Command:
    """Gives nodes their labels and taints, and writes down in the cluster which hosts are meant to be there.

    Args:
        name: prefix of the resource's name.
        hosts: the site's hosts.
        access: see :func:`components.kubectl.kubectl_access`.
        opts: parent and dependencies: all hosts have joined.
    """
    living = hosts.in_joining_order()
    wanted = [
        WantedHost(
            name=host.name,
            roles=host.roles,
            labels=host.labels,
            taints=tuple({"key": taint.key, "value": taint.value, "effect": taint.effect} for taint in host.taints),
        )
        for host in living
    ]
    variables = {"HOSTS": written(wanted), "EPOCHS": _epochs(living)}
    return _step(f"{name}-nodes", access, variables, create="nodes", deadline_seconds=NODES_SECONDS, opts=opts)


def drain_step(name: str, host: Host, access: pulumi.Output[str], channel: str, *, opts: pulumi.ResourceOptions) -> local.Command:
    """Drains a host's node when its minor version is another one than the channel's; else nothing.

    Args:
        name: prefix of the resource's name.
        host: the host.
        access: see :func:`components.kubectl.kubectl_access`.
        channel: of the snap, e.g. ``1.35/stable``.
        opts: parent and dependencies.
    """
    return _around_configure("drain", name, host, access, channel, seconds=DRAIN_SECONDS, opts=opts)


def return_step(name: str, host: Host, access: pulumi.Output[str], channel: str, *, opts: pulumi.ResourceOptions) -> local.Command:
    """Lets pods onto a node again that :func:`drain_step` has drained; arguments as there."""
    return _around_configure("return", name, host, access, channel, seconds=RETURN_SECONDS, opts=opts)


def _around_configure(
    act: str, name: str, host: Host, access: pulumi.Output[str], channel: str, *, seconds: int, opts: pulumi.ResourceOptions
) -> local.Command:
    variables = {"NODE": host.name, "CHANNEL": channel}
    return _step(f"{name}-{host.name}-{act}", access, variables, create=act, deadline_seconds=seconds, opts=opts)


def departures(
    name: str,
    hosts: Hosts,
    access: pulumi.Output[str],
    members: pulumi.Resource,
    joined: Mapping[str, pulumi.Resource],
    *,
    opts: pulumi.ResourceOptions,
) -> list[pulumi.Resource]:
    """What is done with each host when it is deleted; nothing before that.

    A lost host's steps are only forgotten: nobody could run them.

    Args:
        name: prefix of the resources' names.
        hosts: the site's hosts.
        access: see :func:`components.kubectl.kubectl_access`.
        members: what :func:`members_step` has given: deleted after all of these, so that a destroy that was cut goes on as one.
        joined: living host to the step after which it belongs to the cluster. Nothing of a host that has not joined is ever taken
            away: it may be refused because it belongs to another cluster.
        opts: parent.

    Returns:
        All of them: what stands in the cluster depends on these, so that it is deleted before any host goes.
    """
    registered: list[pulumi.Resource] = []
    withdrawn: list[pulumi.Resource] = []
    for host in (*hosts.in_joining_order(), *hosts.lost):
        others = [plane for plane in hosts.control_planes if plane is not host]
        # It is there without another control plane, too: left out, it would be deleted, on one that is dead perhaps.
        witness = others[0] if others else host
        forget = removal_step(
            f"{name}-{host.name}-forget",
            "forget",
            host=witness,
            access=hosts.access_of(witness),
            values={"HOST_NAME": witness.name, "DEPARTED": host.name},
            opts=_deletion(opts, [members, *withdrawn], unless=members, never=host.lost or not others),
        )
        depart = removal_step(
            f"{name}-{host.name}-depart",
            "depart",
            host=host,
            access=hosts.access_of(host),
            values={"HOST_NAME": host.name, "RESET": hosts.on_destroy},
            opts=_deletion(
                opts,
                [forget] if host.lost else [forget, joined[host.name]],
                unless=members if hosts.on_destroy == "keep" else None,
                never=host.lost,
            ),
        )
        withdraw = _step(
            f"{name}-{host.name}-withdraw",
            access,
            {"NODE": host.name},
            delete="withdraw",
            deadline_seconds=DRAIN_SECONDS,
            opts=_deletion(opts, [depart], unless=members, never=host.lost),
        )
        withdrawn.append(withdraw)
        registered += [forget, depart, withdraw]
    return registered


def _deletion(
    opts: pulumi.ResourceOptions, after: list[pulumi.Resource], *, unless: pulumi.Resource | None, never: bool
) -> pulumi.ResourceOptions:
    """Options of what is only deleted: before ``after``, not at all when ``unless`` goes as well, or ``never``."""
    own = pulumi.ResourceOptions(depends_on=after, deleted_with=unless, retain_on_delete=never)
    return pulumi.ResourceOptions.merge(opts, own)


def _epochs(living: Sequence[Host]) -> str:
    """Read by nothing: a step with it runs again for a host that was installed anew, whose node is a new one."""
    return " ".join(f"{host.name}={host.epoch}" for host in living)


def _role(host: Host) -> str:
    return "control-plane" if host.is_control_plane else "worker"
