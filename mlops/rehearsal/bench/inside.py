"""One run of the bench, inside a frame: a fresh cluster, one installer, what came of it.

Usage: ``python -m mlops.rehearsal.bench.inside JOB.json WORKDIR``
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import yaml

from mlops.bundles import Bundle, Kustomize, Places, load_bundles
from mlops.bundles.bundle import bundles_in
from mlops.bundles.order import overrides_of
from mlops.errors import UserError
from mlops.folders import cache_folder
from mlops.objectset.units import units
from mlops.ordering import Graph, KubeObject, Unit, build_graph
from mlops.rehearsal.bench.critical import critical_path
from mlops.rehearsal.bench.delays import seeded
from mlops.rehearsal.bench.others import kustomize_order, yaml_v2_sets
from mlops.rehearsal.bench.outcome import Job, Outcome
from mlops.rehearsal.bench.peer import apply_until_accepted
from mlops.rehearsal.bench.readiness import Inspection
from mlops.rehearsal.run.audit import parse, summarise
from mlops.rehearsal.run.display import step_name
from mlops.rehearsal.run.engine import Engine
from mlops.rehearsal.site.cluster_only import ClusterOnly
from mlops.rehearsal.site.inner import InterruptedBySignal, raise_on_signals
from mlops.rehearsal.site.spec import HostSpec, SiteSpec

DEPLOYER = "deployer"
"""User by whom every installer writes."""
STACK = "bench"
_LOOK_SECONDS = 0.5
READY_SECONDS = 300.0
"""How long after its last command an installer's objects may take to become ready."""
_SHOWN = 20
# what the Kubernetes provider says while it tries again, in the engine's plain display
_RETRIED = re.compile(r"^ \S+ +\S+ (\S+) creating \([^)]*\) Retry #", re.MULTILINE)
_HOST = HostSpec("node1", "192.168.50.11", 24, ("control-plane",), "", "root", "")


@dataclass(frozen=True)
class Installed:
    """What an installer says of itself.

    Attributes:
        attempts: how often it began.
        accepted: whether it ended well.
        unknown: objects that it refused itself, for want of their kind.
        failed_at: names of failed resources.
        retried_at: names of resources that were tried again.
        errors: what it said.
    """

    attempts: int = 1
    accepted: bool = True
    unknown: int = 0
    failed_at: tuple[str, ...] = ()
    retried_at: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


def run(job: Job, workdir: Path) -> Outcome:
    """Runs a job on a cluster of its own.

    Args:
        job: what to run.
        workdir: a folder of the run.
    """
    graph, _ = load_graph(job.project)
    prepare = {"program": _program, "loop": _loop, "yaml/v2": _yaml_v2}[job.installer]
    spec = SiteSpec(STACK, "bench.example", (_HOST,), "192.168.50.0/24", seed=job.seed, delay_scale=job.delay_scale)
    with ClusterOnly(spec, job.tools, workdir / "cluster") as cluster:
        install = prepare(job, graph, cluster.kubeconfig(DEPLOYER), workdir)
        inspection = Inspection(graph, partial(cluster.control_plane.client().request, "GET"))
        started = time.monotonic()
        said = install()
        accepted_seconds = time.monotonic() - started
        # nobody waits for what was not even accepted
        ready_seconds = _until_ready(inspection, started) if said.accepted else None
        unready = inspection.everything()
        unseen = inspection.unseen_pods()
    with cluster.audit_log.open(encoding="utf-8") as lines:
        audit = summarise(parse(lines), deployer=DEPLOYER)
    return Outcome(
        label=job.label,
        installer=job.installer,
        seed=job.seed,
        objects=len(graph.objects),
        attempts=said.attempts,
        accepted_seconds=accepted_seconds,
        ready_seconds=ready_seconds,
        critical_seconds=critical_path(graph, seeded(graph, seed=job.seed, scale=job.delay_scale)).seconds,
        writes=audit.deployer_writes + len(audit.refused),
        refused=tuple(f"{write.status} {write.verb} {write.what}: {write.message}" for write in audit.refused),
        asked=audit.gate_refusals.total(),
        unknown=said.unknown,
        unready=tuple(map(str, unready)),
        unseen_pods=tuple(unseen),
        refused_at=tuple(sorted({write.what for write in audit.refused})),
        asked_at=tuple(sorted({text.partition(" ")[2] for text in audit.gate_refusals})),
        failed_at=said.failed_at,
        retried_at=said.retried_at,
        errors=said.errors,
    )


