"""The whole bench: every installer on identical fresh clusters, many seeds, missing edges."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from mlops.bundles import Bundle, Kustomize, Places, load_bundles
from mlops.bundles.bundle import bundles_in
from mlops.folders import cache_folder
from mlops.ordering import Graph, ObjectRef
from mlops.rehearsal.bench import mutation, verdict
from mlops.rehearsal.bench.inside import graph_of, load_graph
from mlops.rehearsal.bench.mutation import Mutation
from mlops.rehearsal.bench.outcome import INSTALLERS, Installer, Job
from mlops.rehearsal.bench.page import Figures
from mlops.rehearsal.bench.project import make_project, small_set
from mlops.rehearsal.bench.runner import Runner
from mlops.rehearsal.bench.verdict import Verdict
from mlops.rehearsal.run.outside import TOOLS
from mlops.rehearsal.site import preflight
from mlops.tools import resolve
from mlops.tools.console import ConsoleProgress
from mlops.tools.shell import engine_settings

_SMALL_AT_ONCE = 2
"""Small runs mostly wait; their time is not compared with anything."""
_MOST_MUTATION_SEEDS = 3
_USERS = ObjectRef("", "ConfigMap", "auth", "dex")
"""The program finds its first user there, and generates passwords for Secrets."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is run.

    Attributes:
        seeds: seeds of the comparison with everything installed.
        small_seeds: further seeds with the guarded objects only, this program alone.
        mutations: whether hard edges are taken away.
        compare_small: compare the installers on the guarded objects instead of on everything.
        installers: who is compared.
        delay_scale: factor on all delays.
    """

    seeds: int = 3
    small_seeds: int = 20
    mutations: bool = True
    compare_small: bool = False
    installers: Sequence[Installer] = tuple(INSTALLERS)
    delay_scale: float = 1.0


QUICK = Size(seeds=1, small_seeds=0, mutations=False, compare_small=True)
"""One small seed; CI runs it with this program alone."""


class Bench:
    """A bench under way.

    Args:
        checkout: folder with the program.
        console: where to say how far it is.
        size: how much is run.
        folder: an empty folder, for everything that is made.
    """

    def __init__(self, checkout: Path, console: Console, size: Size, folder: Path) -> None:
        self._checkout, self._size, self._folder = checkout, size, folder
        self._runner = Runner(console, folder)
        with ConsoleProgress() as progress:
            self._tools = {tool.name: tool.path for tool in resolve(TOOLS, progress=progress).values()}
        manifests = checkout / "manifests"
        self._bundles: Sequence[Bundle] = load_bundles(
            bundles_in(manifests),
            manifests=manifests,
            places=Places.from_environment(checkout=checkout),
            cache=cache_folder(),
            kustomize=Kustomize.pinned(),
            report=console.print,
        )
        self._graph, self._steps = graph_of(self._bundles, manifests)

    def run(self, figures: Figures) -> None:
        """Runs everything and adds what it found."""
        project = self._small_project() if self._size.compare_small else self._checkout
        if not self._size.compare_small:
            figures.without_delays = self._runner.run([self._job("no delays", "program", project, "0", scale=0.0)])[0]
        for number in range(1, self._size.seeds + 1):
            for installer in self._size.installers:
                label = f"seed {number}, {installer}"
                figures.full += self._runner.run([self._job(label, installer, project, str(number))])
        if self._size.small_seeds:
            project = self._small_project()
            first = self._size.seeds + 1
            seeds = range(first, first + self._size.small_seeds)
            jobs = [self._job(f"small, seed {seed}", "program", project, str(seed)) for seed in seeds]
            figures.small += self._runner.run(jobs, at_once=_SMALL_AT_ONCE)
        if self._size.mutations:
            self._mutate(figures)

    def _job(
        self, label: str, installer: Installer, project: Path, seed: str, *, scale: float | None = None, keep_going: bool = False
    ) -> Job:
        return Job(
            label=label,
            installer=installer,
            project=project,
            seed=seed,
            delay_scale=self._size.delay_scale if scale is None else scale,
            tools=self._tools,
            result=self._runner.new_file("outcome"),
            keep_going=keep_going,
        )

    @property
    def _kept(self) -> frozenset[ObjectRef]:
        """Objects that webhooks look at, those that the program itself looks into, and all that these wait for."""
        read = [item.ref for item in self._graph.objects if (item.group, item.kind) == ("", "Secret") or item.ref == _USERS]
        return small_set(self._graph, self._bundles, [*mutation.guarded(self._graph), *read])

    def _small_project(self, name: str = "small", without: Collection[Mutation] = ()) -> Path:
        folder = self._folder / name
        if not folder.exists():
            make_project(folder, self._checkout, self._bundles, keep=self._kept, without=without)
            load_graph(folder)  # renders it once, before anybody measures
        return folder

    def _mutate(self, figures: Figures) -> None:
        graph, steps = load_graph(self._small_project())
        plan = mutation.plan(graph, steps)
        whole = mutation.plan(self._graph, self._steps)
        figures.implied, figures.behind_gates = plan.implied, plan.behind_gates
        tested = {edge for missing in plan.mutations for edge in missing.edges}
        figures.others = sum(tested.isdisjoint(missing.edges) for missing in whole.mutations)
        known = dict.fromkeys(plan.mutations, Verdict.NOTHING)
        runs: Sequence[Sequence[Mutation]] = plan.runs
        for seed in range(1, _MOST_MUTATION_SEEDS + 1):
            known = verdict.clearest(known, self._mutated(graph, runs, str(seed)))
            runs = verdict.undecided(known, runs)
            self._runner.say(f"missing edges, seed {seed}: {sum(map(len, runs))} of {len(known)} have refused nothing yet")
            if not runs:
                break
        figures.mutations = known

    def _mutated(self, graph: Graph, runs: Sequence[Sequence[Mutation]], seed: str) -> list[tuple[Mutation, Verdict]]:
        jobs = []
        for number, run in enumerate(runs, 1):
            project = self._small_project(f"without-{seed}-{number}", run)
            label = f"without {len(run)} edges, seed {seed}, run {number}"
            jobs.append(self._job(label, "program", project, seed, keep_going=True))
        outcomes = self._runner.run(jobs, at_once=_SMALL_AT_ONCE)
        pairs = zip(runs, outcomes, strict=True)
        return [(missing, verdict.verdict(graph, missing, outcome)) for run, outcome in pairs for missing in run]


def run_bench(checkout: Path, console: Console, size: Size, figures: Figures) -> None:
    """Runs the bench and adds what it found; everything that it makes is gone afterwards.

    Args:
        checkout: folder with the program.
        console: where to say how far it is.
        size: how much is run.
        figures: filled in.

    Raises:
        UserError: this machine lacks something, or a run ended without an outcome.
    """
    os.environ["PATH"] = preflight.search_path()
    preflight.check(rootless=os.geteuid() != 0)
    figures.settings = engine_settings(os.environ)
    with TemporaryDirectory(prefix="bench-", dir=cache_folder().absolute()) as folder:
        Bench(checkout, console, size, Path(folder)).run(figures)
