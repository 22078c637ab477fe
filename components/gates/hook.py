"""The hook that holds an object back until what it needs is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from components.access import ClusterAccess
from components.gates.api import Api, api_of
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
        await prove(await _api(cluster, name), needs, whole(args.new_inputs or {}), deadline_seconds=deadline_seconds)

    return pulumi.ResourceHook(name, hook)


def set_gate_hook(
    name: str, members: Sequence[tuple[Needs, Mapping[str, Any]]], cluster: ClusterAccess, *, deadline_seconds: float
) -> pulumi.ResourceHook:
    """The one hook of a set of objects.

    Args:
        name: unique name of the hook.
        members: those that need something, and their bodies as they will be written.
        cluster: who is asked.
        deadline_seconds: for all gates of one member together.
    """

    async def hook(_: pulumi.ResourceHookArgs) -> None:
        api = await _api(cluster, name)
        for needs, body in members:
            await prove(api, needs, body, deadline_seconds=deadline_seconds)

    return pulumi.ResourceHook(name, hook)


async def _api(cluster: ClusterAccess, name: str) -> Api:
    kubeconfig = await cluster.kubeconfig.future()
    if kubeconfig is None:
        message = f"{name}: the kubeconfig is not known when they are asked"
        raise GateError(message)
    return api_of(kubeconfig, cluster.context)


def whole(value: Any) -> Any:
    """Inputs as they were registered: the engine hands every number over as a float, and the API server wants a port as 8080."""
    if isinstance(value, dict):
        return {key: whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
