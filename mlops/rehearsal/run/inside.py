"""The part of a rehearsal that runs inside the frame: throw-away site, engine, report.

Usage: ``python -m mlops.rehearsal.run.inside PLAN.json``
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from mlops.errors import UserError
from mlops.rehearsal.run import checks
from mlops.rehearsal.run.audit import parse, summarise
from mlops.rehearsal.run.controllers import StandInControllers
from mlops.rehearsal.run.display import Display
from mlops.rehearsal.run.engine import Engine, Operation
from mlops.rehearsal.run.enter import write_enter_script
from mlops.rehearsal.run.plan import Plan
from mlops.rehearsal.run.report import Report, judge, print_report
from mlops.rehearsal.site.inner import InterruptedBySignal, raise_on_signals
from mlops.rehearsal.site.site import ThrowAwaySite
from mlops.rehearsal.site.spec import SiteSpec

DEPLOYER = "admin"
"""User of the kubeconfig that ``microk8s config`` prints."""

# Safe for a preview, which writes nothing, and four times faster (docs/benchmarks.md).
_PREVIEW = {"PULUMI_SKIP_CHECKPOINTS": "true"}


class Rehearsal:
    """One run, phase by phase."""

    def __init__(self, plan: Plan, console: Console) -> None:
        self.plan = plan
        self.console = console
        self.report = Report(plan.stack, phases=dict(plan.preparation))
        self.display = Display(console)
        self.engine = Engine(
            project=plan.checkout,
            home=plan.workdir / "engine",
            stack=plan.stack,
            path=plan.path,
            extra={},
        )
        self.site = ThrowAwaySite(SiteSpec.load(plan.spec_file), plan.tools, plan.workdir / "site", plan.base)

    def run(self) -> int:
        """Everything; returns the exit code."""
        left_behind: list[str] = []
        with self._phase("hosts"):
            self.site.start()
        try:
            with StandInControllers(self.site, self.plan.workdir / "controllers.log"):
                with self._phase("stack"):
                    self.engine.prepare(self.plan.site_file, self.plan.secret_values)
                if self._deploy():
                    self._summarise_audit()
                    self.report.faults.extend(checks.after_up(self.engine, self.site, self.plan))
                    if self.plan.keep:
                        self._keep()
                    else:
                        left_behind = self._destroy()
                self._summarise_audit()
        finally:
            self.site.stop()
        judge(self.report, left_behind=left_behind)
        print_report(self.report, self.console)
        return 1 if self.report.faults else 0

    def _deploy(self) -> bool:
        first = self._operate("preview", "preview", environment=_PREVIEW)
        if first.exit_code != 0:
            return False
        planned = {name: layer.done for name, layer in first.progress.layers.items()}
        up = self._operate("up", "up", "--yes", "--skip-preview", totals=planned)
        if up.exit_code != 0:
            return False
        made = {name: layer.done for name, layer in up.progress.layers.items()}
        if made != planned:
            self.report.faults.append(f"the preview showed {planned} resources, up made {made}")
        again = self._operate("second up", "up", "--yes", totals=made)
        return again.exit_code == 0 and self._operate("second preview", "preview", environment=_PREVIEW).exit_code == 0

    def _destroy(self) -> list[str]:
        before = checks.objects_of(self.report.operations["up"])
        if self._operate("destroy", "destroy", "--yes").exit_code != 0:
            return []
        return checks.left_behind(self.engine, self.site, self.plan, before)

    def _operate(
        self, name: str, *arguments: str, totals: Mapping[str, int] | None = None, environment: Mapping[str, str] | None = None
    ) -> Operation:
        with self.display.operation(name, totals or {}) as show:
            operation = self.engine.operate(name.replace(" ", "-"), arguments, show, environment=environment)
        self.report.operations[name] = operation
        self.report.phases[name] = operation.seconds
        for text in operation.progress.diagnostics:
            self.console.print(text, style="red", markup=False)
        return operation

    def _summarise_audit(self) -> None:
        if self.site.audit_log.exists():
            with self.site.audit_log.open(encoding="utf-8") as lines:
                self.report.audit = summarise(parse(lines), deployer=DEPLOYER)

    def _keep(self) -> None:
        enter = write_enter_script(self.plan, self.engine, self.site.spec, self.site.kubeconfig_path())
        self.console.print(
            f"The site is kept until you press Ctrl-C. In another terminal:\n"
            f"  {enter} kubectl get nodes\n"
            f"  {enter} pulumi stack output -s {self.plan.stack}\n"
            f"  {enter} pulumi up -s {self.plan.stack} --config-file {self.engine.config_file}\n"
            f"  {enter} ssh {self.site.spec.hosts[0].name}\n"
            f"  {enter}        (a shell)",
            markup=False,
        )
        print_report(self.report, self.console)
        signal.pause()

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        try:
            yield
        finally:
            self.report.phases[name] = time.monotonic() - started
            self.console.print(f"{name}: {self.report.phases[name]:.1f} s")


def main(arguments: list[str]) -> int:
    """Runs the plan; a signal ends it, and with it everything in the frame."""
    raise_on_signals()
    plan = Plan.load(Path(arguments[0]))
    console = Console(highlight=False)
    try:
        return Rehearsal(plan, console).run()
    except InterruptedBySignal as interrupt:
        console.print("interrupted: everything of the rehearsal is ended")
        return interrupt.code
    except UserError as error:
        console.print(str(error), markup=False)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
