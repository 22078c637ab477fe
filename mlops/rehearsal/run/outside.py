"""The part of a rehearsal that runs on the machine itself: checks settings, gets what needs a network, opens the frame."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from mlops.bundles import Places, fetch, read_lock
from mlops.errors import Problem, UserError
from mlops.folders import cache_folder
from mlops.rehearsal.run.derive import REPLACED, derive
from mlops.rehearsal.run.display import make_console
from mlops.rehearsal.run.plan import Plan, site_spec, systems
from mlops.rehearsal.site import interception, preflight
from mlops.rehearsal.site.frame import run_in_frame
from mlops.rehearsal.site.image import base_images
from mlops.rehearsal.site.runs import run_directory
from mlops.rehearsal.standins import install, report
from mlops.settings import MicroK8sCluster, Site, read_site_file
from mlops.tools import Tool, resolve
from mlops.tools.console import ConsoleProgress
from mlops.tools.shell import link_folder

TOOLS = (
    "pulumi",
    "pulumi-resource-kubernetes",
    "kubectl",
    "kustomize",
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kwok",
)

_LOGS = (
    "*.log",
    "engine/logs/*.log",
    "site/cluster/*.log",
    "site/proxy/*.log",
    "site/hosts/*/*.log",
    "site/hosts/*/shared/log/*",
    "site/hosts/*/*.jsonl",
)
"""What is copied when a rehearsal has failed; a host's own files stay where they are: they may belong to other ids."""
_KEPT_LOGS = 5
# exit codes from here on tell that a signal ended the rehearsal: whoever sent it wants no logs
_SIGNALLED = 128


def rehearse(name: str, *, checkout: Path, keep: bool, delay_scale: float, report_file: Path | None = None) -> int:
    """Rehearses a site and prints what came of it.

    Args:
        name: the site; its file is ``Pulumi.<name>.yaml`` in the checkout.
        checkout: folder with the program.
        keep: leave the throw-away site up after the second ``up``, until interrupted.
        delay_scale: factor on the start delays of simulated pods; 0 starts them at once.
        report_file: where to copy the report's figures as JSON.

    Returns:
        0 when everything was as it must be, 1 otherwise, 128 + signal number when a signal ended it.

    Raises:
        UserError: the site file is wrong, or this machine lacks something.
    """
    # an ordinary user's PATH often lacks the folders in which mount and ip are
    os.environ["PATH"] = preflight.search_path()
    console = make_console()
    phases: dict[str, float] = {}
    site_file = checkout / f"Pulumi.{name}.yaml"
    site = read_site_file(site_file)
    if not isinstance(site.cluster, MicroK8sCluster) or site.hosts is None:
        problem = Problem(
            f"{site_file.name} cluster.kind",
            "existing",
            "microk8s",
            "there is nothing to rehearse on a cluster that exists already",
        )
        raise UserError(f"site {name} cannot be rehearsed", [problem])
    preflight.check(rootless=os.geteuid() != 0, further=_wanted_for_proxy(site))
    with timed(phases, "tools"), ConsoleProgress() as progress:
        tools = resolve(TOOLS, progress=progress)
    with timed(phases, "sources"):
        lock = read_lock(checkout / "manifests" / "sources.lock.yaml")
        places = Places.from_environment(checkout=checkout, air_gap=site.sources.air_gap, mirrors=site.sources.mirrors)
        fetch(lock.values(), places, cache_folder(), report=console.print)
    with timed(phases, "hosts' file system"):
        base = base_images(console.print, systems(site))
    with run_directory(name, keep=False) as run:
        plan = make_plan(
            site_file,
            site,
            checkout=checkout,
            workdir=run.path,
            tools=tools,
            base=base,
            delay_scale=delay_scale,
            keep=keep,
            preparation=phases,
            console=console,
        )
        code = run_in_frame([sys.executable, "-m", "mlops.rehearsal.run.inside", str(plan.file)], run)
        if report_file is not None and plan.report_file.exists():
            shutil.copyfile(plan.report_file, report_file)
        if code and code < _SIGNALLED:
            console.print(f"logs: {keep_logs(run.path, cache_folder() / 'failed-rehearsals')}", markup=False)
        return code


def _wanted_for_proxy(site: Site) -> Iterator[Problem]:
    if site.proxy is not None:
        urls = (site.proxy.http, site.proxy.https_url)
        yield from interception.find_problems(urls, credentials=site.proxy.username is not None)


