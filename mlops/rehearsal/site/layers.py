"""The read-only layers above the base image of a host: the stand-ins, and what makes one host differ from another."""

from __future__ import annotations

import hashlib
import os
import shutil
from importlib import resources
from pathlib import Path

from mlops.rehearsal.site.spec import HostSpec, SiteSpec

# Programs that a namespace cannot have, or that would reach for the real machine; all are hostbin/stand_in.py under another name.
STAND_INS = (
    "usr/bin/snap",
    "usr/bin/systemctl",
    "usr/bin/timedatectl",
    "usr/bin/hostnamectl",
    "usr/sbin/modprobe",
    "usr/sbin/reboot",
    "usr/sbin/shutdown",
    "usr/sbin/swapoff",
    "usr/sbin/sysctl",
)
LIBRARY = "usr/lib/stand-in"
USER_ID = 1000

_SNAPD_STATUS = """
Package: snapd
Status: install ok installed
Priority: optional
Section: devel
Maintainer: stand-in of the throw-away site
Architecture: all
Version: 2.68+stand-in
Description: stand-in for snapd
"""

_SSHD_CONFIG = """\
Port {port}
ListenAddress {address}
HostKey /etc/ssh/ssh_host_ed25519_key
PidFile none
UsePAM no
UseDNS no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
AllowTcpForwarding yes
MaxStartups 10:30:60
PrintMotd no
Subsystem sftp internal-sftp
"""


def stand_in_layer(directory: Path, base: Path) -> Path:
    """Makes the layer that every host shares: the stand-ins and the record that snapd is installed."""
    library = directory / LIBRARY
    library.mkdir(parents=True)
    source = resources.files("mlops.rehearsal.site") / "hostbin"
    for name in ("init.py", "stand_in.py"):
        (library / name).write_bytes((source / name).read_bytes())
        (library / name).chmod(0o755)
    for path in STAND_INS:
        link = directory / path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(f"/{LIBRARY}/stand_in.py")
    date = directory / "usr/local/bin/date"
    date.parent.mkdir(parents=True)
    date.write_bytes((source / "date.sh").read_bytes())
    date.chmod(0o755)
    _write(directory / "var/lib/dpkg/status", (base / "var/lib/dpkg/status").read_text() + _SNAPD_STATUS)
    _copy_directory_modes(directory, base)
    return directory


def host_layer(directory: Path, base: Path, site: SiteSpec, host: HostSpec) -> Path:
    """Makes the layer of one host: names, keys, its user, sshd's settings."""
    directory.mkdir(parents=True)
    _write(directory / "etc/hostname", f"{host.name}\n")
    names = "".join(f"{other.address} {other.name}\n" for other in site.all_hosts)
    _write(directory / "etc/hosts", f"127.0.0.1 localhost\n::1 localhost ip6-localhost\n{names}")
    own = next(network for network in site.networks if host.network.subnet_of(network))
    # the router refuses at once, so that a name that is not in /etc/hosts costs no time-out
    _write(directory / "etc/resolv.conf", f"nameserver {site.router(own).ip}\n")
    _write(directory / "etc/machine-id", hashlib.md5(f"{site.name}/{host.name}".encode(), usedforsecurity=False).hexdigest() + "\n")
    _write(directory / "etc/ssh/sshd_config", _SSHD_CONFIG.format(port=host.port, address=host.address))
    _write(directory / "etc/ssh/ssh_host_ed25519_key", host.host_key.strip() + "\n", mode=0o600)
    _authorize(directory / "root", host.authorized_key, owner=0)
    if host.user != "root":
        _add_user(directory, base, host)
    _copy_directory_modes(directory, base)
    return directory


def _add_user(directory: Path, base: Path, host: HostSpec) -> None:
    name = host.user
    # a locked password ('!') makes sshd without PAM refuse the account, an impossible one ('*') does not
    for file, line, mode in (
        ("passwd", f"{name}:x:{USER_ID}:{USER_ID}::/home/{name}:/bin/bash\n", 0o644),
        ("group", f"{name}:x:{USER_ID}:\n", 0o644),
        ("shadow", f"{name}:*:19000:0:99999:7:::\n", 0o640),
    ):
        _write(directory / "etc" / file, (base / "etc" / file).read_text() + line, mode=mode)
    _write(directory / "etc/sudoers.d/site", f"{name} ALL=(ALL) NOPASSWD: ALL\n", mode=0o440)
    _authorize(directory / "home" / name, host.authorized_key, owner=USER_ID)


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
