"""One step on one host, as a resource.

Technique and its reasons (pulumi-command 1.2.1, read in its source):

- the script goes by standard input and the command line is a constant, because a failure prints the whole command line;
- logging is off and outputs are secret, because the provider streams both by default and hangs on a line above 64 KiB;
- the host key is always given, because without one the provider checks none;
- no ``triggers``, because they replace, and a replacement runs the delete command after the new create.
"""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
from pulumi_command import remote

from components.secrets import revealed
from mlops.hosts import LAUNCHER, RESET_LAUNCHER, compose
from mlops.settings import Host, HostAccess

PER_DIAL_TIMEOUT_SECONDS = 5


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


def remote_step(
    name: str,
    step: str,
    *,
    connection: remote.ConnectionArgs,
    values: Mapping[str, pulumi.Input[str]],
    secrets: tuple[str, ...] = (),
    undo: bool,
    opts: pulumi.ResourceOptions,
) -> remote.Command:
    """Registers one step of :data:`mlops.hosts.STEPS` on one host.

    Args:
        name: resource name.
        step: the step's name.
        connection: from :func:`connection`.
        values: the step's values; those that are known late may be outputs.
        secrets: names of the values masked in error messages.
        undo: run the step's ``reset`` when the resource is deleted; otherwise the host stays as it is.
        opts: parent and dependencies.

    Returns:
        The command; ``stdout`` and ``stderr`` are secret.
    """
    script: pulumi.Output[str] = pulumi.Output.all(**values).apply(lambda known: compose(step, values=dict(known), secrets=secrets))
    hidden: pulumi.Output[str] = pulumi.Output.secret(script)
    return remote.Command(
        name,
        connection=connection,
        create=LAUNCHER,
        delete=RESET_LAUNCHER if undo else None,
        stdin=hidden,
        logging=remote.Logging.NONE,
        add_previous_output_in_env=False,
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(additional_secret_outputs=["stdout", "stderr"])),
    )
