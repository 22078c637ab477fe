"""Snaps and images from folders of the machine that deploys, for hosts that do not reach the snap store.

Snapcraft documentation, "Install snaps offline": ``snap download`` leaves NAME_REVISION.snap and NAME_REVISION.assert. Without the
files of its base and of snapd, snapd would ask the store for them (canonical/microk8s #4508).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mlops.errors import Problem, UserError
from mlops.settings import Offline

SNAPS = ("core22", "snapd", "microk8s")
"""What is needed, in the order in which it is installed."""
SNAPS_FOLDER = "onprem-mlops/snaps"
"""Where they are copied to on a host, below the home of the user who logs in; cluster.sh reads them there."""
IMAGES_FOLDER = "onprem-mlops/images"


def snap_files(offline: Offline) -> list[str]:
    """Names of the .snap files, in the order in which they are installed; the folders hold what they must.

    Raises:
        UserError: a folder or file is missing, or there are two of a snap.
    """
    problems = [*_snap_problems(Path(offline.snaps)), *(_image_problems(Path(offline.images)) if offline.images else ())]
    if problems:
        raise UserError("the folders for hosts without the snap store are not complete", problems)
    return [next(Path(offline.snaps).glob(f"{name}_*.snap")).name for name in SNAPS]


def _snap_problems(folder: Path) -> Iterator[Problem]:
    where = f"cluster.offline.snaps {folder}"
    if not folder.is_dir():
        yield Problem(where, "no such folder", "a folder with the files of " + ", ".join(SNAPS), "make it and fill it")
        return
    for name in SNAPS:
        command = f"on a machine that reaches the store, in that folder: snap download {name}" + (
            " --channel=CHANNEL, as cluster.channel says" if name == "microk8s" else ""
        )
        found = sorted(folder.glob(f"{name}_*.snap"))
        if len(found) != 1:
            names = ", ".join(path.name for path in found) or f"no file {name}_*.snap"
            yield Problem(where, names, "one file", command if not found else "remove the others")
        elif not found[0].with_suffix(".assert").is_file():
            yield Problem(where, f"{found[0].name} without its .assert", "both files", command)


def _image_problems(folder: Path) -> Iterator[Problem]:
    if not any(folder.glob("*.tar")):
        found = "no file *.tar" if folder.is_dir() else "no such folder"
        yield Problem(
            f"cluster.offline.images {folder}", found, "container images as OCI archives", "fill it, or leave out the setting"
        )
