"""Removes what users have made, before the platform that looks after it goes."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pulumi
from pulumi_command import local

from components.access import ClusterAccess
from components.definitions import INTERPRETER


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
    access = cluster.kubeconfig.apply(lambda text: json.dumps({"kubeconfig": text, "context": cluster.context}))
    hidden: pulumi.Output[str] = pulumi.Output.secret(access)
    return local.Command(
        name,
        interpreter=list(INTERPRETER),
        delete="empty",
        environment={"KINDS": " ".join(kinds), "DEADLINE_SECONDS": str(deadline_seconds)},
        stdin=hidden,
        logging=local.Logging.STDERR,
        opts=opts,
    )
