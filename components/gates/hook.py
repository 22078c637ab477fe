"""The hook that holds an object back until what it needs is there."""

from __future__ import annotations

from typing import Any

import pulumi

from components.access import ClusterAccess
from components.gates.api import api_of
from components.gates.needs import Needs
from components.gates.questions import GateError, prove


def gate_hook(name: str, needs: Needs, cluster: ClusterAccess, *, deadline_seconds: float) -> pulumi.ResourceHook:
    """The one hook of an object; attach it before create and before update, which the same webhooks look at.

    Args:
        name: unique name of the hook.
        needs: from the graph.
        cluster: who is asked.
        deadline_seconds: for all gates of the object together.
    """

    async def hook(args: pulumi.ResourceHookArgs) -> None:
        kubeconfig = await cluster.kubeconfig.future()
        if kubeconfig is None:
            message = f"{needs.at}: the kubeconfig is not known when the gate is asked"
            raise GateError(message)
        await prove(api_of(kubeconfig, cluster.context), needs, whole(args.new_inputs or {}), deadline_seconds=deadline_seconds)

    return pulumi.ResourceHook(name, hook)


def whole(value: Any) -> Any:
    """Inputs as they were registered: the engine hands every number over as a float, and the API server wants a port as 8080."""
    if isinstance(value, dict):
        return {key: whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
