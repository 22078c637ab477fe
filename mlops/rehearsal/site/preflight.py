"""Whether this machine can open a frame, and everything it lacks in one report."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from mlops.errors import Problem, UserError
from mlops.folders import cache_folder

_ADMINISTRATION = ("/usr/local/sbin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
# program -> Debian package that brings it
PROGRAMS = {
    "setpriv": "util-linux",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "mount": "mount",
    "ip": "iproute2",
    "mmdebstrap": "mmdebstrap",
}
ROOTLESS_PROGRAMS = {"newuidmap": "uidmap", "newgidmap": "uidmap"}
# Ids that a mapped user needs for the hosts' root file systems: Debian's own go up to 65534 (nobody).
RANGE = 65536
_SEPARATORS = ":,\\"


def namespace_command(*, rootless: bool) -> list[str]:
    """The command line in front of a frame's PID 1."""
    user = ["-U", "--map-auto", "--map-root-user"] if rootless else []
    return ["setpriv", "--pdeathsig", "KILL", "unshare", *user, "-n", "-m", "-p", "-f", "--kill-child", "--mount-proc"]


def search_path() -> str:
    """PATH with the folders for administration, which ordinary users often lack."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join([*folders, *(folder for folder in _ADMINISTRATION if folder not in folders)])


def check(*, rootless: bool, further: Iterable[Problem] = ()) -> None:
    """Checks programs, subordinate ids and kernel settings, then tries the namespaces for real.

    Args:
        rootless: whether an ordinary user opens the frame.
        further: what else is missing for the site in question.

    Raises:
        UserError: with everything that is missing.
    """
    problems = [*find_problems(rootless=rootless), *further]
    if not problems:
        problems = list(_try_namespaces(rootless=rootless))
    if problems:
        raise UserError("This machine cannot hold a throw-away site yet.", problems)


def find_problems(*, rootless: bool) -> Iterable[Problem]:
    """What is missing, as far as it can be told without trying."""
    if not sys.platform.startswith("linux"):
        yield Problem("operating system", sys.platform, "Linux", "use a Linux machine")
        return
    wanted = PROGRAMS | (ROOTLESS_PROGRAMS if rootless else {})
    missing = [name for name in wanted if shutil.which(name, path=search_path()) is None]
    if missing:
        packages = sorted({wanted[name] for name in missing})
        yield Problem("programs", f"not installed: {', '.join(missing)}", "all of them", f"apt-get install {' '.join(packages)}")
    cache = str(cache_folder())
    if set(cache) & set(_SEPARATORS):
        allowed = f"a path without {' '.join(_SEPARATORS)} (mount options are separated by them)"
        yield Problem("folder for what is kept between runs", cache, allowed, "set MLOPS_CACHE_DIR to another folder")
    if rootless:
        yield from _subordinate_ids()
        yield from _kernel_settings()


def _subordinate_ids() -> Iterable[Problem]:
    user = getpass.getuser()
    for path, option in ((Path("/etc/subuid"), "--add-subuids"), (Path("/etc/subgid"), "--add-subgids")):
        if not has_range(path, user, os.getuid()):
            mend = f"as root: usermod {option} 100000-{100000 + RANGE - 1} {user}    (any range that no other line of {path} uses)"
            yield Problem(str(path), f"no range of {RANGE} ids for {user}", f"a line '{user}:100000:{RANGE}'", mend)


def has_range(path: Path, user: str, user_id: int) -> bool:
    """Whether a file of subordinate ids holds a range for a user (by name or number) that is large enough."""
    if not path.exists():
        return False
    for line in path.read_text().splitlines():
        owner, _, rest = line.partition(":")
        if owner in (user, str(user_id)) and int(rest.partition(":")[2] or 0) >= RANGE:
            return True
    return False


def _kernel_settings() -> Iterable[Problem]:
    for name, bad in (
        ("user/max_user_namespaces", "0"),
        ("kernel/unprivileged_userns_clone", "0"),
        ("kernel/apparmor_restrict_unprivileged_userns", "1"),
    ):
        path = Path("/proc/sys", name)
        if path.exists() and path.read_text().strip() == bad:
            allowed = "more than 0" if bad == "0" else "0"
            good = 15000 if name.endswith("namespaces") else 1 - int(bad)
            mend = f"as root: sysctl {name.replace('/', '.')}={good}, or run as root"
            yield Problem(str(path), bad, allowed, mend)


def _try_namespaces(*, rootless: bool) -> Iterable[Problem]:
    overlay = "cd /mnt && mkdir l u w m && mount -t overlay -o lowerdir=l,upperdir=u,workdir=w none m"
    steps = f"mount -t tmpfs none /mnt && {overlay} && ip link add mb0 type bridge"
    result = subprocess.run(
        [*namespace_command(rootless=rootless), "sh", "-ec", steps], capture_output=True, text=True, check=False, timeout=30
    )
    if result.returncode != 0:
        said = result.stderr.strip() or f"exit code {result.returncode}"
        yield Problem(
            "namespaces",
            said,
            "new network, mount and PID namespaces with overlayfs and a bridge" + (" for an ordinary user" if rootless else ""),
            "run on a kernel with these (5.11 or newer), outside of a confined container" + (", or as root" if rootless else ""),
        )
