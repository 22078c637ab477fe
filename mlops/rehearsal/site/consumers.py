"""Whether everything on a prepared host that goes outside does so: a real download each, with that one configuration and no other.

snapd is not here: it has fetched its snaps by the time anybody can ask.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from mlops.rehearsal.site.origins import Origins
from mlops.rehearsal.site.packages import REPOSITORY
from mlops.rehearsal.site.rooted import inside
from mlops.rehearsal.site.systems import Family, System

_CURL = "exec curl --silent --show-error --max-time 20 --output /dev/null --write-out '%{{http_code}}'"
_VARIABLES = "set -a; . {file}; set +a; " + _CURL + " https://{name}{path}"

# Each runs under a shell without any variable but PATH and HOME, prints an HTTP status where it can, and fails when nothing came.
_FILES = {
    "/etc/environment": ("/etc/environment", "registry.k8s.io", "/v2/"),
    "containerd": ("/var/snap/microk8s/current/args/containerd-env", "registry-1.docker.io", "/v2/"),
}
_PACKAGES: dict[Family, str] = {
    # apt's own way to a file: by its configuration, its proxies and its trust
    "debian": "cd /tmp && exec /usr/lib/apt/apt-helper download-file {url} fetched",
    "redhat": "exec dnf --quiet --refresh --repofrompath=outside,{url} --repo=outside --nogpgcheck repoquery",
    # SUSE's libproxy reads this file for zypper, the last of two equal lines counts; Debian's reads the environment only
    "suse": "set -a; . /etc/sysconfig/proxy; if [ $PROXY_ENABLED = yes ]; then "
    "http_proxy=$HTTP_PROXY https_proxy=$HTTPS_PROXY no_proxy=$NO_PROXY; fi; unset HTTP_PROXY HTTPS_PROXY NO_PROXY; "
    "zypper --quiet addrepo --refresh --no-gpgcheck {url} outside; zypper --quiet refresh outside; code=$?; "
    "zypper --quiet removerepo outside; exit $code",
}
_URLS: dict[Family, tuple[str, ...]] = {
    "debian": ("http://deb.debian.org/", "https://deb.debian.org/"),
    "redhat": ("https://dl.rockylinux.org/stand-in/",),
    "suse": ("https://download.opensuse.org/stand-in/",),
}
_MIRRORS: dict[Family, tuple[str, ...]] = {"redhat": ("dl.rockylinux.org",), "suse": ("download.opensuse.org",)}
CONSUMERS = (*_FILES, "packages")
"""The configurations that are tried."""


class Consumer(Protocol):
    """What is needed of a host."""

    root: Path

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def system(self) -> System:
        """Its operating system."""

    def run(self, argv: Sequence[str], *, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Runs a program on the host."""


def commands(consumer: str, family: Family) -> list[str]:
    """What is run for one of :data:`CONSUMERS`: shell texts."""
    if consumer == "packages":
        return [_PACKAGES[family].format(url=url) for url in _URLS[family]]
    file, name, path = _FILES[consumer]
    return [_VARIABLES.format(file=file, name=name, path=path)]


def serve_packages(origins: Origins, hosts: Iterable[Consumer]) -> None:
    """Gives the package sources of the families that need one something to tell: the folder of packages of such a host."""
    for host in hosts:
        for name in _MIRRORS.get(host.system.family, ()):
            origins.serve(name, "/stand-in", inside(host.root, f"{REPOSITORY}/base"))


def failures(host: Consumer, consumers: Sequence[str] = CONSUMERS) -> list[str]:
    """What does not get through to the outside from a host, one sentence each."""
    found = []
    for consumer in consumers:
        for text in commands(consumer, host.system.family):
            clean = ["env", "-i", "HOME=/root", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
            done = host.run([*clean, "bash", "-c", text])
            if done.returncode != 0 or done.stdout in {"407", "403", "302"}:
                said = (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()[-1]
                found.append(f"host {host.name}: nothing comes from outside by the configuration of {consumer}: {said}")
    return found
