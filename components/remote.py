"""One step on one host, as a resource.

Technique and its reasons (pulumi-command 1.2.1, read in its source):

- the script goes by standard input and the command line is a constant, because a failure prints the whole command line;
- logging is off and outputs are secret, because the provider streams both by default and hangs on a line above 64 KiB;
- the host key is always given, because without one the provider checks none;
- no ``triggers``, because they replace, and a replacement runs the delete command after the new create;
- no ``agentSocketPath``: the provider takes ``SSH_AUTH_SOCK`` by itself, and the path, another one at each log-in, would run every
  step again;
- an error hook explains what the provider says of connections, in a few words of its SSH library.

A resource either works when it is made and changed (:func:`remote_step`) or when it is deleted (:func:`removal_step`). Without a
command for an occasion the provider does not connect; and `pulumi destroy` does not run the program, so that a resource with a
deletion must have no hook.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Literal

import pulumi
from pulumi_command import remote

from components.late import together
from components.secrets import revealed
from mlops.errors import Problem, UserError
from mlops.hosts import LAUNCHER, RESET_LAUNCHER, compose
from mlops.settings import Host, HostAccess, Secret

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
    """How the provider reaches a host: pinned host key, private key as a secret or from the agent, bastion in between.

    Raises:
        UserError: a key file cannot be used, or there is no agent.
    """
    if access.agent and not os.environ.get("SSH_AUTH_SOCK") and not pulumi.runtime.is_dry_run():
        mend = "start one (`eval $(ssh-agent)`, `ssh-add KEY`), or set hosts.access.key or keyFile"
        raise UserError("no SSH key", [Problem("hosts.access.agent", "no SSH_AUTH_SOCK", "an SSH agent that holds the key", mend)])
    attempts = dial_attempts(access.wait_seconds)
    proxy = None
    if access.bastion is not None:
        bastion = access.bastion
        proxy = remote.ProxyConnectionArgs(
            host=str(bastion.address),
            port=bastion.port,
            user=bastion.user,
            private_key=_revealed(access.bastion_private_key()),
            host_key=bastion.host_key,
            dial_error_limit=attempts,
            per_dial_timeout=PER_DIAL_TIMEOUT_SECONDS,
        )
    return remote.ConnectionArgs(
        host=access.ssh_address,
        port=access.port,
        user=access.user,
        private_key=_revealed(access.private_key()),
        host_key=host.host_key,
        dial_error_limit=attempts,
        per_dial_timeout=PER_DIAL_TIMEOUT_SECONDS,
        proxy=proxy,
    )


def _revealed(secret: Secret | None) -> pulumi.Output[str] | None:
    return None if secret is None else revealed(secret)


_CONNECTING = re.compile(r"after \d+ failed attempts: (?P<cause>.*)", re.DOTALL)
_AGENT = re.compile(r"dial unix (?P<socket>\S+): (?P<cause>.*)", re.DOTALL)
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
    through = f" through {access.bastion.address}" if access.bastion else ""
    way = f"{access.user}@{access.ssh_address} port {access.port}{through}"
    where = f"host {host.name} ({way})"
    if _LOST in error:
        return Problem(
            where,
            "the connection was lost while the step ran",
            "a host that stays up and can be reached",
            "run pulumi up again: the step waits for one that still runs there, and goes on from what is there",
        )
    agent = _AGENT.search(error)
    if agent is not None:
        # it asks the agent whenever SSH_AUTH_SOCK is set, whether there is a key or not
        return Problem(
            where,
            f"no SSH agent at {agent['socket']} ({agent['cause'].strip()})",
            "an agent that answers where SSH_AUTH_SOCK points to, or no SSH_AUTH_SOCK",
            "`unset SSH_AUTH_SOCK` with a key or keyFile in hosts.access; with the agent start it again and `ssh-add` the key",
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
            f"`ssh-keyscan -p {access.port} -t ed25519 {access.ssh_address}`, compare it at the host's console, correct hostKey",
        )
    if "unable to authenticate" in cause:
        return Problem(
            where,
            cause,
            f"user {access.user} may log in with {_key_of(access)}",
            f"its public key in the file ~{access.user}/.ssh/authorized_keys on the host, or the right user in the site file",
        )
    return Problem(
        where,
        cause,
        f"an SSH server that answers within {access.wait_seconds} s (hosts.access.waitSeconds)",
        "switch the host on; compare address and port in the site file; look at firewalls",
    )


def _key_of(access: HostAccess) -> str:
    if access.agent:
        return "a key of the SSH agent (`ssh-add -l` lists them)"
    return f"the key in {access.key_file}" if access.key_file else "hosts.access.key"


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
    opts: pulumi.ResourceOptions,
) -> remote.Command:
    """Registers a step that runs on a host when it is made, and again when anything of it changes, the host's epoch among it.

    Args:
        name: resource name.
        step: one of :data:`mlops.hosts.STEPS`, not of the removals.
        host: where it runs.
        access: how that is reached.
        values: the step's values; those that are known late may be outputs.
        secrets: names of the values masked in error messages.
        opts: parent and dependencies.

    Returns:
        The command; ``stdout`` and ``stderr`` are secret.

    Raises:
        UserError: see :func:`connection`.
    """
    hooks = pulumi.ResourceHookBinding(on_error=[_error_hook(name, host, access)])
    more = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(hooks=hooks))
    return _command(name, _script(step, host, access, values, secrets), host, access, create=LAUNCHER, opts=more)


def removal_step(
    name: str,
    step: str,
    *,
    host: Host,
    access: HostAccess,
    values: Mapping[str, pulumi.Input[str]],
    secrets: tuple[str, ...] = (),
    opts: pulumi.ResourceOptions,
) -> remote.Command:
    """Registers one of :data:`mlops.hosts.REMOVALS`, which runs on a host when the resource is deleted and at no other time.

    It runs with the values of the last `up`, and no hook explains a failed connection. Arguments and errors as :func:`remote_step`.
    """
    return _command(name, _script(step, host, access, values, secrets), host, access, delete=RESET_LAUNCHER, opts=opts)


def _script(
    step: str, host: Host, access: HostAccess, values: Mapping[str, pulumi.Input[str]], secrets: tuple[str, ...]
) -> pulumi.Output[str]:
    # EPOCH is read by no script: another one makes the script, and so the resource, another
    everything = {**values, "EPOCH": str(host.epoch)}
    password = "" if access.sudo_password is None else revealed(access.sudo_password)
    script = together({"values": everything, "sudo_password": password}).apply(
        lambda known: compose(step, secrets=secrets, **known)
    )
    return pulumi.Output.secret(script)


def _command(
    name: str,
    script: pulumi.Output[str],
    host: Host,
    access: HostAccess,
    *,
    create: str | None = None,
    delete: str | None = None,
    opts: pulumi.ResourceOptions,
) -> remote.Command:
    return remote.Command(
        name,
        connection=connection(host, access),
        create=create,
        delete=delete,
        stdin=script,
        logging=remote.Logging.NONE,
        add_previous_output_in_env=False,
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(additional_secret_outputs=["stdout", "stderr"])),
    )
