"""Who answers which stand-in: snap and microk8s have rooms of their own, the small ones are answered here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mlops.rehearsal.site.controlplane import ControlPlane
from mlops.rehearsal.site.daemon import Call, Execute, Reply
from mlops.rehearsal.site.host import Host
from mlops.rehearsal.site.microk8s import MicroK8s
from mlops.rehearsal.site.snapd import Snapd
from mlops.rehearsal.site.spec import SiteSpec

_REBOOTING = Reply(143)


class StandIns:
    """Answers every stand-in of every host.

    Args:
        spec: the site.
        hosts: the hosts, by name.
        control_plane: the cluster that ``microk8s`` brings up.
        reboot: takes a host's power away and gives it back.
    """

    def __init__(
        self, spec: SiteSpec, hosts: Mapping[str, Host], control_plane: ControlPlane, reboot: Callable[[str], None]
    ) -> None:
        self._spec = spec
        self._hosts = hosts
        self._reboot = reboot
        self.microk8s = MicroK8s(spec, hosts, control_plane)
        self.snapd = Snapd(self._version_of, self.microk8s.install, self.microk8s.remove, self.microk8s.refresh)
        self._sysctl: dict[tuple[str, str], str] = {}

    def _version_of(self, track: str) -> str:
        return self._spec.kubernetes if self._spec.kubernetes.startswith(f"v{track}.") else f"v{track}.0"

    def handle(self, call: Call) -> Reply | Execute:
        """Answers one call. What goes wrong in a stand-in itself is told as such, with exit code 70."""
        name = call.argv[0].partition(".")[0]
        answers: dict[str, Callable[[Call], Reply | Execute]] = {
            "snap": self.snapd.handle,
            "microk8s": self.microk8s.handle,
            "systemctl": self._systemctl,
            "timedatectl": _timedatectl,
            "sysctl": self._set_sysctl,
            "hostnamectl": lambda call: Reply(out=f"{call.host}\n"),
            "modprobe": _root_only,
            "swapoff": _root_only,
            "reboot": self._power_cycle,
            "shutdown": self._power_cycle,
        }
        try:
            return answers[name](call)
        except Exception as error:  # noqa: BLE001 - a stand-in's bug must end the host's call, not hang it
            return Reply(70, err=f"stand-in for {name}: {type(error).__name__}: {error}\n")

    def _power_cycle(self, call: Call) -> Reply:
        if not call.root:
            return _root_only(call)
        self._reboot(call.host)
        return _REBOOTING

    def _systemctl(self, call: Call) -> Reply:
        words = [word for word in call.argv[1:] if not word.startswith("-")]
        if words[:1] in (["is-active"], ["is-enabled"]):
            known = all(word.split(".")[0] in {"snapd", "ssh", "sshd", "snap"} for word in words[1:])
            active = "active" if words[0] == "is-active" else "enabled"
            return Reply(0 if known else 3, out=f"{active if known else 'inactive'}\n")
        if not call.root:
            return Reply(1, err="Failed: access denied\n")
        if words[:1] == ["reboot"]:
            return self._power_cycle(call)
        return Reply()

    def _set_sysctl(self, call: Call) -> Reply:
        """Keeps a host's kernel settings apart from the machine's; reading one that was never set tells the machine's own."""
        words = [word for word in call.argv[1:] if not word.startswith("-")]
        files = {"-p", "--load", "--system"} & set(call.argv[1:])
        if files:
            root = self._hosts[call.host].root
            paths = [root / word.lstrip("/") for word in words] or sorted((root / "etc/sysctl.d").glob("*.conf"))
            words = [line.strip() for path in paths for line in path.read_text().splitlines()]
            words = [line for line in words if line and line[0] not in "#;"]
        out = []
        for word in words:
            key, separator, value = (part.strip() for part in word.partition("="))
            if separator:
                if not call.root:
                    return Reply(1, err=f'sysctl: permission denied on key "{key}"\n')
                self._sysctl[call.host, key] = value
            found = self._sysctl.get((call.host, key))
            if found is None:
                return Reply(1, err=f"sysctl: cannot stat /proc/sys/{key.replace('.', '/')}: No such file or directory\n")
            out.append(found if "-n" in call.argv else f"{key} = {found}")
        return Reply(out="\n".join(out) + ("\n" if out else ""))


def _root_only(call: Call) -> Reply:
    return Reply() if call.root else Reply(1, err=f"{call.argv[0]}: Operation not permitted\n")


def _timedatectl(call: Call) -> Reply:
    values = {"NTPSynchronized": "yes", "NTP": "yes", "Timezone": "Etc/UTC"}
    words = call.argv[1:]
    if words[:1] == ("show",):
        wanted = [words[index + 1] for index, word in enumerate(words[:-1]) if word in {"-p", "--property"}]
        wanted += [word.partition("=")[2] for word in words if word.startswith("--property=")]
        names = wanted or list(values)
        if "--value" in words:
            return Reply(out="".join(f"{values.get(name, '')}\n" for name in names))
        return Reply(out="".join(f"{name}={values.get(name, '')}\n" for name in names))
    return Reply()
