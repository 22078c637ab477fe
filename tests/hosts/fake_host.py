"""A host of files: scripts run by the real bash, a host's paths below a folder, and stand-ins for the programs that change a host.

Each stand-in notes how it was called and does to the folder what the real program does to a host, as far as scripts read it again.
openssl, sed, awk and the like are the machine's own.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.hosts.unpacked import unpacked

# a path of the host where it begins a word; not in text that the scripts write (EnvironmentFile=-/etc/environment)
_PATHS = re.compile(r"(?<![\w.:}/\-])/(?=(?:etc|proc|run|snap|var|usr/local/share|usr/lib/sysctl)(?:[/\s\"'();]|$))")

OS_RELEASES = {
    "debian-12": "ID=debian\nVERSION_ID=12\nPRETTY_NAME='Debian GNU/Linux 12 (bookworm)'\n",
    "debian-13": "ID=debian\nVERSION_ID=13\nPRETTY_NAME='Debian GNU/Linux 13 (trixie)'\n",
    "ubuntu-22.04": "ID=ubuntu\nID_LIKE=debian\nVERSION_ID='22.04'\nPRETTY_NAME='Ubuntu 22.04 LTS'\n",
    "ubuntu-24.04": "ID=ubuntu\nID_LIKE=debian\nVERSION_ID='24.04'\nPRETTY_NAME='Ubuntu 24.04 LTS'\n",
    "ubuntu-26.04": "ID=ubuntu\nID_LIKE=debian\nVERSION_ID='26.04'\nPRETTY_NAME='Ubuntu 26.04 LTS'\n",
    "rhel-9": "ID=rhel\nID_LIKE=fedora\nVERSION_ID='9.4'\nPRETTY_NAME='Red Hat Enterprise Linux 9.4'\n",
    "rocky-9": "ID=rocky\nID_LIKE='rhel centos fedora'\nVERSION_ID='9.5'\nPRETTY_NAME='Rocky Linux 9.5'\n",
    "almalinux-10": "ID=almalinux\nID_LIKE='rhel centos fedora'\nVERSION_ID='10.0'\nPRETTY_NAME='AlmaLinux 10.0'\n",
    "leap-15.6": "ID=opensuse-leap\nID_LIKE='suse opensuse'\nVERSION_ID='15.6'\nPRETTY_NAME='openSUSE Leap 15.6'\n",
    "sles-15.6": "ID=sles\nID_LIKE=suse\nVERSION_ID='15.6'\nPRETTY_NAME='SUSE Linux Enterprise Server 15 SP6'\n",
}
FAMILY = {
    "debian": "debian",
    "ubuntu": "debian",
    "rhel": "redhat",
    "rocky": "redhat",
    "almalinux": "redhat",
    "leap": "suse",
    "sles": "suse",
}

HEAD = r"""#!/bin/bash
set -eu
printf '%s %s\n' "${0##*/}" "${*//$'\n'/ }" >>"$FAKE/calls"
if [ -e "$FAKE/cut" ] && [ "$(wc -l <"$FAKE/calls")" = "$(cat "$FAKE/cut")" ]; then kill -9 "$(cat "$FAKE/bash")"; exit 1; fi
"""
_INSTALL = r"""
add() { for name in "$@"; do case "$name" in -* | DPkg* | install) ;; *) add_one "$name" ;; esac; done; }
add_one() {
  if grep -qxF "${1%%-[0-9]*}" "$FAKE/absent" 2>/dev/null; then echo "no package $1" >&2; exit 104; fi
  echo "$1" >>"$FAKE/packages"
  case "$1" in
    ca-certificates | openssl | snapd | *epel-release*) ;;
    linux-modules-extra-* | kernel-modules-* | kernel-default) : >"$FAKE/no-modules" ;;
  esac
  if [ "$1" = snapd ] && [ "$FAKE_FAMILY" != debian ]; then mkdir -p "$ROOT/var/lib/snapd/snap"; fi
}
"""
STAND_INS: Mapping[str, str] = {
    "dpkg-query": 'grep -qxF "${@: -1}" "$FAKE/packages" && echo "install ok installed"',
    "apt-cache": '[ "$2" = linux-modules-extra-x86_64 ]',
    "apt-get": _INSTALL + 'case "$1" in install) add "$@" ;; esac',
    "rpm": 'grep -qxF "$2" "$FAKE/packages"',
    "dnf": _INSTALL + 'case "$*" in "-q list snapd") grep -q epel-release "$FAKE/packages" ;; install*) shift; add "$@" ;; esac',
    "subscription-manager": '[ "$1" != identity ] || [ -e "$FAKE/subscribed" ]',
    "zypper": _INSTALL
    + r"""shift
