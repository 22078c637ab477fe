"""Tiny packages of the throw-away hosts: what a package source of the real system would have, as far as scripts look for it.

An image gets them by a recipe: a folder that is copied into it and run there by its own tools.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from mlops.rehearsal.site.systems import SYSTEMS, Family

LIBRARY = "/usr/lib/stand-in"
REPOSITORY = f"{LIBRARY}/repository"
TRUST = f"{LIBRARY}/trust"
ANCHORS = {"redhat": "/etc/pki/ca-trust/source/anchors", "suse": "/etc/pki/trust/anchors"}
BUNDLES = {"redhat": "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "suse": "/var/lib/ca-certificates/ca-bundle.pem"}
_SNAP = {"/usr/bin/snap": f"{LIBRARY}/stand_in.py"}
SNAPD_INFO = "/usr/lib/snapd/info"


@dataclass(frozen=True, slots=True)
class Package:
    """A package.

    Attributes:
        name: its name.
        version: its version; with ``-`` the release, which is 1 otherwise.
        repository: folder under :data:`REPOSITORY` that offers it.
        installed: whether a fresh host has it.
        files: path to text.
        links: path to target.
        requires: names of other packages.
        provides: further capabilities (rpm only).
        after: shell line that runs once it is installed.
        machine: made for this machine's processor only, as kernel modules are.
    """

    name: str
    version: str = "1.0"
    repository: str = "base"
    installed: bool = False
    files: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    requires: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    after: str = ""
    machine: bool = False

    @property
    def paths(self) -> list[str]:
        """What it brings, sorted."""
        return sorted([*self.files, *self.links])


def modules(system: str, *names: str) -> dict[str, str]:
    """Files of kernel modules: the stand-in for modprobe finds them for the kernel of that system."""
    return {f"/lib/modules/{SYSTEMS[system].kernel}/extra/{name}.ko": "" for name in names}


def _snapd(system: str, repository: str = "base", *, installed: bool = False, requires: tuple[str, ...] = ()) -> Package:
    version = SYSTEMS[system].snapd
    files = {SNAPD_INFO: f"VERSION={version}\n"}
    return Package("snapd", version, repository, installed=installed, files=files, links=_SNAP, requires=requires)


def rpm_source(*repositories: str) -> str:
    """Text of a .repo file for folders under :data:`REPOSITORY`; none may be called ``main``, which is dnf's word for itself."""
    lines = "[{0}]\nname={0}\nbaseurl=file://" + REPOSITORY + "/{0}\nenabled=1\ngpgcheck=0\nautorefresh=1\ntype=rpm-md\n"
    return "\n".join(lines.format(name) for name in repositories)


def _there(*names: str) -> tuple[Package, ...]:
    """Packages of which only the record matters: their programs are Debian's."""
    return tuple(Package(name, installed=True) for name in names)


def _offered(*names: str) -> tuple[Package, ...]:
    return tuple(Package(name) for name in names)


def _certificates(family: str, *links: str) -> Package:
    # programs of Debian's look for trust in these two places
    debian = ("/etc/ssl/certs/ca-certificates.crt", "/usr/lib/ssl/cert.pem")
    anchors, bundle = ANCHORS[family], BUNDLES[family]
    return Package(
        "ca-certificates",
        "2024.2",
        installed=True,
        files={TRUST: (resources.files("mlops.rehearsal.site") / "hostbin" / "trust.sh").read_text(), f"{anchors}/.keep": ""},
        links=dict.fromkeys((*links, *debian), bundle),
        after=f"sh {TRUST} {anchors} {bundle}",
    )


_UBUNTU_KERNEL = SYSTEMS["ubuntu-24.04-stand-in"].kernel
_EXTRA_MODULES = ("nvme_tcp", "nvme_fabrics", "br_netfilter", "ip_set", "nft_compat", "xt_set", "vxlan")
_KERNEL_VERSION = SYSTEMS["rocky-9-stand-in"].kernel.removesuffix(f".{platform.machine()}")
_TOOLS = ("openssl", "util-linux", "kmod", "procps", "sudo", "coreutils", "tar", "gzip")
_BASH = Package("bash", "5.2", installed=True, provides=("/bin/sh", "/usr/bin/sh", "/usr/bin/bash"))

