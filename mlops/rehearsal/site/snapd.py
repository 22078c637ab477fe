"""Stands in for ``snap`` and snapd on the hosts: MicroK8s from a known set of channels, and the snaps that it rests on.

On a site with a proxy a snap is really asked for and fetched, by what the host has been told (:mod:`.store`). Texts and exit
codes as in snapd: cmd/snapd/cli, overlord/configstate/configcore, daemon/api_sideload_n_try.go.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from mlops.rehearsal.site.daemon import Call, Reply
from mlops.rehearsal.site.origins import BASES, TRACKS, has_channel
from mlops.rehearsal.site.rooted import inside
from mlops.rehearsal.site.snapfiles import digest_of, read_assertions, read_snap, write_assertions, write_snap
from mlops.rehearsal.site.snapsettings import get_settings, set_settings, unset_settings
from mlops.rehearsal.site.snapstate import (
    REVISIONS,
    SNAP,
    HostSnaps,
    Installed,
    channel_of,
    list_changes,
    list_snaps,
    option_of,
    refuse_daemons,
    watch_changes,
)
from mlops.rehearsal.site.store import NetworkError, Store, environment_of_snapd, read_environment

if TYPE_CHECKING:
    from mlops.rehearsal.site.host import Host

SNAPD_SNAP = "2.72"
"""Version of the snapd snap, which on Debian's family takes the place of the package's (snapdtool/tool_linux.go)."""
_VERSIONS = {"core22": "20260115", "snapd": SNAPD_SNAP}
_HOLD = (2, 58)
_CHANGES = {"install", "refresh", "remove", "set", "unset", "get", "ack", "restart", "start", "stop"}
_USAGE = "error: unknown command or option, see 'snap help'.\n"
_CLASSIC_PLACE = "classic confinement requires snaps under /snap or symlink from /snap to /var/lib/snapd/snap"
_NO_DAEMON = (
    "error: cannot communicate with server: "
    'Post "http://localhost/v2/snaps": dial unix /run/snapd.socket: connect: no such file or directory\n'
)


class _RefusedError(Exception):
    """The command fails with this text."""


class Snapd:
    """snapd of every host.

    Args:
        version_of: gives the Kubernetes version that a track holds.
        installed: lays MicroK8s out on a host and starts it; raises RuntimeError with the reason when that fails.
        removed: takes it off.
        refreshed: tells that it has another version now.
        restarted: tells that a daemon of it was restarted.
        hosts: the hosts, by name; without one its name is all that is known of it.
        online: whether snaps are fetched from the store, through the site's proxy.
    """

    def __init__(
        self,
        version_of: Callable[[str], str],
        installed: Callable[[str, str], None],
        removed: Callable[[str], None],
        refreshed: Callable[[str, str], None],
        *,
        restarted: Callable[[str, str], None] = lambda *_: None,
        hosts: Mapping[str, Host] | None = None,
        online: bool = False,
    ) -> None:
        self._version_of = version_of
        self._on_installed = installed
        self._on_removed = removed
        self._on_refreshed = refreshed
        self._on_restarted = restarted
        self._machines = hosts or {}
        self._online = online
        self._hosts: dict[str, HostSnaps] = {}
        self._guard = threading.Lock()

    def state(self, host: str) -> HostSnaps:
        """What snapd knows on a host."""
        with self._guard:
            return self._hosts.setdefault(host, HostSnaps())

    def forget(self, host: str) -> None:
        """A host was installed anew."""
        with self._guard:
            self._hosts.pop(host, None)

    def boot(self, host: str) -> None:
        """A host has booted: snapd is started with what its environment is now."""
        state, machine = self.state(host), self._machines.get(host)
        state.starts = 0
        there = machine is not None and machine.units.active("snapd.service")
        state.environment = environment_of_snapd(machine) if machine and there else None

    def follow(self, host: str) -> None:
        """Somebody called systemctl on a host: when that has started snapd, it reads its environment."""
        state, machine = self.state(host), self._machines.get(host)
        if machine is not None and (starts := machine.units.restarts.count("snapd.service")) != state.starts:
            state.starts, state.environment = starts, environment_of_snapd(machine)

    def version(self, host: str) -> str:
        """Version of the snapd that answers on a host."""
        machine = self._machines.get(host)
        if machine is None or ("snapd" in self.state(host).snaps and machine.system.family == "debian"):
            return SNAPD_SNAP
        return machine.snapd_version

    def handle(self, call: Call) -> Reply:
        """Answers one call of ``snap``."""
        state, machine = self.state(call.host), self._machines.get(call.host)
        words = [word for word in call.argv[1:] if not word.startswith("-")]
        options = [word for word in call.argv[1:] if word.startswith("-")]
        command, *rest = words or ["help"]
        answer = self._commands(call.host, state, options).get(command)
        if answer is None:
            return Reply(64, err=_USAGE)
        if command != "version" and machine and not any(map(machine.units.active, ("snapd.service", "snapd.socket"))):
            return Reply(1, err=_NO_DAEMON)
        if command in _CHANGES and not call.root:
            return Reply(1, err=f'error: access denied (try with sudo) for "snap {command}"\n')
        try:
            return answer(rest)
        except _RefusedError as refused:
            return Reply(1, err=f"error: {refused}\n")

    def _commands(self, host: str, state: HostSnaps, options: list[str]) -> dict[str, Callable[[list[str]], Reply]]:
        return {
            "version": lambda _: Reply(out=f"snap    {self.version(host)}\nsnapd   {self.version(host)}\nseries  16\n"),
            "wait": lambda _: Reply(),
            "restart": lambda names: self._restart(host, state, names, "Restarted"),
            "start": lambda names: self._restart(host, state, names, "Started"),
            "stop": lambda names: refuse_daemons(state, names) or Reply(out="Stopped.\n"),
            "list": lambda names: list_snaps(state, names),
            "info": lambda names: self._info(state, names),
            "changes": lambda _: list_changes(state),
            "watch": lambda _: watch_changes(state),
            "install": lambda names: self._change(
                state, f'Install "{" ".join(names)}" snap', lambda: self._install(host, state, names, options)
            ),
            "remove": lambda names: self._change(
                state, f'Remove "{" ".join(names)}" snap', lambda: self._remove(host, state, names)
            ),
            "refresh": lambda names: self._refresh(host, state, names, options),
            "download": lambda names: self._download(host, names, options),
            "ack": lambda names: self._acknowledge(host, state, names),
            "set": lambda words: set_settings(self._machines.get(host), state.settings, words),
            "unset": lambda words: unset_settings(self._machines.get(host), state.settings, words),
            "get": lambda words: get_settings(state.settings, words, document="-d" in options),
        }

    def _info(self, state: HostSnaps, names: list[str]) -> Reply:
        if names != [SNAP]:
            raise _RefusedError(f'no snap found for "{" ".join(names)}"')
        lines = [
            "name:      microk8s",
            "summary:   Kubernetes for workstations and appliances (stand-in)",
            "publisher: Canonical**",
        ]
        if state.microk8s:
            lines += [
                f"tracking:  {state.microk8s.channel}",
                f"installed: {state.microk8s.version} ({REVISIONS[SNAP]}) 180MB classic",
            ]
        lines.append("channels:")
        lines += [
            f"  {track}/stable: {self._version_of(track)} 2026-11-01 ({REVISIONS[SNAP]}) 180MB classic"
            for track in reversed(TRACKS)
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
        if len(names) != 1:
            raise _RefusedError("the stand-in installs one snap at a time")
        file = names[0] if "/" in names[0] or names[0].endswith(".snap") else ""
        name, version = self._file(host, state, file, options) if file else (names[0], "")
        if name not in REVISIONS:
            raise _RefusedError(f'snap "{name}" not found')
        if name in state.snaps and not file:
            return Reply(err=f"snap \"{name}\" is already installed, see 'snap help refresh'\n")
        channel = "" if file else channel_of(options) or (f"{TRACKS[-1]}/stable" if name == SNAP else "latest/stable")
        if name == SNAP and not file and not has_channel(channel):
            raise _RefusedError(f'snap "{SNAP}" is not available on {channel} but other tracks exist, see "snap info {SNAP}"')
        if name == SNAP:
            self._check_classic(host, options)
        if not file:
            self._fetch(host, state, name, channel)
        if name == SNAP:
            self._prerequisites(host, state, from_file=bool(file))
            version = version or self._version_of(channel.partition("/")[0] or TRACKS[-1])
            self._lay_out(host, version)
        elif name == "snapd":
            self._snapd_snap(host)
        state.snaps[name] = Installed(channel, version or _VERSIONS[name])
        shown = f"{name} ({channel})" if channel and name == SNAP else name
        return Reply(out=f"{shown} {state.snaps[name].version} from Canonical** installed\n")

    def _check_classic(self, host: str, options: list[str]) -> None:
        if "--classic" not in options:
            raise _RefusedError('snap "microk8s" uses classic confinement: repeat the command including --classic')
        machine = self._machines.get(host)
        if machine and machine.system.family != "debian" and not machine.root.joinpath("snap").is_symlink():
            raise _RefusedError(f'cannot install "{SNAP}": {_CLASSIC_PLACE}')

    def _lay_out(self, host: str, version: str) -> None:
        try:
            self._on_installed(host, version)
        except RuntimeError as error:
            self._on_removed(host)
            raise _RefusedError(f'cannot perform the following tasks: run install hook of "microk8s" snap: {error}') from error

    def _fetch(self, host: str, state: HostSnaps, name: str, channel: str) -> None:
        machine = self._machines.get(host)
        if not self._online or machine is None:
            return
        if state.environment is None:
            state.environment = environment_of_snapd(machine)
        try:
            refusal = Store(machine, state.settings, state.environment).download(name, channel, REVISIONS[name])
        except NetworkError as error:
            if error.task:
                raise _RefusedError(f"cannot perform the following tasks:\n- {error.task} ({error})") from error
            raise _RefusedError(f'cannot install "{name}": {error}') from error
        if refusal:
            raise _RefusedError(f'snap "{name}" is not available on {channel} but other tracks exist, see "snap info {name}"')

    def _prerequisites(self, host: str, state: HostSnaps, *, from_file: bool) -> None:
        """The base and snapd's own snap come from the store, when they are not there."""
        for base in (name for name in BASES if name not in state.snaps):
            reason = ""
            if from_file and not self._online:
                reason = "unable to contact snap store"
            try:
                self._fetch(host, state, base, "latest/stable")
            except _RefusedError as refused:
                reason = str(refused)
            if reason:
                task = f'Ensure prerequisites for "{SNAP}" are available'
                raise _RefusedError(f'cannot perform the following tasks:\n- {task} (cannot install snap base "{base}": {reason})')
            state.snaps[base] = Installed("latest/stable", _VERSIONS[base])
            if base == "snapd":
                self._snapd_snap(host)

    def _snapd_snap(self, host: str) -> None:
        if machine := self._machines.get(host):
            place = "/snap" if machine.system.family == "debian" else "/var/lib/snapd/snap"
            file = inside(machine.root, f"{place}/snapd/current/usr/lib/snapd/info")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"VERSION={SNAPD_SNAP}\n")

    def _file(self, host: str, state: HostSnaps, path: str, options: list[str]) -> tuple[str, str]:
        """Name and version of a snap file on a host, whose assertion must have been acknowledged."""
        content = self._read(host, path, f'cannot open "{path}"')
        try:
            snap = read_snap(content)
        except ValueError as error:
            raise _RefusedError(str(error)) from error
        known = state.assertions.get(digest_of(content))
        if known is None and "--dangerous" not in options:
            raise _RefusedError(f'cannot find signatures with metadata for snap/component "{path}"')
        return known.name if known else snap.name, snap.version

    def _read(self, host: str, path: str, what: str) -> bytes:
        machine = self._machines.get(host)
        if machine is None or not path.startswith("/"):
            raise _RefusedError(f"{what}: the stand-in knows absolute paths only")
        try:
            return inside(machine.root, path).read_bytes()
        except OSError:
            raise _RefusedError(f"{what}: open {path}: no such file or directory") from None

    def _acknowledge(self, host: str, state: HostSnaps, names: list[str]) -> Reply:
        text = self._read(host, " ".join(names), "cannot assert").decode(errors="replace")
        try:
            state.assertions |= {assertion.digest: assertion for assertion in read_assertions(text)}
        except ValueError as error:
            raise _RefusedError(f"cannot assert: {error}") from error
        return Reply()

    def _download(self, host: str, names: list[str], options: list[str]) -> Reply:
        """Unlike the others made by ``snap`` itself: with the caller's environment, at log-in that of /etc/environment."""
        machine, folder = self._machines.get(host), option_of(options, "--target-directory")
        name = " ".join(names)
        if machine is None or folder is None or not folder.startswith("/"):
            raise _RefusedError("the stand-in wants --target-directory=ABSOLUTE")
        channel = channel_of(options) or (f"{TRACKS[-1]}/stable" if name == SNAP else "latest/stable")
        file = inside(machine.root, "/etc/environment")
        own = HostSnaps(environment=read_environment(file.read_text() if file.is_file() else ""))
        if name not in REVISIONS or (name == SNAP and not has_channel(channel)):
            raise _RefusedError(f'cannot download snap "{name}": no snap revision available as specified')
        self._fetch(host, own, name, channel)
        content = write_snap(name, self._version_of(channel.partition("/")[0]) if name == SNAP else _VERSIONS[name])
        target = inside(machine.root, folder) / f"{name}_{REVISIONS[name]}.snap"
        target.write_bytes(content)
        target.with_suffix(".assert").write_text(write_assertions(name, REVISIONS[name], content))
        return Reply(out=f'Fetching snap "{name}"\nFetching assertions for "{name}"\n')

    def _remove(self, host: str, state: HostSnaps, names: list[str]) -> Reply:
        if names != [SNAP] or state.microk8s is None:
            return Reply(err=f'snap "{" ".join(names)}" is not installed\n')
        self._on_removed(host)
        del state.snaps[SNAP]
        return Reply(out=f"{SNAP} removed\n")

    def _refresh(self, host: str, state: HostSnaps, names: list[str], options: list[str]) -> Reply:
        snap = state.microk8s
        holds = [option for option in options if option.partition("=")[0] in {"--hold", "--unhold"}]
        if holds and tuple(map(int, re.findall(r"\d+", self.version(host))[:2])) < _HOLD:
            raise _RefusedError(f"unknown flag `{holds[0].partition('=')[0].removeprefix('--')}'")
        if len(names) != 1 or names[0] not in state.snaps:
            raise _RefusedError(f'snap "{" ".join(names)}" is not installed')
        if names[0] in BASES or snap is None:
            self._fetch(host, state, names[0], "latest/stable")
            return Reply(err=f'snap "{names[0]}" has no updates available\n')
        if "--unhold" in options:
            snap.held = False
            return Reply(out=f'Removed general refresh hold of "{SNAP}"\n')
        if holds:
            snap.held = True
            return Reply(out=f'General refreshes of "{SNAP}" held indefinitely\n')
        channel = channel_of(options) or snap.channel
        if not has_channel(channel):
            raise _RefusedError(f'snap "{SNAP}" is not available on {channel}')
        self._fetch(host, state, SNAP, channel)
        if channel == snap.channel:
            return Reply(err=f'snap "{SNAP}" has no updates available\n')
        version = self._version_of(channel.split("/", maxsplit=1)[0])
        self._on_refreshed(host, version)
        snap.channel, snap.version = channel, version
        return Reply(out=f"{SNAP} ({channel}) {version} from Canonical** refreshed\n")

    def _restart(self, host: str, state: HostSnaps, names: list[str], word: str) -> Reply:
        if refusal := refuse_daemons(state, names):
            return refusal
        for name in names:
            self._on_restarted(host, name.partition(".")[2])
        return Reply(out=f"{word}.\n")
