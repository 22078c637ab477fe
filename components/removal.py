"""What is removed last in an update, and what first on destroy.

In an update, members of sets that are wanted no longer. On destroy webhook configurations, and before them, if the settings say so,
what users have made.

The engine deletes backwards along the dependencies of creation, and those do not tell all (docs/decisions/0009).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pulumi
from pulumi_command import local

from components.access import ClusterAccess
from components.object_set import set_step
from mlops.objectset import identity_of
from mlops.ordering import ObjectRef


def emptying(
    name: str, kinds: Sequence[str], cluster: ClusterAccess, *, deadline_seconds: int, opts: pulumi.ResourceOptions
) -> local.Command:
    """A resource that does nothing until it is deleted: then it deletes all objects of kinds, in their order.

    Args:
        name: resource name.
        kinds: names of CRDs; their objects may have finalizers, and webhooks that look at their removal.
        cluster: where they are.
        deadline_seconds: how long it may take.
        opts: let it depend on all that its objects need to go, so that it goes before.
    """
    return set_step(
        name,
        cluster.for_kubectl,
        {"KINDS": " ".join(kinds)},
        delete="empty",
        deadline_seconds=deadline_seconds,
        opts=opts,
    )


def withdrawal(
    name: str, configurations: Iterable[ObjectRef], cluster: ClusterAccess, *, deadline_seconds: int, opts: pulumi.ResourceOptions
) -> local.Command:
    """A resource whose deletion deletes webhook configurations; an update deletes those that it no longer names.

    A configuration whose backend is gone refuses everybody, also the garbage collector that takes a finalizer off: what is being
    deleted then stays for ever (measured with Knative's ConfigMaps). But one whose backend puts the CA there itself does not
    wait for it on creation, so nothing makes the engine delete it first.

    Args:
        name: resource name.
        configurations: which; register each so that the engine itself leaves it in the cluster (``retain_on_delete``).
        cluster: where they are.
        deadline_seconds: how long it may take.
        opts: let it depend on the configurations and on the workloads behind them, so that it goes before.
    """
    objects = {"OBJECTS": _identities(configurations)}
    return set_step(
        name,
        cluster.for_kubectl,
        objects,
        create="note",
        delete="withdraw",
        deadline_seconds=deadline_seconds,
        opts=opts,
    )


def pruning(
    name: str,
    sets: Mapping[str, pulumi.Output[str]],
    members: Iterable[ObjectRef],
    cluster: ClusterAccess,
    *,
    kept: Iterable[str],
    deadline_seconds: int,
    opts: pulumi.ResourceOptions,
) -> local.Command:
    """A resource that deletes members of sets that are wanted no longer; it runs whenever a set has been applied.

    Not the sets themselves: what a workload of the last release mounts may only go when that of the new one runs. A set that is
    gone as a whole is none of its business: the engine deletes it, after what depends on it.

    Args:
        name: resource name.
        sets: name of each set to what it has printed.
        members: all members of all sets.
        cluster: where they are.
        kept: kinds whose objects are only told, not deleted.
        deadline_seconds: how long it may take.
        opts: let it depend on everything, so that it comes last.
    """
    printed = pulumi.Output.json_dumps(dict(sorted(sets.items())))
    variables: dict[str, pulumi.Input[str]] = {"SETS": printed, "OBJECTS": _identities(members), "KEPT": " ".join(kept)}
    return set_step(name, cluster.for_kubectl, variables, create="prune", deadline_seconds=deadline_seconds, opts=opts)


def _identities(objects: Iterable[ObjectRef]) -> str:
    return " ".join(sorted(identity_of(ref.kind, ref.namespace, ref.name) for ref in objects))
