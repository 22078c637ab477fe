"""One step on one host, as a resource.

Technique and its reasons (pulumi-command 1.2.1, read in its source):

- the script goes by standard input and the command line is a constant, because a failure prints the whole command line;
- logging is off and outputs are secret, because the provider streams both by default and hangs on a line above 64 KiB;
- the host key is always given, because without one the provider checks none;
- no ``triggers``, because they replace, and a replacement runs the delete command after the new create;
- an error hook explains what the provider says of connections, in a few words of its SSH library.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import pulumi
from pulumi_command import remote

from components.secrets import revealed
from mlops.errors import Problem, UserError
from mlops.hosts import LAUNCHER, RESET_LAUNCHER, compose
from mlops.settings import Host, HostAccess

PER_DIAL_TIMEOUT_SECONDS = 2
"""Of one TCP connection: enough for one lost packet. A host without power costs so much on top of every pause between two tries."""


def dial_attempts(patience_seconds: float) -> int:
    """How many refused connections the provider may count before it has waited that long (it waits 0.1 s x 1.5^n, at most 5 s)."""
    attempts, waited = 1, 0.0
    while waited < patience_seconds:
        waited += min(0.1 * 1.5**attempts, 5.0)
        attempts += 1
    return attempts


def connection(host: Host, access: HostAccess) -> remote.ConnectionArgs:
    """How the provider reaches a host: pinned host key, private key as a secret, through the bastion where there is one."""
    key = revealed(access.key)
    attempts = dial_attempts(access.wait_seconds)
    proxy = None
    if access.bastion is not None and access.bastion_key is not None:
        bastion = access.bastion
        proxy = remote.ProxyConnectionArgs(
            host=str(bastion.address),
            port=bastion.port,
            user=bastion.user,
            private_key=revealed(access.bastion_key),
            host_key=bastion.host_key,
            dial_error_limit=attempts,
            per_dial_timeout=PER_DIAL_TIMEOUT_SECONDS,
        )
    return remote.ConnectionArgs(
        host=str(host.address),
        port=access.port,
        user=access.user,
        private_key=key,
        host_key=host.host_key,
        dial_error_limit=attempts,
        per_dial_timeout=PER_DIAL_TIMEOUT_SECONDS,
        proxy=proxy,
    )


_CONNECTING = re.compile(r"after \d+ failed attempts: (?P<cause>.*)", re.DOTALL)
_LOST = "remote command exited without exit status or exit signal"


def explain(error: str, host: Host, access: HostAccess) -> Problem | None:
    """What the provider's words for a failed connection mean, and how to mend it.

    Args:
        error: error text of a step; of connections it tells in the words of Go's SSH library and of the system.
        host: the host that the step is for.
        access: how it is reached.

    Returns:
        The problem; None when the step itself has told what is wrong.
    """
    way = f"{access.user}@{host.address} port {access.port}" + (f" through {access.bastion.address}" if access.bastion else "")
    where = f"host {host.name} ({way})"
    if _LOST in error:
        return Problem(
            where,
            "the connection was lost while the step ran",
            "a host that stays up and can be reached",
            "run pulumi up again: the step waits for one that still runs there, and goes on from what is there",
        )
    failed = _CONNECTING.search(error)
    if failed is None:
        return None
    cause = failed["cause"].strip()
    if access.bastion is not None:
        cause += f" (at the host or at the bastion {access.bastion.address}: the provider does not say which)"
    if "host key" in cause:
        return Problem(
            where,
            cause,
            f"the host key of the site file: {host.host_key}",
            f"`ssh-keyscan -p {access.port} -t ed25519 {host.address}`, compare it at the host's console, correct hostKey",
        )
    if "unable to authenticate" in cause:
        return Problem(
            where,
            cause,
            f"user {access.user} may log in with hosts.access.key",
            f"its public key in the file ~{access.user}/.ssh/authorized_keys on the host, or the right user in the site file",
        )
    return Problem(
        where,
        cause,
        f"an SSH server that answers within {access.wait_seconds} s (hosts.access.waitSeconds)",
        "switch the host on; compare address and port in the site file; look at firewalls",
    )


def _error_hook(name: str, host: Host, access: HostAccess) -> pulumi.ErrorHook:
    def tell(failure: pulumi.ErrorHookArgs) -> Literal[False]:
        problem = explain(failure.errors[0], host, access)
        if problem is not None:
            # what a hook raises takes the place of the provider's words
            raise UserError("no connection", [problem])
        return False  # never repeat a step: the next `up` does that

    return pulumi.ErrorHook(f"connection of {name}", tell)


def remote_step(
    name: str,
    step: str,
    *,
    host: Host,
    access: HostAccess,
    values: Mapping[str, pulumi.Input[str]],
    secrets: tuple[str, ...] = (),
    undo: bool,
    opts: pulumi.ResourceOptions,
) -> remote.Command:
    """Registers one step of :data:`mlops.hosts.STEPS` on one host.

    Args:
        name: resource name.
        step: the step's name.
        host: where it runs.
        access: how that is reached.
        values: the step's values; those that are known late may be outputs.
        secrets: names of the values masked in error messages.
        undo: run the step's ``reset`` when the resource is deleted; otherwise the host stays as it is.
        opts: parent and dependencies.

    Returns:
        The command; ``stdout`` and ``stderr`` are secret.
    """
    script: pulumi.Output[str] = pulumi.Output.all(**values).apply(lambda known: compose(step, values=dict(known), secrets=secrets))
    hidden: pulumi.Output[str] = pulumi.Output.secret(script)
    # `pulumi destroy` does not run the program and then knows no hooks: a failed undo would only be told as a missing hook
    hooks = None if undo else pulumi.ResourceHookBinding(on_error=[_error_hook(name, host, access)])
    return remote.Command(
        name,
        connection=connection(host, access),
        create=LAUNCHER,
        delete=RESET_LAUNCHER if undo else None,
        stdin=hidden,
        logging=remote.Logging.NONE,
        add_previous_output_in_env=False,
        opts=pulumi.ResourceOptions.merge(
            opts, pulumi.ResourceOptions(additional_secret_outputs=["stdout", "stderr"], hooks=hooks)
        ),
    )