def load_graph(project: Path) -> tuple[Graph, tuple[Unit, ...]]:
    """The graph of all bundles of a project, and its steps, as the program makes them."""
    manifests = project / "manifests"
    bundles = load_bundles(
        bundles_in(manifests),
        manifests=manifests,
        places=Places.from_environment(checkout=project),
        cache=cache_folder(),
        kustomize=Kustomize.pinned(),
    )
    return graph_of(bundles, manifests)


def graph_of(bundles: Sequence[Bundle], manifests: Path) -> tuple[Graph, tuple[Unit, ...]]:
    """As :func:`load_graph`, of bundles that are rendered already."""
    graph = build_graph([item for bundle in bundles for item in bundle.objects], overrides=overrides_of(bundles, manifests))
    return graph, units(graph, {graph.identify(item): bundle.name for bundle in bundles for item in bundle.objects})


def _until_ready(inspection: Inspection, started: float) -> float | None:
    deadline = time.monotonic() + READY_SECONDS
    while inspection.missing():
        if time.monotonic() > deadline:
            return None
        time.sleep(_LOOK_SECONDS)
    return time.monotonic() - started


def _loop(job: Job, graph: Graph, kubeconfig: Path, workdir: Path) -> Callable[[], Installed]:
    return _kubectl([kustomize_order(graph.objects, Kustomize.pinned())], job, kubeconfig, workdir)


def _yaml_v2(job: Job, graph: Graph, kubeconfig: Path, workdir: Path) -> Callable[[], Installed]:
    return _kubectl(yaml_v2_sets(graph.objects), job, kubeconfig, workdir)


def _kubectl(sets: Sequence[Sequence[KubeObject]], job: Job, kubeconfig: Path, workdir: Path) -> Callable[[], Installed]:
    folder = workdir / "kubectl"
    folder.mkdir()

    def install() -> Installed:
        done = apply_until_accepted(sets, kubectl=job.tools["kubectl"], kubeconfig=kubeconfig, folder=folder)
        return Installed(attempts=done.attempts, accepted=done.accepted, unknown=done.unknown)

    return install


def site_file() -> str:
    """Settings of a platform on a cluster that stands already: everything installed, nothing left to choice."""
    settings = {
        "name": STACK,
        "domain": "bench.example",
        "cluster": {"kind": "existing"},
        "network": {"loadBalancerRange": "192.168.50.200-192.168.50.220", "gatewayAddress": "192.168.50.200"},
        "trust": {"authority": {"kind": "own", "organization": "Bench", "epoch": 1}},
        "kubeflow": {},
        # an object without its edge may wait for what never comes
        "deadlines": {"webhookSeconds": 120, "workloadSeconds": 300},
    }
    return yaml.safe_dump({"config": {f"onprem-mlops:{name}": value for name, value in settings.items()}})


def _program(job: Job, _graph: Graph, kubeconfig: Path, workdir: Path) -> Callable[[], Installed]:
    engine = Engine(
        project=job.project,
        home=workdir / "engine",
        stack=STACK,
        path=(workdir / "engine" / "bin", workdir / "tools"),
        extra={},
    )
    engine.prepare(site_file(), {"onprem-mlops:cluster.kubeconfig": kubeconfig.read_text(encoding="utf-8")})
    options = ["--continue-on-error"] if job.keep_going else []

    def install() -> Installed:
        done = engine.operate("up", ["up", "--yes", "--skip-preview", *options], lambda *_: None)
        failed = tuple(sorted(step_name(urn) for layer in done.progress.layers.values() for urn in layer.failed))
        errors = tuple(f"{step_name(urn)}: {text}" for urn, text in done.progress.errors)
        retried = tuple(sorted(set(_RETRIED.findall(done.output.read_text(encoding="utf-8")))))
        return Installed(accepted=done.exit_code == 0, failed_at=failed, retried_at=retried, errors=errors[:_SHOWN])

    return install


def main(arguments: list[str]) -> int:
    """Runs the job and writes its outcome; a signal ends it, and with it everything in the frame."""
    raise_on_signals()
    job, workdir = Job.load(Path(arguments[0])), Path(arguments[1])
    try:
        run(job, workdir).save(job.result)
    except InterruptedBySignal as interrupt:
        return interrupt.code
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
