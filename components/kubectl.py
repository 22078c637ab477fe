"""Steps that run here, by kubectl: programs of :mod:`mlops` that the command plugin starts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pulumi
from pulumi_command import local


def kubectl_access(kubeconfig: pulumi.Output[str], context: str | None) -> pulumi.Output[str]:
    """What such a step reads from standard input: secret, and one output for all steps of a cluster.

    Args:
        kubeconfig: administrator's access to the cluster.
        context: context of the kubeconfig, None for its current one.
    """
    return pulumi.Output.secret(kubeconfig.apply(lambda text: json.dumps({"kubeconfig": text, "context": context})))


def kubectl_step(
    name: str,
    access: pulumi.Output[str],
    variables: Mapping[str, pulumi.Input[str]],
    *,
    interpreter: Sequence[str],
    create: str | None = None,
    delete: str | None = None,
    deadline_seconds: int,
    opts: pulumi.ResourceOptions,
) -> local.Command:
    """Registers a step.

    Args:
        name: resource name.
        access: see :func:`kubectl_access`.
        variables: what the acts read.
        interpreter: command line to which the act is added, run in the folder of the program: no path of this machine may stand in
            it, as it would in the state.
        create: act on creation and on each update; None for none.
        delete: act on deletion; None for none.
        deadline_seconds: how long an act may take.
        opts: the Kubernetes provider plays no part.
    """
    command: local.Command = local.Command(
        name,
        interpreter=list(interpreter),
        create=create,
        delete=delete,
        environment={**variables, "DEADLINE_SECONDS": str(deadline_seconds)},
        stdin=access,
        logging=local.Logging.STDERR,
        opts=opts,
    )
    return command
