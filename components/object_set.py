"""Objects of a bundle that are one resource together: the state holds a digest of each, kubectl applies the bytes.

Which kinds, and why not one resource each: docs/decisions/0010. The preview names each object whose digest changes (variables of
the command), and says what changes in it, read from the cluster.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from functools import partial

import pulumi
from pulumi_command import local

from components.access import ClusterAccess
from components.kubectl import kubectl_step
from mlops.errors import UserError
from mlops.objectset import Kubectl, KubectlError, Store, differences, pinned_kubectl, summaries_in
from mlops.ordering import KubeObject

INTERPRETER = (".venv/bin/python", "-m", "mlops.objectset")
"""What the plugin starts, from the folder of the program: the virtual environment of ``Pulumi.yaml``, by the same relative path, so
that nothing of this machine stands in the state."""
set_step = partial(kubectl_step, interpreter=INTERPRETER)
"""A step of :mod:`mlops.objectset`: arguments as :func:`components.kubectl.kubectl_step`."""
PREVIEW_SECONDS = 10
SHOWN_LINES = 12
"""Differences that a preview shows of one object."""


def object_set(
    name: str,
    items: Sequence[KubeObject],
    cluster: ClusterAccess,
    *,
    deadline_seconds: int,
    keep: bool = False,
    opts: pulumi.ResourceOptions,
) -> local.Command:
    """Registers objects as one resource, which is there when all of them are, and CRDs among them established.

    They are applied as they are given: what controllers own (the caBundle of a conversion) has to be left out before. A killed
    run is taken up by the next one that wants the same, since applying is repeatable. An object that was changed or deleted by hand
    is not noticed, as the resource reads nothing back; ``pulumi up --replace URN`` applies all of the set again.

    Args:
        name: resource name.
        items: the objects, of kinds in :data:`mlops.objectset.MEMBERS`; no outputs in them.
        cluster: where they go.
        deadline_seconds: how long applying, establishing and deleting may take.
        keep: leave the objects when the resource goes. What a set holds no longer is left to
            :func:`components.removal.pruning`.
        opts: parent, dependencies and hooks; the Kubernetes provider plays no part.

    Raises:
        UserError: the cache cannot be written, or kubectl cannot be had.
    """
    store = Store.default()
    summaries = store.keep(item.body for item in items)
    pinned_kubectl()  # a preview tells already when it cannot be had
    show = pulumi.ResourceHook(
        f"differences of {name}",
        lambda args: show_differences(args, cluster, store),
        pulumi.ResourceHookOptions(on_dry_run=True),
    )
    shown = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(hooks=pulumi.ResourceHookBinding(before_update=[show])))
    return set_step(
        name,
        cluster.for_kubectl,
        summaries,
        create="apply",
        delete=None if keep else "delete",
        deadline_seconds=deadline_seconds,
        opts=shown,
    )


async def show_differences(args: pulumi.ResourceHookArgs, cluster: ClusterAccess, store: Store) -> None:
    """Tells in a preview what changes; never fails, since a preview must work without a cluster."""
    if not pulumi.runtime.is_dry_run():
        return
    old, new = _summaries(args.old_inputs), _summaries(args.new_inputs)
    changed = [name for name, line in new.items() if old.get(name) != line]
    for name in sorted(old.keys() - new.keys()):
        pulumi.log.info(f"{args.name}: {name} is no longer in the set")
    kubeconfig = await cluster.kubeconfig.future() if changed else None
    if kubeconfig is None:
        return
    kubectl = Kubectl(
        kubeconfig=kubeconfig,
        context=cluster.context,
        deadline=time.monotonic() + PREVIEW_SECONDS,
    )
    try:
        live = await asyncio.to_thread(kubectl.live, changed)
    except (KubectlError, UserError, OSError, ValueError) as error:
        pulumi.log.info(f"{args.name}: what changes in {', '.join(changed)} is not known, the cluster does not tell: {error}")
        return
    for name in changed:
        body = store.take(new[name])
        if name not in live:
            pulumi.log.info(f"{args.name}: {name} is new")
        elif body is not None:
            lines = differences(live[name], body, before=store.take(old[name]) if name in old else None)
            more = [f"and {len(lines) - SHOWN_LINES} more"] if len(lines) > SHOWN_LINES else []
            pulumi.log.info("\n".join([f"{args.name}: {name}", *(f"  {line}" for line in lines[:SHOWN_LINES] + more)]))


def _summaries(inputs: Mapping[str, object] | None) -> dict[str, str]:
    variables = (inputs or {}).get("environment")
    return summaries_in(variables) if isinstance(variables, Mapping) else {}