PACKAGES: dict[str, tuple[Package, ...]] = {
    "debian-12": (
        _snapd("debian-12", installed=True),
        Package(f"linux-modules-extra-{_UBUNTU_KERNEL}", files=modules("ubuntu-24.04-stand-in", *_EXTRA_MODULES)),
        Package("linux-modules-extra-generic", requires=(f"linux-modules-extra-{_UBUNTU_KERNEL}",)),
        *_offered("chrony", "nvme-cli", "open-iscsi"),
    ),
    "debian-13": (
        _snapd("debian-13"),
        *_offered("chrony", "nvme-cli", "open-iscsi"),
    ),
    "rocky-9-stand-in": (
        Package(
            "rocky-release",
            "9.5",
            installed=True,
            files={"/etc/yum.repos.d/rocky.repo": rpm_source("base")},
            provides=("system-release = 9.5", "system-release(releasever) = 9"),
        ),
        _certificates("redhat", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/pki/tls/cert.pem"),
        _BASH,
        *_there(*_TOOLS, "iproute", "openssh-server", "python3", "policycoreutils", "procps-ng"),
        Package("kernel-modules", _KERNEL_VERSION, installed=True, machine=True),
        Package("epel-release", "9", files={"/etc/yum.repos.d/epel.repo": rpm_source("epel")}),
        Package("kernel-modules-extra", _KERNEL_VERSION, files=modules("rocky-9-stand-in", *_EXTRA_MODULES), machine=True),
        *_offered("chrony", "nvme-cli", "iscsi-initiator-utils", "firewalld"),
        _snapd("rocky-9-stand-in", "epel", requires=("snapd-selinux",)),
        Package("snapd-selinux", SYSTEMS["rocky-9-stand-in"].snapd, "epel"),
    ),
    "leap-15.6-stand-in": (
        Package(
            "openSUSE-release",
            "15.6",
            installed=True,
            files={
                "/etc/zypp/repos.d/base.repo": rpm_source("base"),
                # as on a site with a mirror of its own; a script that adds the repository itself has to take this one away first
                "/etc/zypp/repos.d/snappy.repo": rpm_source("snappy"),
                "/etc/sysconfig/proxy": 'PROXY_ENABLED="no"\nHTTP_PROXY=""\nHTTPS_PROXY=""\nNO_PROXY="localhost, 127.0.0.1"\n',
            },
            provides=("system-release = 15.6", "distribution-release = 15.6"),
        ),
        _certificates("suse", "/etc/ssl/ca-bundle.pem"),
        _BASH,
        *_there(*_TOOLS, "ca-certificates-mozilla", "iproute2", "openssh", "python3", "kernel-default"),
        *_offered("chrony", "nvme-cli", "open-iscsi", "firewalld"),
        _snapd("leap-15.6-stand-in", "snappy"),
    ),
}
"""By the system whose image has them."""


def write_recipe(image: str, directory: Path) -> None:
    """Writes the folder that turns a Debian root file system into an image: one tree and one description per package, and a script.

    Args:
        image: name of the system.
        directory: an empty folder.
    """
    family = SYSTEMS[image].family
    for package in PACKAGES[image]:
        tree = directory / "trees" / package.name
        tree.mkdir(parents=True)
        for path, text in package.files.items():
            _put(tree, path).write_text(text)
        for path, target in package.links.items():
            _put(tree, path).symlink_to(target)
        if family == "debian":
            _put(tree, "/DEBIAN/control").write_text(_control(package))
        else:
            _put(directory, f"/specs/{package.name}.spec").write_text(_spec(package))
    rows = (f"{package.repository} {'yes' if package.installed else 'no'} {package.name}\n" for package in PACKAGES[image])
    (directory / "packages").write_text("".join(rows))
    (directory / "os-release").write_text(SYSTEMS[image].os_release)
    (directory / "make.sh").write_text(recipe_script(family))


def recipe_script(family: Family) -> str:
    """The script that runs in the image."""
    name = "image-deb.sh" if family == "debian" else "image-rpm.sh"
    return (resources.files("mlops.rehearsal.site") / "hostbin" / name).read_text()


def _put(tree: Path, path: str) -> Path:
    target = tree / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _control(package: Package) -> str:
    return "".join(
        f"{line}\n"
        for line in (
            f"Package: {package.name}",
            f"Version: {package.version}",
            "Architecture: all",
            "Maintainer: stand-in of the throw-away site",
            *([f"Depends: {', '.join(package.requires)}"] if package.requires else []),
            f"Description: stand-in for {package.name}",
        )
    )


def _spec(package: Package) -> str:
    version, _, release = package.version.partition("-")
    return "\n".join(
        [
            f"Name: {package.name}",
            f"Version: {version}",
            f"Release: {release or 1}",
            f"Summary: stand-in for {package.name}",
            "License: none",
            *([] if package.machine else ["BuildArch: noarch"]),
            *_tags("Requires", package.requires),
            *_tags("Provides", package.provides),
            "%description",
            "stand-in of the throw-away site",
            "%install",
            f"cp -a trees/{package.name}/. %{{buildroot}}",
            *(["%post", package.after] if package.after else []),
            "%files",
            *package.paths,
            "",
        ]
    )


def _tags(name: str, values: Iterable[str]) -> list[str]:
    return [f"{name}: {value}" for value in values]