case "$*" in
  search*) [ -e "$FAKE/snappy-refreshed" ] ;;
  "repos snappy") [ -e "$FAKE/snappy" ] ;;
  addrepo*) : >"$FAKE/snappy" ;;
  *refresh*) : >"$FAKE/snappy-refreshed" ;;
  install*) shift; add "$@"; exit 102 ;;
esac""",
    "update-ca-certificates": r"""
if [ "$FAKE_FAMILY" = suse ]; then from="$ROOT/etc/pki/trust/anchors" to="$ROOT/etc/ssl/ca-bundle.pem"
else from="$ROOT/usr/local/share/ca-certificates" to="$ROOT/etc/ssl/certs/ca-certificates.crt"; fi
mkdir -p "$(dirname "$to")"; shopt -s nullglob; cat "$FAKE/public.pem" "$from"/*.??? >"$to" """,
    "update-ca-trust": r"""
to="$ROOT/etc/pki/tls/certs/ca-bundle.crt"; mkdir -p "$(dirname "$to")"; shopt -s nullglob
cat "$FAKE/public.pem" "$ROOT"/etc/pki/ca-trust/source/anchors/*.pem >"$to" """,
    "systemctl": "",
    "snap": r"""
certificates="$ROOT/var/lib/snapd/ssl/store-certs"
case "$1 ${2-}" in
  "version ") printf 'snap    %s\nsnapd   %s\n' "$(cat "$FAKE/snapd")" "$(cat "$FAKE/snapd")" ;;
  "install snapd") echo 2.68 >"$FAKE/snapd" ;;
  "set system") mkdir -p "$certificates"; name="${3%%=*}"; printf '%s\n' "${3#*=}" >"$certificates/${name#store-certs.}.pem" ;;
  "unset system") rm "$certificates/${3#store-certs.}.pem" ;;
esac""",
    "uname": 'case "$1" in -r) echo 5.14.0-427-x86_64 ;; -m) echo x86_64 ;; esac',
    "modprobe": r"""
for name in "$@"; do
  if grep -qxF -- "$name" "$FAKE/no-modules"; then exit 1; fi
done
case "$1" in -n) ;; *) echo "$1" >>"$FAKE/loaded" ;; esac""",
    "sysctl": r"""
if [ "$1" = -n ]; then cat "$FAKE/sysctl/$2" 2>/dev/null; exit; fi
for file in "$ROOT"/etc/sysctl.d/*.conf; do
  while read -r key _ value; do
    if [ "$key" = vm.nr_hugepages ] && [ -e "$FAKE/few-hugepages" ]; then value=$(cat "$FAKE/few-hugepages"); fi
    echo "$value" >"$FAKE/sysctl/$key"
  done <"$file"
done""",
    "swapoff": '[ -e "$FAKE/stubborn-swap" ] || sed -i 1q "$ROOT/proc/swaps"',
    "ip": "echo '2: eth0    inet 192.0.2.11/24 brd 192.0.2.255 scope global eth0'",
    "firewall-cmd": r"""
kept="$FAKE/runtime" zone=''
for word in "$@"; do
  case "$word" in
    --permanent) kept="$FAKE/permanent" ;;
    --zone=*) zone="${word#--zone=}" ;;
    --state) [ -e "$FAKE/firewalld" ] || exit 252 ;;
    --get-zone-of-interface=*) echo 'no zone'; exit 2 ;;
    --get-default-zone) echo public ;;
    --query-*) grep -qxF "$zone ${word#--query-}" "$kept" ;;
    --add-*) echo "$zone ${word#--add-}" >>"$kept" ;;
    --remove-*) sed -i "\\|^$zone ${word#--remove-}\$|d" "$kept" ;;
    --reload) cp "$FAKE/permanent" "$FAKE/runtime" ;;
  esac
done""",
    "getenforce": 'cat "$FAKE/selinux"',
    "setenforce": r"""case "$1" in 0) echo Permissive ;; 1) echo Enforcing ;; esac >"$FAKE/selinux" """,
}
_OF_FAMILY = {
    "debian": {"dpkg-query", "apt-cache", "apt-get", "update-ca-certificates"},
    "redhat": {"rpm", "dnf", "subscription-manager", "update-ca-trust", "getenforce", "setenforce", "firewall-cmd"},
    "suse": {"rpm", "zypper", "update-ca-certificates", "firewall-cmd"},
}
_EVERYWHERE = {"systemctl", "snap", "uname", "modprobe", "sysctl", "swapoff", "ip"}


@dataclass(frozen=True)
class FakeHost:
    """A host below ``folder``: its files in ``root``, what the stand-ins know in ``state``."""

    folder: Path
    os: str

    @classmethod
    def make(cls, folder: Path, os_name: str, public_certificate: str) -> FakeHost:
        host = cls(folder, os_name)
        host.write("etc/os-release", OS_RELEASES[os_name])
        host.write("etc/machine-id", "0123456789abcdef0123456789abcdef\n")
        host.write("etc/environment", 'PATH="/usr/bin:/bin"\n')
        host.write("etc/fstab", "UUID=1 / ext4 defaults 0 1\n")
        host.write("proc/swaps", "Filename\t\t\t\tType\t\tSize\n")
        if host.family == "redhat":
            host.write("etc/dnf/dnf.conf", "[main]\ngpgcheck=1\n")
            host.write("etc/selinux/config", "# comment\nSELINUX=enforcing\nSELINUXTYPE=targeted\n")
        if host.family == "suse":
            host.write("etc/sysconfig/proxy", 'PROXY_ENABLED="no"\nHTTP_PROXY=""\n')
        for name, text in {
            "calls": "",
            "packages": "",
            "no-modules": "",
            "loaded": "",
            "permanent": "",
            "runtime": "",
            "snapd": "2.68\n",
            "selinux": "Enforcing\n",
            "public.pem": public_certificate,
        }.items():
            host.know(name, text)
        (host.state / "sysctl").mkdir()
        programs = folder / "bin"
        programs.mkdir()
        for name in _EVERYWHERE | _OF_FAMILY[host.family]:
            (programs / name).write_text(HEAD + STAND_INS[name] + "\n")
            (programs / name).chmod(0o755)
        return host

    @property
    def family(self) -> str:
        return FAMILY[self.os.split("-")[0]]

    @property
    def root(self) -> Path:
        return self.folder / "root"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def read(self, path: str) -> str:
        return (self.root / path).read_text()

    def know(self, name: str, text: str) -> None:
        self.state.mkdir(parents=True, exist_ok=True)
        (self.state / name).write_text(text)

    def tree(self) -> dict[str, str]:
        """Every file of the host, by its path, but for what the scripts note for themselves."""
        files = (path for path in self.root.rglob("*") if path.is_file() and "run/lock" not in str(path))
        return {str(path.relative_to(self.root)): path.read_text() for path in sorted(files)}

    @property
    def calls(self) -> list[str]:
        return (self.state / "calls").read_text().splitlines()

    def record(self, step: str) -> dict[tuple[str, str], list[str]]:
        """What a step has recorded: (kind, name) to values."""
        lines = [line.split("\t") for line in self.read(f"var/lib/onprem-mlops/deployed/{step}").splitlines()]
        found = {(kind, name): values for kind, name, *values in lines}
        assert len(found) == len(lines), "a thing is recorded twice"
        return found

    def _functions(self) -> list[str]:
        """The stand-ins as functions in subshells, cheaper than a bash for every call; ``timeout`` still runs the programs."""
        folders = (self.folder / "bin", self.root / "snap/bin", self.root / "snap/microk8s/current")
        programs = [file for folder in folders if folder.is_dir() for file in folder.iterdir() if os.access(file, os.X_OK)]
        # a disk that is written to at once takes time, and there is no power loss here
        return ["sync() { :; }", 'echo $$ >"$FAKE/bash"'] + [
            f"function {name} {{ (\nBASH_ARGV0={name}; set +E; trap - ERR\n{file.read_text()}\n); }}"
            for file in programs
            if file.is_file()
            for name in (file.name if file.parent == folders[0] else file,)
        ]

    def run(
        self, step: str, values: Mapping[str, str], *, call: str = 'main "$@"', cut_at: int | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Runs a step's script without its head, as root would; ``calls`` holds the stand-ins called.

        Args:
            step: the step.
            values: its values.
            call: what is called when all is defined.
            cut_at: number of the call of a stand-in at which the script is killed.
        """
        self.know("calls", "")
        (self.state / "cut").unlink(missing_ok=True)
        if cut_at is not None:
            self.know("cut", f"{cut_at}\n")
        text = unpacked(step, values, call=call)
        text = _PATHS.sub(f"{self.root}/", text).replace('PATH="', f'PATH="{self.folder}/bin:', 1)
        (self.root / "run/lock").mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "FAKE": str(self.state), "ROOT": str(self.root), "FAKE_FAMILY": self.family}
        self.know("script", "\n".join((*self._functions(), text)))
        # its standard input is at its end, as the head of a script leaves it
        argv = ["bash", str(self.state / "script"), "apply"]
        return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, env=environment)
