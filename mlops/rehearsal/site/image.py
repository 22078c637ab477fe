"""The hosts' root file systems: small Debians, made by mmdebstrap from the machine's package source and cached by their content."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mlops.errors import Problem, UserError
from mlops.folders import cache_folder
from mlops.rehearsal.site.packages import LIBRARY, PACKAGES, recipe_script, write_recipe
from mlops.rehearsal.site.runs import remove_tree
from mlops.rehearsal.site.systems import DEFAULT, SYSTEMS

# Debian packages of every image
COMMON = (
    "ca-certificates",
    "curl",
    "iproute2",
    "openssh-server",
    "openssl",
    "procps",
    "python3-minimal",
    "sudo",
    "util-linux",
)
MANAGERS = {"debian": (), "redhat": ("dnf", "rpm", "createrepo-c"), "suse": ("zypper", "rpm", "createrepo-c")}
"""Debian packages that bring the real package manager of a family."""

# What nobody reads on a throw-away host.
EXCLUDED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*", "/usr/share/lintian/*")
# Raise when what is done to the tree changes without what stands here and in packages.py changing.
RECIPE = "1"
Progress = Callable[[str], None]


def images_directory(user: int) -> Path:
    """Where a user's images are kept: their files belong to that user's subordinate ids."""
    return cache_folder() / "images" / f"uid{user}"


def image_name(system: str) -> str:
    """Folder name of the image that a system uses; changes with what goes into it."""
    image = SYSTEMS[system].image
    entry = SYSTEMS[image]
    content = (entry, COMMON, MANAGERS[entry.family], EXCLUDED, PACKAGES[image], recipe_script(entry.family), RECIPE)
    return f"{image}-{hashlib.sha256(repr(content).encode()).hexdigest()[:12]}"


def base_images(progress: Progress, systems: Iterable[str] = (DEFAULT,)) -> Path:
    """The images of these systems, made when they are not in the cache.

    Must not be called inside a frame: it needs the network.

    Args:
        progress: takes one line per step.
        systems: names from :data:`mlops.rehearsal.site.systems.SYSTEMS`.

    Returns:
        The folder that holds them, each under its :func:`image_name`; never written to by a site.

    Raises:
        UserError: no package source is reachable or mmdebstrap failed; with its last lines.
    """
    images = images_directory(os.geteuid())
    images.mkdir(parents=True, exist_ok=True)
    for image in sorted({SYSTEMS[system].image for system in systems}):
        final = images / image_name(image)
        if final.exists():
            continue
        with _locked(images / f"{final.name}.lock") as lock:
            if not final.exists():  # else another rehearsal made it meanwhile
                _make(image, final, lock, progress)
    return images


def _make(image: str, final: Path, lock: int, progress: Progress) -> None:
    started = time.monotonic()
    progress(f"root file system {image}: making it (once, 15 to 120 s)")
    partial = final.with_name(f"{final.name}.partial")
    remove_tree(partial)
    with tempfile.TemporaryDirectory(prefix="image-") as recipe:
        write_recipe(image, Path(recipe) / "recipe")
        # the hook runs under another id for an ordinary user
        subprocess.run(["chmod", "-R", "a+rX", recipe], check=True)
        if os.geteuid() == 0:
            _mmdebstrap(image, "root", partial, Path(recipe) / "recipe", lock)
        else:
            archive = final.with_name(f"{final.name}.tar")
            _mmdebstrap(image, "unshare", archive, Path(recipe) / "recipe", lock)
            _extract(archive, partial)
            archive.unlink()
    partial.rename(final)
    progress(f"root file system {image}: done in {time.monotonic() - started:.0f} s")


def _mmdebstrap(image: str, mode: str, target: Path, recipe: Path, lock: int) -> None:
    entry = SYSTEMS[image]
    packages = (*COMMON, *MANAGERS[entry.family])
    options = [f"--dpkgopt=path-exclude={pattern}" for pattern in EXCLUDED]
    hooks = (f'mkdir -p "$1{LIBRARY}"', f"copy-in {recipe} {LIBRARY}", f'chroot "$1" sh {LIBRARY}/recipe/make.sh')
    # ends with this process, but takes its time: it holds the lock, so that the next one begins when nobody writes any more
    command = [
        "setpriv",
        "--pdeathsig",
        "TERM",
        "mmdebstrap",
        "--quiet",
        f"--mode={mode}",
        "--variant=minbase",
        f"--include={','.join(packages)}",
        *options,
    ]
    command += [f"--customize-hook={hook}" for hook in hooks]
    command += [*_apt_options(), entry.suite, str(target), *_sources()]
    result = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        pass_fds=[lock],
    )
    if result.returncode != 0:
        raise UserError(
            f"The root file system {image} of the throw-away hosts could not be made.",
            [
                Problem(
                    f"mmdebstrap ({entry.suite}, {', '.join(packages)})",
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
def _locked(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)
