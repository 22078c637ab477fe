"""How ``microk8s`` reads its command line and tells its state."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from typing import NoReturn

from mlops.rehearsal.site.daemon import Reply
from mlops.rehearsal.site.datastore import Role

# canonical/microk8s scripts/wrappers/common/utils.py: what every command but join and leave does on a worker
WORKER = "This MicroK8s deployment is acting as a node in a cluster.\nPlease use the master node.\n"
WORKER_KUBECTL = "This MicroK8s deployment is acting as a node in a cluster. Please use the microk8s.kubectl on the master.\n"


class RefusedError(Exception):
    """The command ends with this reply."""

    def __init__(self, reply: Reply) -> None:
        super().__init__()
        self.reply = reply


class Parser(argparse.ArgumentParser):
    """An argument parser that replies instead of ending the process."""

    def __init__(self, command: str) -> None:
        super().__init__(prog=f"microk8s {command}", add_help=False, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Refuses the command line."""
        raise RefusedError(Reply(2, err=f"{self.prog}: error: {message}\n"))


def split(argv: Sequence[str]) -> tuple[str, list[str]]:
    """Command and arguments of ``microk8s COMMAND ...`` and ``microk8s.COMMAND ...``."""
    name, *rest = argv
    if "." in name:
        return name.partition(".")[2], rest
    return (rest[0], rest[1:]) if rest else ("help", [])


def status_yaml(members: Mapping[str, Role], addons: Iterable[str], *, ready: bool) -> str:
    """As ``print_yaml`` of canonical/microk8s scripts/wrappers/status.py writes it; ``enabled`` is so on a single node already."""
    lines = ["microk8s:", f"  running: {ready}", "high-availability:", "  enabled: True", "  nodes:"]
    for address, role in members.items():
        lines += [f"    - address: {address}:19001", f"      role: {role}"]
    if not ready:
        return "\n".join([*lines, "  message: microk8s is not running. Use microk8s inspect for a deeper inspection.", ""])
    lines.append("addons:")
    for name in addons:
        lines += [f"  - name: {name}", "    repository: core", "    description: stand-in", "    version: stand-in"]
        lines.append("    status: enabled")
    return "\n".join([*lines, ""])
