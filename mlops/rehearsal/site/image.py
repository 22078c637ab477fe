"""The hosts' base root file system: a small Debian, made by mmdebstrap from the machine's package source and cached."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mlops.errors import Problem, UserError
from mlops.folders import cache_folder
from mlops.rehearsal.site.runs import remove_tree

SUITE = "bookworm"
PACKAGES = (
    "ca-certificates",
    "iproute2",
    "openssh-server",
    "openssl",
    "procps",
    "python3-minimal",
    "sudo",
    "util-linux",
)
# What nobody reads on a throw-away host.
EXCLUDED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*", "/usr/share/lintian/*")
# Raise when what is done to the tree changes without the lists above changing.
RECIPE = "1"
Progress = Callable[[str], None]


def image_directory(user: int) -> Path:
    """Where a user's base image is kept: its files belong to that user's subordinate ids."""
    digest = hashlib.sha256(repr((SUITE, PACKAGES, EXCLUDED, RECIPE)).encode()).hexdigest()[:12]
    return cache_folder() / "images" / f"{SUITE}-{digest}-uid{user}"


def base_image(progress: Progress) -> Path:
    """The base root file system, made when it is not in the cache.

    Must not be called inside a frame: it needs the network.

    Args:
        progress: takes one line per step.

    Returns:
        The directory of the root file system; never written to.

    Raises:
        UserError: no package source is reachable or mmdebstrap failed; with its last lines.
    """
    final = image_directory(os.geteuid())
    images = final.parent
    images.mkdir(parents=True, exist_ok=True)
    if final.exists():
        return final
    with _locked(images / f"{final.name}.lock"):
        if final.exists():  # another rehearsal made it meanwhile
            return final
        started = time.monotonic()
        progress(f"base root file system: making Debian {SUITE} with {', '.join(PACKAGES)} (once, 15 to 120 s)")
        partial = images / f"{final.name}.partial"
        remove_tree(partial)
        if os.geteuid() == 0:
            _mmdebstrap("root", partial)
        else:
            archive = images / f"{final.name}.tar"
            _mmdebstrap("unshare", archive)
            _extract(archive, partial)
            archive.unlink()
        partial.rename(final)
        progress(f"base root file system: done in {time.monotonic() - started:.0f} s")
    return final


def _mmdebstrap(mode: str, target: Path) -> None:
    options = [f"--dpkgopt=path-exclude={pattern}" for pattern in EXCLUDED]
    command = ["mmdebstrap", "--quiet", f"--mode={mode}", "--variant=minbase", f"--include={','.join(PACKAGES)}", *options]
    command += [*_apt_options(), SUITE, str(target), *_sources()]
    result = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if result.returncode != 0:
        raise UserError(
            "The hosts' base root file system could not be made.",
            [
                Problem(
                    f"mmdebstrap ({SUITE})",
                    "\n".join(result.stdout.strip().splitlines()[-8:]),
                    "a reachable Debian package source and room on the disk",
                    "check 'apt-get update' and, for a proxy, http_proxy or Acquire::http::Proxy; "
                    "on other systems than Debian: apt-get install debian-archive-keyring",
                )
            ],
        )


def _sources() -> list[str]:
    """The Debian mirror that this machine's apt uses; none when it uses none, then mmdebstrap takes its default."""
    if shutil.which("apt-get") is None:
        return []
    listing = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(REPO_URI)"], capture_output=True, text=True, check=False
    )
    for line in listing.stdout.splitlines():
        origin, label, uri = line.split("|", 2)
        if (origin, label) == ("Debian", "Debian") and uri.startswith(("http://", "https://")):
            return [uri]
    return []


def _apt_options() -> list[str]:
    """The machine's apt settings for reaching a source: proxies, certificates, timeouts."""
    if shutil.which("apt-config") is None:
        return []
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=False)
    wanted = ("Acquire::http", "Acquire::https", "Acquire::Retries")
    lines = [line for line in dump.stdout.splitlines() if line.startswith(wanted) and '""' not in line]
    return [f"--aptopt={line}" for line in lines]


def _extract(archive: Path, target: Path) -> None:
    mapped = ["unshare", "-U", "--map-auto", "--map-root-user"]
    subprocess.run([*mapped, "mkdir", str(target)], check=True)
    subprocess.run([*mapped, "tar", "-x", "--exclude=./dev/*", "-f", str(archive), "-C", str(target)], check=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