def make_plan(
    site_file: Path,
    site: Site,
    *,
    checkout: Path,
    workdir: Path,
    tools: Mapping[str, Tool],
    base: Path,
    delay_scale: float,
    keep: bool,
    preparation: Mapping[str, float],
    console: Console,
) -> Plan:
    """Derives the site file, fills the engine's folder and writes the plan: all that the inside of the frame needs.

    Args:
        site_file: the user's site file.
        site: the same, parsed; has hosts.
        checkout: folder with the program.
        workdir: folder of the run.
        tools: :data:`TOOLS`, resolved.
        base: base root file system of the hosts.
        delay_scale: factor on the start delays of simulated pods.
        keep: leave the throw-away site up.
        preparation: phase name to seconds so far.
        console: where to say what differs and what stands in.
    """
    if site.hosts is None:
        message = f"site {site.name} has no hosts"
        raise ValueError(message)
    engine = workdir / "engine"
    install_plugins(engine, tools, console)
    derived = derive(site_file.read_text(encoding="utf-8"), site)
    console.print(f"derived site file: differs from {site_file.name} in {', '.join(derived.changes)}")
    for kind, paths in REPLACED.items():
        console.print(f"  {kind}: {paths}", markup=False)
    # the engine takes its Kubernetes plugin from the plugin folder; on PATH it would warn about it
    on_path = [tool for tool in tools.values() if tool.name != "pulumi-resource-kubernetes"]
    plan = Plan(
        stack=site.name,
        checkout=checkout,
        workdir=workdir,
        base=base,
        tools={tool.name: tool.path for tool in tools.values()},
        # stand-ins first: the language host is looked for beside the engine
        path=(engine / "bin", link_folder(on_path, workdir / "tools")),
        site_file=derived.text,
        secret_values=derived.secret_values,
        changes=derived.changes,
        keep=keep,
        on_destroy=site.hosts.on_destroy,
        preparation=preparation,
    )
    site_spec(site, derived, delay_scale=delay_scale).save(plan.spec_file)
    plan.save()
    return plan


def install_plugins(engine: Path, tools: Mapping[str, Tool], console: Console) -> None:
    """Fills the engine's own plugin folder: official plugins of this machine, the Kubernetes plugin, stand-ins for the rest."""
    plugins = engine / "pulumi-home" / "plugins"
    plugins.mkdir(parents=True, mode=0o700)
    theirs = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi") / "plugins"
    for folder in theirs.iterdir() if theirs.is_dir() else ():
        # the engine passes over a link to a folder, so the folders are ours and the files in them are links
        if folder.is_dir():
            (plugins / folder.name).mkdir()
            for file in folder.iterdir():
                (plugins / folder.name / file.name).symlink_to(file)
    kubernetes = tools["pulumi-resource-kubernetes"]
    place = plugins / f"resource-kubernetes-v{kubernetes.version}"
    if not place.exists():
        place.mkdir()
        (place / kubernetes.name).symlink_to(kubernetes.path)
    # the engine takes the language host that lies beside it first
    path = os.pathsep.join([str(tools["pulumi"].path.parent), os.environ.get("PATH", os.defpath)])
    stand_ins = install(engine / "bin", plugins=plugins, environment={**os.environ, "PATH": path})
    if line := report(stand_ins):
        console.print(line)


def keep_logs(run: Path, root: Path) -> Path:
    """Copies what the engine and the hosts have logged to a folder of the run's name, and removes the oldest such folders.

    Secrets of the throw-away site that stand in a log are masked or useless by now.
    """
    target = root / run.name
    for log in (log for pattern in _LOGS for log in run.glob(pattern)):
        copy = target / log.relative_to(run)
        copy.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.copyfile(log, copy)
    kept = sorted(root.iterdir(), key=lambda folder: folder.stat().st_mtime)
    for folder in kept[:-_KEPT_LOGS]:
        shutil.rmtree(folder, ignore_errors=True)
    return target


@contextmanager
def timed(phases: dict[str, float], name: str) -> Iterator[Callable[[], float]]:
    """Adds the seconds that the block takes to ``phases``, also when it fails."""
    started = time.monotonic()
    try:
        yield lambda: time.monotonic() - started
    finally:
        phases[name] = phases.get(name, 0.0) + time.monotonic() - started
