"""Asks every host for its facts and judges all of them, before anything changes.

A probe runs when its input changes: script, expectations, or the host's epoch. So a second `up` has nothing to do, and a preview
never connects. What the facts mean, and what is done when they are old: :mod:`mlops.hosts.preflight`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_command import local, remote

from components.late import together
from components.proxy import ProxyAccess
from components.remote import remote_step
from components.secrets import revealed
from mlops.bundles.requests import Demand
from mlops.hosts.expectations import Expectations, expectations, probe_values
from mlops.hosts.facts import Facts
from mlops.settings import Host, HostAccess, Secret, Site

INTERPRETER = (".venv/bin/python", "-m", "mlops.hosts.preflight")
"""What the plugin starts, by a path of the program's folder: see :data:`components.object_set.INTERPRETER`."""


@dataclass(frozen=True, kw_only=True)
class PreflightArgs:
    """What is asked and judged.

    Attributes:
        site: a site with hosts.
        proxy: the way to the outside, which the hosts try.
        demand: what the enabled layers ask for; None leaves the sums out.
    """

    site: Site
    proxy: ProxyAccess
    demand: Demand | None = None


class Preflight(pulumi.ComponentResource):
    """Hosts that may be changed, once ``passed`` is there.

    Attributes:
        probes: host name to the resource that holds its facts.
        passed: is there when no fact speaks against a deployment; everything else depends on it.
        machine_ids: host name to its machine id.
        kernel_has_ip_tables: host name to whether its kernel has ip_tables; where not, kube-proxy needs nftables.
    """

    probes: Mapping[str, remote.Command]
    passed: local.Command
    machine_ids: Mapping[str, pulumi.Output[str]]
    kernel_has_ip_tables: Mapping[str, pulumi.Output[bool]]

    def __init__(self, name: str, args: PreflightArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        hosts = args.site.hosts
        if hosts is None:
            raise ValueError("the settings refuse MicroK8s without hosts")
        living = hosts.in_joining_order()
        super().__init__("onprem-mlops:hosts:Preflight", name, {"hosts": [host.name for host in living]}, opts)
        wanted = expectations(args.site, args.demand)
        password = args.proxy.secrets["PROXY_PASSWORD"]
        values: dict[str, dict[str, pulumi.Input[str]]] = {
            host.name: {**probe_values(args.site, wanted, wanted.host(host.name)), "PROXY_PASSWORD": password} for host in living
        }
        self.probes = {
            host.name: remote_step(
                f"{name}-{host.name}-probe",
                "probe",
                host=host,
                access=hosts.access_of(host),
                values=values[host.name],
                secrets=("PROXY_PASSWORD",),
                opts=pulumi.ResourceOptions(parent=self),
            )
            for host in living
        }
        # what a host says of itself may hold anything and is secret; these two facts are not
        facts = {host: pulumi.Output.unsecret(probe.stdout).apply(Facts.parse) for host, probe in self.probes.items()}
        self.machine_ids = {host: known.apply(lambda entry: entry.machine_id) for host, known in facts.items()}
        self.kernel_has_ip_tables = {
            host: known.apply(lambda entry: entry.modules.get("ip_tables", False)) for host, known in facts.items()
        }
        targets = [_target(host, hosts.access_of(host)) for host in living]
        self.passed = local.Command(
            f"{name}-preflight",
            interpreter=list(INTERPRETER),
            create="judge",
            stdin=_order(wanted, self.probes, targets, values),
            logging=local.Logging.STDERR,
            add_previous_output_in_env=False,
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(self.probes.values())),
        )
        self.register_outputs({"hosts": sorted(self.probes)})


def _order(
    wanted: Expectations,
    probes: Mapping[str, remote.Command],
    targets: list[dict[str, Any]],
    values: Mapping[str, Mapping[str, pulumi.Input[str]]],
) -> pulumi.Output[str]:
    """Standard input of the judge: secret, as it holds keys and the proxy's password."""
    known = together({"facts": {host: probe.stdout for host, probe in probes.items()}, "targets": targets, "values": values})
    # sorted: the same text for the same facts, or each run would be a change
    text = known.apply(lambda parts: json.dumps({"wanted": wanted.model_dump(mode="json"), **parts}, sort_keys=True))
    return pulumi.Output.secret(text)


def _target(host: Host, access: HostAccess) -> dict[str, Any]:
    """A :class:`mlops.hosts.ssh.Target` whose secrets are outputs, since a preview may not know them yet."""
    bastion = access.bastion
    door = {
        "address": access.ssh_address,
        "port": access.port,
        "user": access.user,
        "host_key": host.host_key,
        "key": _output(access.private_key()),
    }
    jump = bastion and {
        "address": str(bastion.address),
        "port": bastion.port,
        "user": bastion.user,
        "host_key": bastion.host_key,
        "key": _output(access.bastion_private_key()),
    }
    return {"name": host.name, "door": door, "bastion": jump, "sudo_password": _output(access.sudo_password) or ""}


def _output(secret: Secret | None) -> pulumi.Output[str] | None:
    return revealed(secret) if secret else None
