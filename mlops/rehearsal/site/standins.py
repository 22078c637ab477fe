"""Who answers which stand-in: snap and microk8s have rooms of their own, the small ones are answered here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from mlops.rehearsal.site import devices, kernel
from mlops.rehearsal.site.controlplane import ControlPlane
from mlops.rehearsal.site.daemon import Call, Execute, Reply
from mlops.rehearsal.site.host import Host
from mlops.rehearsal.site.microk8s import MicroK8s
from mlops.rehearsal.site.packages import ANCHORS, BUNDLES, TRUST
from mlops.rehearsal.site.snapd import Snapd
from mlops.rehearsal.site.spec import SiteSpec

_REBOOTING = Reply(143)


class StandIns:
    """Answers every stand-in of every host.

    Args:
        spec: the site.
        hosts: the hosts, by name.
        control_plane: the cluster that ``microk8s`` brings up.
        reboot: shuts a host down and boots it.
    """

    def __init__(
        self, spec: SiteSpec, hosts: Mapping[str, Host], control_plane: ControlPlane, reboot: Callable[[str], None]
    ) -> None:
        self._spec = spec
        self._hosts = hosts
        self._reboot = reboot
        self.microk8s = MicroK8s(spec, hosts, control_plane)
        self.snapd = Snapd(
            self._version_of,
            self.microk8s.install,
            self.microk8s.remove,
            self.microk8s.refresh,
            restarted=self.microk8s.restarted,
            hosts=hosts,
            online=spec.proxy is not None,
        )

    def _version_of(self, track: str) -> str:
        return self._spec.kubernetes if self._spec.kubernetes.startswith(f"v{track}.") else f"v{track}.0"

    def handle(self, call: Call) -> Reply | Execute:
        """Answers one call. What goes wrong in a stand-in itself is told as such, with exit code 70."""
        name = call.argv[0].partition(".")[0]
        host = self._hosts[call.host]
        answers: dict[str, Callable[[Call], Reply | Execute]] = {
            "snap": self.snapd.handle,
            "microk8s": self.microk8s.handle,
            "systemctl": self._systemctl,
            "reboot": self._power_cycle,
            "shutdown": self._power_cycle,
            "sysctl": partial(kernel.sysctl, host),
            "modprobe": partial(kernel.modprobe, host),
            "swapoff": partial(kernel.swapoff, host),
            "swapon": partial(kernel.swapon, host),
            "lsblk": partial(devices.lsblk, host.facts),
            "blkid": partial(devices.blkid, host.facts),
            "timedatectl": partial(_timedatectl, host),
            "hostnamectl": partial(_hostnamectl, host),
            "getenforce": partial(_selinux, host),
            "setenforce": partial(_selinux, host),
            "sestatus": partial(_selinux, host),
            "firewall-cmd": lambda call: host.firewall.answer(call, active=host.units.active("firewalld.service")),
            "update-ca-trust": partial(_trust, host),
            "update-ca-certificates": partial(_trust, host),
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
        if {"reboot", "poweroff", "halt"} & set(call.argv[1:2]):
            return self._power_cycle(call)
        reply = self._hosts[call.host].units.answer(call)
        self.snapd.follow(call.host)
        return reply

    def forget(self, name: str) -> None:
        """A host was installed anew: nothing of what stood on its disk is there, and the cluster knows nothing of that."""
        self.snapd.forget(name)
        self.microk8s.reinstalled(name)


def _root_only(call: Call) -> Reply:
    return Reply() if call.root else Reply(1, err=f"{call.argv[0]}: Operation not permitted\n")


def _timedatectl(host: Host, call: Call) -> Reply:
    words = call.argv[1:]
    if words[:1] == ("set-ntp",):
        if call.root:
            host.set_fact(ntp_synchronized=words[1:2] in {("true",), ("yes",), ("1",)})
        return _root_only(call)
    synchronized = "yes" if host.facts.ntp_synchronized else "no"
    values = {"Timezone": "Etc/UTC", "NTP": synchronized, "NTPSynchronized": synchronized, "CanNTP": "yes"}
    if words[:1] == ("show",):
        wanted = [words[index + 1] for index, word in enumerate(words[:-1]) if word in {"-p", "--property"}]
        wanted += [word.partition("=")[2] for word in words if word.startswith("--property=")]
        names = wanted or list(values)
        if "--value" in words:
            return Reply(out="".join(f"{values.get(name, '')}\n" for name in names))
        return Reply(out="".join(f"{name}={values.get(name, '')}\n" for name in names))
    return Reply(out=f"System clock synchronized: {synchronized}\n              NTP service: active\n")


def _hostnamectl(host: Host, call: Call) -> Reply:
    words = [word for word in call.argv[1:] if not word.startswith("-")]
    if words[:1] in (["set-hostname"], ["hostname"]) and len(words) > 1:
        if call.root:
            host.set_host_name(words[1])
        return _root_only(call)
    return Reply(out=f"{host.facts.host_name or host.name}\n")


def _selinux(host: Host, call: Call) -> Reply:
    if call.argv[0] == "getenforce":
        return Reply(out=f"{host.view.selinux.capitalize()}\n")
    if call.argv[0] == "sestatus":
        status = "disabled" if host.view.selinux == "disabled" else f"enabled\nCurrent mode:                   {host.view.selinux}"
        return Reply(out=f"SELinux status:                 {status}\n")
    if not call.root:
        return Reply(1, err="setenforce:  setenforce() failed\n")
    if host.view.selinux == "disabled":
        return Reply(1, err="setenforce: SELinux is disabled\n")
    modes = {"0": "permissive", "permissive": "permissive", "1": "enforcing", "enforcing": "enforcing"}
    mode = modes.get(call.argv[-1].lower())
    if mode is None:
        return Reply(1, err="usage:  setenforce [ Enforcing | Permissive | 1 | 0 ]\n")
    host.view.selinux = mode
    host.view.write()
    return Reply()


def _trust(host: Host, _call: Call) -> Execute:
    family = host.system.family
    return Execute(("sh", TRUST, ANCHORS[family], BUNDLES[family]))
