"""Stands in for systemd's units on one host: which are enabled, which are active, over reboots."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mlops.rehearsal.site.daemon import Call, Reply
from mlops.rehearsal.site.rooted import inside

if TYPE_CHECKING:
    from mlops.rehearsal.site.host import Host

_SUFFIXES = (".service", ".socket", ".target", ".timer", ".mount")
# Units of packages that are no part of a fresh image's own: program that the package brings -> units.
_SNAPD = ("snapd.service", "snapd.socket", "snapd.seeded.service", "snapd.apparmor.service")
_MICROK8S = ("kubelite", "containerd", "cluster-agent", "apiserver-kicker", "apiserver-proxy", "k8s-dqlite")
_SSH = {"debian": "ssh.service", "redhat": "sshd.service", "suse": "sshd.service"}
_TIME = {"debian": "systemd-timesyncd.service", "redhat": "chronyd.service", "suse": "chronyd.service"}
_QUERIES = {"is-active": 3, "is-enabled": 1, "is-failed": 1}
_CHANGES = ("start", "stop", "restart", "reload", "try-restart", "reload-or-restart", "enable", "disable", "mask", "unmask")


class Units:
    """systemctl of one host.

    Args:
        host: whose disk and facts say which units there are.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._enabled: dict[str, bool] = {}
        self._active: dict[str, bool] = {}
        self._masked: set[str] = set()
        self.restarts: list[str] = []
        """Units that were started or restarted by hand since boot, in order."""

    def boot(self) -> None:
        """Starts what is enabled and nothing else."""
        self._active, self.restarts = {}, []

    def known(self) -> dict[str, bool]:
        """Every unit there is, and whether it is enabled unless somebody changed that."""
        family, root = self._host.system.family, self._host.root
        found = {_SSH[family]: True, _TIME[family]: True, "apparmor.service": family != "redhat"}
        if inside(root, "/usr/bin").joinpath("snap").is_symlink():
            # only Debian's family starts a daemon by the mere installation of its package
            found |= dict.fromkeys(_SNAPD, family == "debian")
        if (inside(root, "/var/snap/microk8s") / "current").is_symlink():
            found |= {f"snap.microk8s.daemon-{name}.service": True for name in _MICROK8S}
        if self._host.facts.firewalld:
            found["firewalld.service"] = self._host.facts.firewalld == "running"
        return found

    def active(self, unit: str) -> bool:
        """Whether a unit runs."""
        return self._active.get(unit, self.enabled(unit) and unit in self.known())

    def enabled(self, unit: str) -> bool:
        """Whether a unit starts at boot."""
        return unit not in self._masked and self._enabled.get(unit, self.known().get(unit, False))

    def answer(self, call: Call) -> Reply:
        """Answers one call of ``systemctl``; power is the caller's."""
        options = [word for word in call.argv[1:] if word.startswith("-")]
        words = [word for word in call.argv[1:] if not word.startswith("-")]
        if "-p" in options:
            words = [word for word in words if word != call.argv[call.argv.index("-p") + 1]]
        command, *names = words or ["list-units"]
        units = [name if name.endswith(_SUFFIXES) else f"{name}.service" for name in names]
        queries: dict[str, Callable[[], Reply]] = {
            "show": lambda: self._show(units, call.argv),
            **dict.fromkeys(("list-unit-files", "list-units", "cat", "status"), lambda: self._list(command, units)),
            **dict.fromkeys(_QUERIES, lambda: self._query(command, units, quiet=bool({"-q", "--quiet"} & set(options)))),
            "is-system-running": lambda: Reply(out="running\n"),
        }
        if command in queries:
            return queries[command]()
        if command not in {*_CHANGES, "daemon-reload", "daemon-reexec", "reset-failed"}:
            return Reply(1, err=f"Unknown command verb {command}.\n")
        if not call.root:
            return Reply(1, err=f"Failed to {command} {' '.join(names)}: Access denied\n")
        return self._change(command, units, now="--now" in options)

    def _query(self, command: str, units: list[str], *, quiet: bool) -> Reply:
        known = self.known()
        lines, good = [], []
        for unit in units:
            if command == "is-enabled":
                good.append(self.enabled(unit))
                word = "masked" if unit in self._masked else "enabled" if good[-1] else "disabled"
                lines.append(word if unit in known else f"Failed to get unit file state for {unit}: No such file or directory")
            else:
                good.append(self.active(unit) if command == "is-active" else False)
                lines.append("active" if self.active(unit) else "inactive")
        out = "" if quiet else "".join(f"{line}\n" for line in lines)
        all_or_any = all(good) if command == "is-enabled" else any(good)
        return Reply(0 if all_or_any else _QUERIES[command], out=out)

    def _show(self, units: list[str], argv: tuple[str, ...]) -> Reply:
        wanted = [word.partition("=")[2] for word in argv if word.startswith("--property=")]
        wanted += [argv[index + 1] for index, word in enumerate(argv) if word == "-p"]
        lines = []
        for unit in units:
            there = unit in self.known()
            values = {
                "Id": unit,
                "LoadState": "loaded" if there else "not-found",
                "ActiveState": "active" if self.active(unit) else "inactive",
                "SubState": "running" if self.active(unit) else "dead",
                "UnitFileState": ("enabled" if self.enabled(unit) else "disabled") if there else "",
            }
            names = [name for entry in wanted for name in entry.split(",")] or list(values)
            lines += [values.get(name, "") if "--value" in argv else f"{name}={values.get(name, '')}" for name in names]
        return Reply(out="".join(f"{line}\n" for line in lines))

    def _list(self, command: str, units: list[str]) -> Reply:
        found = [unit for unit in sorted(self.known()) if not units or unit in units]
        if units and not found:
            return Reply(4 if command == "status" else 1, err=f"Unit {units[0]} could not be found.\n")
        lines = [f"{unit} {'enabled' if self.enabled(unit) else 'disabled'}" for unit in found]
        return Reply(out="".join(f"{line}\n" for line in lines))

    def _change(self, command: str, units: list[str], *, now: bool) -> Reply:
        known = self.known()
        missing = [unit for unit in units if unit not in known]
        if missing and command not in {"mask", "unmask"}:
            return Reply(5 if command not in {"enable", "disable"} else 1, err=f"Unit {missing[0]} could not be found.\n")
        for unit in units:
            if command in {"enable", "disable"}:
                self._enabled[unit] = command == "enable"
            if command in {"mask", "unmask"}:
                (self._masked.add if command == "mask" else self._masked.discard)(unit)
            if command in {"start", "restart", "reload-or-restart"} or (command == "enable" and now):
                if unit in self._masked:
                    return Reply(1, err=f"Failed to {command} {unit}: Unit {unit} is masked.\n")
                self._active[unit] = True
                self.restarts.append(unit)
            if command == "stop" or (command == "disable" and now):
                self._active[unit] = False
        return Reply()
