"""Checks on the machine that deploys: what the settings bring along, and what the engine needs. Nothing here asks a host."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mlops.hosts.checks.check import Check, Fault
from mlops.settings import CorporateAuthority, MicroK8sCluster, Site
from mlops.settings.certificates import chain_fault, faults, load, title
from mlops.settings.engine import NO_ENGINE

SOON = timedelta(days=30)
OFFLINE_SNAPS = ("core22", "snapd", "microk8s")

reachable = Check(
    "reachable",
    "error",
    "deployer",
    "an SSH server that answers with the host key of the settings, and lets the user in",
    "see the finding",
)
sudo = Check(
    "sudo",
    "error",
    "deployer",
    "root, or a user whose sudo asks for no password or for hosts.access.sudoPassword",
    "see the finding",
)
trust = Check(
    "trust",
    "error",
    "deployer",
    "certificate authorities that are valid, and for 30 days more",
    "replace the certificate in the settings",
)
offline = Check(
    "offline",
    "error",
    "deployer",
    f"NAME_*.snap and NAME_*.assert of {', '.join(OFFLINE_SNAPS)} in cluster.offline.snaps",
    "`snap download NAME --channel=...` on a machine with the store, and copy both files there",
)
passphrase = Check(
    "passphrase",
    "error",
    "deployer",
    "the passphrase of the stack's secrets",
    "set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE",
)
state_backend = Check(
    "state-backend",
    "error",
    "deployer",
    "a place for the engine's state that can be reached",
    "`pulumi login`, e.g. 'file:///srv/mlops-state?metadata=skip'",
)
settings = Check("settings", "error", "deployer", "a site file without mistakes", "correct the site file")

CHECKS = (reachable, sudo, trust, offline, passphrase, state_backend, settings)


def certificate_faults(site: Site, now: datetime | None = None) -> Iterator[Fault]:
    """What is wrong with the authorities of the settings, or soon will be."""
    moment = now or datetime.now(UTC)
    texts = [(f"trust.extraRoots[{index}]", pem) for index, pem in enumerate(site.trust.extra_roots)]
    authority = site.trust.authority
    if isinstance(authority, CorporateAuthority):
        texts += [("trust.authority.certificate", authority.certificate), ("trust.authority.chain", authority.chain)]
        broken = chain_fault((*load(authority.certificate)[1], *load(authority.chain)[1]))
        if broken:
            yield Fault(f"trust.authority.chain: {broken}")
    for where, pem in texts:
        for certificate in load(pem)[1]:
            wrong = list(faults(certificate, moment))
            for found, needed in wrong:
                yield Fault(f"{where}: {found}", needed)
            if not wrong and certificate.not_valid_after_utc < moment + SOON:
                yield Fault(f"{where}: {title(certificate)} ends on {certificate.not_valid_after_utc:%Y-%m-%d}", severity="warning")


def offline_faults(site: Site) -> Iterator[Fault]:
    """What is missing in the folder that snaps come from."""
    cluster = site.cluster
    if not isinstance(cluster, MicroK8sCluster) or cluster.offline is None:
        return
    folder = Path(cluster.offline.snaps)
    if not folder.is_dir():
        yield Fault(f"{folder}: no folder")
        return
    names = {path.name for path in folder.iterdir()}
    missing = [
        f"{snap}_*.{suffix}"
        for snap in OFFLINE_SNAPS
        for suffix in ("snap", "assert")
        if not any(re.fullmatch(rf"{snap}_.*\.{suffix}", name) for name in names)
    ]
    if missing:
        yield Fault(f"{folder}: no {', '.join(missing)}")
    images = cluster.offline.images
    if images is not None and not any(Path(images).glob("*.tar")):
        yield Fault(f"{images}: no image archive", "container images as *.tar in cluster.offline.images", "put them there")


Run = Callable[..., "subprocess.CompletedProcess[str]"]


def backend_faults(pulumi: str = "pulumi", run: Run = subprocess.run) -> Iterator[Fault]:
    """Whether the engine reaches its state. Asks it by `pulumi whoami`, which changes nothing."""
    argv = [pulumi, "whoami", "--non-interactive"]
    try:
        done = run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=30)
    except subprocess.TimeoutExpired:
        yield Fault("no answer from the state backend in 30 s")
        return
    except OSError as error:
        yield Fault(f"{pulumi}: {error.strerror}", "the pulumi command", NO_ENGINE)
        return
    if done.returncode != 0:
        words = [line.removeprefix("error: ") for line in done.stderr.splitlines() if line.strip()]
        yield Fault(words[0] if words else f"`pulumi whoami` ended with {done.returncode}")


def passphrase_faults(site_file: str) -> Iterator[Fault]:
    """Whether there is a passphrase at all: a file that names another provider of secrets needs none."""
    if re.search(r"^secretsprovider:\s*(?!passphrase)\S", site_file, re.MULTILINE):
        return
    file = os.environ.get("PULUMI_CONFIG_PASSPHRASE_FILE")
    if file and not Path(file).is_file():
        yield Fault(f"PULUMI_CONFIG_PASSPHRASE_FILE is {file}, which is no file")
    elif not file and "PULUMI_CONFIG_PASSPHRASE" not in os.environ:
        yield Fault("neither PULUMI_CONFIG_PASSPHRASE nor PULUMI_CONFIG_PASSPHRASE_FILE is set")
