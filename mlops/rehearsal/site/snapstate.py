"""What snapd knows on one host, and how ``snap`` shows it: for the stand-in."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from mlops.rehearsal.site.daemon import Reply
from mlops.rehearsal.site.snapfiles import Assertion
from mlops.rehearsal.site.snaptree import REVISION

SNAP = "microk8s"
REVISIONS = {"core22": "2045", "snapd": "25202", SNAP: REVISION}
"""The snaps there are, each with the one revision that it has."""


@dataclass(slots=True)
class Installed:
    """A snap as installed; the channel is empty when it came from a file."""

    channel: str
    version: str
    held: bool = False


@dataclass(slots=True)
class HostSnaps:
    """What snapd knows on one host.

    Attributes:
        snaps: what is installed, by name.
        settings: ``snap get system``, by dotted name.
        assertions: what was acknowledged, by the digest of the file that it is about.
        changes: status and summary of each change.
        environment: with which snapd was started; None when that has not been looked at.
        starts: how often it was started by hand since boot.
        lock: held while a change is made.
    """

    snaps: dict[str, Installed] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    assertions: dict[str, Assertion] = field(default_factory=dict)
    changes: list[tuple[str, str]] = field(default_factory=list)
    environment: dict[str, str] | None = None
    starts: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def microk8s(self) -> Installed | None:
        """MicroK8s, when it is installed."""
        return self.snaps.get(SNAP)


def refuse_daemons(state: HostSnaps, names: list[str]) -> Reply | None:
    """The answer to a command on daemons that are not there; None when they are."""
    if state.microk8s is None or not names or any(name.split(".")[0] != SNAP for name in names):
        return Reply(1, err=f'error: snap "{" ".join(names)}" not found\n')
    return None


def list_snaps(state: HostSnaps, names: list[str]) -> Reply:
    """``snap list``."""
    missing = [name for name in names if name not in state.snaps]
    if missing:
        return Reply(1, err="error: no matching snaps installed\n")
    if not state.snaps:
        return Reply(err="No snaps are installed yet. Try 'snap install hello-world'.\n")
    rows = ["Name      Version   Rev    Tracking       Publisher    Notes"]
    for name, snap in sorted(state.snaps.items()):
        if not names or name in names:
            notes = {SNAP: "classic", "snapd": "snapd"}.get(name, "base") + (",held" if snap.held else "")
            rows.append(f"{name:<9} {snap.version}   {REVISIONS[name]}   {snap.channel or '-'}    canonical**  {notes}")
    return Reply(out="\n".join(rows) + "\n")


def list_changes(state: HostSnaps) -> Reply:
    """``snap changes``."""
    lines = [f"{number}    {status}  today  today  {what}\n" for number, (status, what) in enumerate(state.changes, 1)]
    return Reply(out="ID   Status  Spawn  Ready  Summary\n" + "".join(lines))


def watch_changes(state: HostSnaps) -> Reply:
    """``snap watch``: waits for the end of the change that is being made."""
    with state.lock:  # held as long as a change is being made
        return Reply()


def option_of(options: list[str], name: str) -> str | None:
    """Value of an option NAME=VALUE; None when it is not given."""
    return next((option.partition("=")[2] for option in options if option.startswith(f"{name}=")), None)


def channel_of(options: list[str]) -> str | None:
    """The channel that is asked for, TRACK/RISK; None when none is."""
    channel = option_of(options, "--channel")
    return channel if not channel or "/" in channel else f"{channel}/stable"
