"""Stands in for ``snap`` and snapd on the hosts: one snap, MicroK8s, from a known set of channels."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from mlops.rehearsal.site.daemon import Call, Reply
from mlops.rehearsal.site.snaptree import REVISION

SNAP = "microk8s"
RISKS = ("stable", "candidate", "beta", "edge")
# tracks of the MicroK8s snap: 1.10 to 1.35
TRACKS = tuple(f"1.{minor}" for minor in range(10, 36))
_USAGE = "error: unknown command or option, see 'snap help'.\n"


@dataclass(slots=True)
class Installed:
    """The snap as installed."""

    channel: str
    version: str
    held: bool = False


@dataclass(slots=True)
class HostSnaps:
    """What snapd knows on one host."""

    microk8s: Installed | None = None
    settings: dict[str, str] = field(default_factory=dict)
    changes: list[tuple[str, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Snapd:
    """snapd of every host.

    Args:
        version_of: gives the Kubernetes version that a track holds.
        installed: lays MicroK8s out on a host and starts it; raises RuntimeError with the reason when that fails.
        removed: takes it off.
        refreshed: tells that it has another version now.
    """

    def __init__(
        self,
        version_of: Callable[[str], str],
        installed: Callable[[str, str], None],
        removed: Callable[[str], None],
        refreshed: Callable[[str, str], None],
    ) -> None:
        self._version_of = version_of
        self._on_installed = installed
        self._on_removed = removed
        self._on_refreshed = refreshed
        self._hosts: dict[str, HostSnaps] = {}
        self._guard = threading.Lock()

    def state(self, host: str) -> HostSnaps:
        """What snapd knows on a host."""
        with self._guard:
            return self._hosts.setdefault(host, HostSnaps())

    def handle(self, call: Call) -> Reply:
        """Answers one call of ``snap``."""
        state = self.state(call.host)
        words = [word for word in call.argv[1:] if not word.startswith("-")]
        options = [word for word in call.argv[1:] if word.startswith("-")]
        command, *rest = words or ["help"]
        if command in {"install", "refresh", "remove", "set"} and not call.root:
            return Reply(1, err=f'error: access denied (try with sudo) for "snap {command}"\n')
        answer = self._commands(call.host, state, options).get(command)
        return answer(rest) if answer else Reply(64, err=_USAGE)

    def _commands(self, host: str, state: HostSnaps, options: list[str]) -> dict[str, Callable[[list[str]], Reply]]:
        return {
            "version": lambda _: Reply(out="snap    2.68 (stand-in)\nsnapd   2.68 (stand-in)\nseries  16\n"),
            "wait": lambda _: Reply(),
            "restart": lambda names: _restart(state, names),
            "list": lambda names: self._list(state, names),
            "info": lambda names: self._info(state, names),
            "changes": lambda _: _list_changes(state),
            "watch": lambda _: _watch(state),
            "install": lambda names: self._change(
                state, f"Install {names} snap", lambda: self._install(host, state, names, options)
            ),
            "remove": lambda names: self._change(state, f"Remove {names} snap", lambda: self._remove(host, state, names)),
            "refresh": lambda names: self._refresh(host, state, names, options),
            "set": lambda words: _set(state, words),
            "get": lambda words: _get(state, words),
        }

    def _list(self, state: HostSnaps, names: list[str]) -> Reply:
        if names and (names != [SNAP] or state.microk8s is None):
            return Reply(1, err="error: no matching snaps installed\n")
        rows = ["Name      Version   Rev    Tracking       Publisher    Notes"]
        if not names:
            rows.append("core22    20260101  2010   latest/stable  canonical**  base")
            rows.append("snapd     2.68      25000  latest/stable  canonical**  snapd")
        if snap := state.microk8s:
            notes = "classic,held" if snap.held else "classic"
            rows.append(f"microk8s  {snap.version}   {REVISION}   {snap.channel}    canonical**  {notes}")
        return Reply(out="\n".join(rows) + "\n")

    def _info(self, state: HostSnaps, names: list[str]) -> Reply:
        if names != [SNAP]:
            return Reply(1, err=f"error: no snap found for {names}\n")
        lines = [
            "name:      microk8s",
            "summary:   Kubernetes for workstations and appliances (stand-in)",
            "publisher: Canonical**",
        ]
        if state.microk8s:
            lines += [f"tracking:  {state.microk8s.channel}", f"installed: {state.microk8s.version} ({REVISION}) 180MB classic"]
        lines.append("channels:")
        lines += [
            f"  {track}/stable: {self._version_of(track)} 2026-11-01 ({REVISION}) 180MB classic" for track in reversed(TRACKS)
        ]
        return Reply(out="\n".join(lines) + "\n")

    def _change(self, state: HostSnaps, what: str, make: Callable[[], Reply]) -> Reply:
        """Makes a change as snapd does: one at a time, listed, and to its end even when its caller is gone."""
        with state.lock:
            state.changes.append(("Doing", what))
            reply = Reply(1)
            try:
                reply = make()
            finally:
                state.changes[-1] = ("Done" if reply.code == 0 else "Error", what)
            return reply

    def _install(self, host: str, state: HostSnaps, names: list[str], options: list[str]) -> Reply:
        if names != [SNAP]:
            return Reply(1, err=f"error: snap {names} not found\n")
        if state.microk8s:
            return Reply(err="snap \"microk8s\" is already installed, see 'snap help refresh'\n")
        channel = _channel(options) or f"{TRACKS[-1]}/stable"
        if not _known(channel):
            return Reply(
                1, err=f'error: snap "{SNAP}" is not available on {channel} but other tracks exist, see "snap info {SNAP}"\n'
            )
        if "--classic" not in options:
            return Reply(1, err='error: snap "microk8s" uses classic confinement: repeat the command including --classic\n')
        version = self._version_of(channel.split("/", maxsplit=1)[0])
        try:
            self._on_installed(host, version)
        except RuntimeError as error:
            self._on_removed(host)
            return Reply(1, err=f'error: cannot perform the following tasks: run install hook of "microk8s" snap: {error}\n')
        state.microk8s = Installed(channel, version)
        return Reply(out=f"microk8s ({channel}) {version} from Canonical** installed\n")

    def _remove(self, host: str, state: HostSnaps, names: list[str]) -> Reply:
        if names != [SNAP] or state.microk8s is None:
            return Reply(err=f"snap {names} is not installed\n")
        self._on_removed(host)
        state.microk8s = None
        return Reply(out=f"{SNAP} removed\n")

    def _refresh(self, host: str, state: HostSnaps, names: list[str], options: list[str]) -> Reply:
        snap = state.microk8s
        if names != [SNAP] or snap is None:
            return Reply(1, err="error: no such snap installed\n")
        if any(option.split("=", maxsplit=1)[0] == "--hold" for option in options):
            snap.held = True
            return Reply(out=f'General refreshes of "{SNAP}" held indefinitely\n')
        if "--unhold" in options:
            snap.held = False
            return Reply(out=f'Removed general refresh hold of "{SNAP}"\n')
        channel = _channel(options) or snap.channel
        if not _known(channel):
            return Reply(1, err=f'error: snap "{SNAP}" is not available on {channel}\n')
        if channel == snap.channel:
            return Reply(err=f'snap "{SNAP}" has no updates available\n')
        version = self._version_of(channel.split("/", maxsplit=1)[0])
        self._on_refreshed(host, version)
        snap.channel, snap.version = channel, version
        return Reply(out=f"{SNAP} ({channel}) {version} from Canonical** refreshed\n")


def _restart(state: HostSnaps, names: list[str]) -> Reply:
    if state.microk8s is None or not names or names[0].split(".")[0] != SNAP:
        return Reply(1, err=f"error: snap {names} not found\n")
    return Reply(out="Restarted.\n")


def _list_changes(state: HostSnaps) -> Reply:
    lines = [f"{number}    {status}  today  today  {what}\n" for number, (status, what) in enumerate(state.changes, 1)]
    return Reply(out="ID   Status  Spawn  Ready  Summary\n" + "".join(lines))


def _watch(state: HostSnaps) -> Reply:
    with state.lock:  # held as long as a change is being made
        return Reply()


def _set(state: HostSnaps, words: list[str]) -> Reply:
    for pair in words[1:]:
        key, _, value = pair.partition("=")
        state.settings[key] = value
    return Reply()


def _get(state: HostSnaps, words: list[str]) -> Reply:
    key = words[-1] if words else ""
    if key in state.settings:
        return Reply(out=state.settings[key] + "\n")
    return Reply(1, err=f'error: no "{key}" configuration option\n')


def _channel(options: list[str]) -> str | None:
    for option in options:
        if option.startswith("--channel="):
            channel = option.removeprefix("--channel=")
            return channel if "/" in channel else f"{channel}/stable"
    return None


def _known(channel: str) -> bool:
    track, _, risk = channel.partition("/")
    return track in TRACKS and risk in RISKS
