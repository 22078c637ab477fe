"""The operating systems of throw-away hosts. All have Debian's user land; what stands in for another system says so in its name.

Ubuntu is Debian with another os-release. Rocky Linux and openSUSE Leap have the real dnf, zypper and rpm, which Debian packages,
and a repository of tiny packages (:mod:`mlops.rehearsal.site.packages`).
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import Literal

Family = Literal["debian", "redhat", "suse"]
DEFAULT = "debian-12"


@dataclass(frozen=True, slots=True)
class System:
    """An operating system.

    Attributes:
        family: whose words its package manager speaks.
        image: name of the system whose image it uses: its own, or one that it only differs from by its os-release.
        suite: Debian suite of the image.
        kernel: release of its kernel, unless the facts of a host say otherwise.
        snapd: version of snapd that its package source has.
        os_release: text of /etc/os-release; empty for Debian's own.
    """

    family: Family
    image: str
    suite: str
    kernel: str
    snapd: str
    os_release: str = ""


def _os_release(name: str, version: str, **fields: str) -> str:
    values = {
        "NAME": name,
        "VERSION": version,
        "PRETTY_NAME": f"{name} {version}",
        "VARIANT": "stand-in of a throw-away site, Debian underneath",
        **fields,
    }
    return "".join(f'{key}="{value}"\n' for key, value in values.items())


SYSTEMS = {
    "debian-12": System("debian", "debian-12", "bookworm", "6.1.0-31-amd64", "2.57.6"),
    "debian-13": System("debian", "debian-13", "trixie", "6.12.48+deb13-amd64", "2.68.3"),
    "ubuntu-24.04-stand-in": System(
        "debian",
        "debian-12",
        "bookworm",
        "6.8.0-51-generic",
        "2.66.1",
        _os_release("Ubuntu", "24.04.2 LTS", ID="ubuntu", ID_LIKE="debian", VERSION_ID="24.04", VERSION_CODENAME="noble"),
    ),
    "rocky-9-stand-in": System(
        "redhat",
        "rocky-9-stand-in",
        "bookworm",
        f"5.14.0-503.el9.{platform.machine()}",
        "2.67.0",
        _os_release("Rocky Linux", "9.5", ID="rocky", ID_LIKE="rhel centos fedora", VERSION_ID="9.5", PLATFORM_ID="platform:el9"),
    ),
    "leap-15.6-stand-in": System(
        "suse",
        "leap-15.6-stand-in",
        "bookworm",
        "6.4.0-150600.23-default",
        "2.65.3",
        _os_release("openSUSE Leap", "15.6", ID="opensuse-leap", ID_LIKE="suse opensuse", VERSION_ID="15.6"),
    ),
}
"""By the name that :class:`mlops.rehearsal.site.spec.HostSpec` gives."""
