"""The read-only layers above the base image of a host: the stand-ins, and what makes one host differ from another."""

from __future__ import annotations

import os
import shutil
import subprocess
from importlib import resources
from pathlib import Path

from mlops.rehearsal.site import packages
from mlops.rehearsal.site.spec import HostSpec, SiteSpec
from mlops.rehearsal.site.systems import SYSTEMS

# Programs that a namespace cannot have, or that would reach for the real machine; all are hostbin/stand_in.py under another name.
STAND_INS = (
    "usr/bin/hostnamectl",
    "usr/bin/lsblk",
    "usr/bin/systemctl",
    "usr/bin/timedatectl",
    "usr/sbin/blkid",
    "usr/sbin/modprobe",
    "usr/sbin/reboot",
    "usr/sbin/shutdown",
    "usr/sbin/swapoff",
    "usr/sbin/swapon",
    "usr/sbin/sysctl",
)
# What only hosts of one family have.
FAMILY_STAND_INS = {
    "debian": (),
    "redhat": ("usr/bin/update-ca-trust",),
    "suse": ("usr/sbin/update-ca-certificates",),
}
# Programs that are answered on the host itself, from its files: they stand before the real ones on PATH.
LOCAL_STAND_INS = ("date", "df", "nproc", "uname")
LIBRARY = packages.LIBRARY.lstrip("/")
USER_ID = 1000

_SSHD_CONFIG = """\
Port {port}
{listen}HostKey /etc/ssh/ssh_host_ed25519_key
PidFile none
UsePAM no
UseDNS no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
AllowTcpForwarding yes
MaxStartups 10
PrintMotd no
Subsystem sftp internal-sftp
"""


def stand_in_layer(directory: Path, base: Path, system: str) -> Path:
    """Makes the layer that every host of a system shares: the stand-ins, and its os-release where it has no image of its own.

    Args:
        directory: where to.
        base: the image below.
        system: name of the operating system.
    """
    library = directory / LIBRARY
    library.mkdir(parents=True)
    source = resources.files("mlops.rehearsal.site") / "hostbin"
    for name in ("init.py", "stand_in.py"):
        (library / name).write_bytes((source / name).read_bytes())
        (library / name).chmod(0o755)
    for path in (*STAND_INS, *FAMILY_STAND_INS[SYSTEMS[system].family]):
        link = directory / path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(f"/{LIBRARY}/stand_in.py")
    for name in LOCAL_STAND_INS:
        program = directory / "usr/local/bin" / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_bytes((source / f"{name}.sh").read_bytes())
        program.chmod(0o755)
    if SYSTEMS[system].image != system:
        _write(directory / "usr/lib/os-release", SYSTEMS[system].os_release)
    _copy_directory_modes(directory, base)
    return directory


def host_layer(directory: Path, base: Path, site: SiteSpec, host: HostSpec, *, machine_id: str) -> Path:
    """Makes the layer of one host: names, keys, its user, sshd's settings.

    Args:
        directory: where to.
        base: the image below.
        site: the whole site, for the names of the other hosts.
        host: the host.
        machine_id: what /etc/machine-id holds.
    """
    directory.mkdir(parents=True)
    _write(directory / "etc/hostname", f"{host.facts.host_name or host.name}\n")
    names = "".join(f"{other.address} {other.name}\n" for other in site.all_hosts)
    _write(directory / "etc/hosts", f"127.0.0.1 localhost\n::1 localhost ip6-localhost\n{names}")
    own = next(network for network in site.networks if host.network.subnet_of(network))
    # the router refuses at once, so that a name that is not in /etc/hosts costs no time-out
    _write(directory / "etc/resolv.conf", f"nameserver {site.router(own).ip}\n")
    _write(directory / "etc/machine-id", f"{machine_id}\n")
    _write(directory / "etc/fstab", "".join(f"{device} none swap sw 0 0\n" for device in host.facts.swaps))
    if (base / "usr/bin/snap").is_symlink():
        _write(directory / packages.SNAPD_INFO.lstrip("/"), f"VERSION={host.facts.snapd or SYSTEMS[host.os].snapd}\n")
    listen = "".join(f"ListenAddress {address}\n" for address in (host.address, host.ipv6) if address)
    _write(directory / "etc/ssh/sshd_config", _SSHD_CONFIG.format(port=host.port, listen=listen))
    _write(directory / "etc/ssh/ssh_host_ed25519_key", host.host_key.strip() + "\n", mode=0o600)
    _authorize(directory / "root", host.authorized_key, owner=0)
    if host.user != "root":
        _add_user(directory, base, host)
    _copy_directory_modes(directory, base)
    return directory


def _add_user(directory: Path, base: Path, host: HostSpec) -> None:
    name = host.user
    # a locked password ('!') makes sshd without PAM refuse the account, an impossible one ('*') does not
    password = _hash(base, host.sudo_password) if host.sudo_password else "*"
    for file, line, mode in (
        ("passwd", f"{name}:x:{USER_ID}:{USER_ID}::/home/{name}:/bin/bash\n", 0o644),
        ("group", f"{name}:x:{USER_ID}:\n", 0o644),
        ("shadow", f"{name}:{password}:19000:0:99999:7:::\n", 0o640),
    ):
        _write(directory / "etc" / file, (base / "etc" / file).read_text() + line, mode=mode)
    right = "ALL" if host.sudo_password else "NOPASSWD: ALL"
    _write(directory / "etc/sudoers.d/site", f"{name} ALL=(ALL) {right}\n", mode=0o440)
    _authorize(directory / "home" / name, host.authorized_key, owner=USER_ID)


def _hash(base: Path, password: str) -> str:
    """The hash of a password as /etc/shadow has it, by the image's own program."""
    argv = ["chroot", str(base), "openssl", "passwd", "-6", "-stdin"]
    return subprocess.run(argv, input=password, capture_output=True, text=True, check=True).stdout.strip()


def _authorize(home: Path, key: str, owner: int) -> None:
    ssh = home / ".ssh"
    ssh.mkdir(parents=True)
    _write(ssh / "authorized_keys", key.strip() + "\n", mode=0o600)
    for path in (home, ssh):
        path.chmod(0o700)
    for path in (home, ssh, ssh / "authorized_keys"):
        os.chown(path, owner, owner)


def _write(path: Path, text: str, *, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def _copy_directory_modes(directory: Path, base: Path) -> None:
    """A directory of an upper layer hides the mode of the one below: take over what the base has."""
    directory.chmod(0o755)
    for path in directory.rglob("*"):
        below = base / path.relative_to(directory)
        if path.is_dir() and not path.is_symlink():
            if below.is_dir():
                shutil.copymode(below, path)
            elif path.name != ".ssh" and path.parent.name != "home":
                path.chmod(0o755)
