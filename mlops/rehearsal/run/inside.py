"""The part of a rehearsal that runs inside the frame: throw-away site, engine, report.

Usage: ``python -m mlops.rehearsal.run.inside PLAN.json``
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from mlops.errors import Problem, UserError
from mlops.rehearsal.run import checks
from mlops.rehearsal.run.audit import parse, summarise
from mlops.rehearsal.run.controllers import StandInControllers
from mlops.rehearsal.run.display import Display, make_console
from mlops.rehearsal.run.engine import Engine, Operation
from mlops.rehearsal.run.enter import write_enter_script
from mlops.rehearsal.run.plan import Plan
from mlops.rehearsal.run.report import Report, figures, judge, print_report
from mlops.rehearsal.site import consumers
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
        self._start_site()
        try:
            with StandInControllers(self.site, self.plan.workdir / "controllers.log"):
                with self._phase("stack"):
                    self.engine.prepare(self.plan.site_file, self.plan.secret_values)
                if self._deploy():
                    self._summarise_audit()
                    self.report.faults.extend(checks.after_up(self.engine, self.site, self.plan))
                    self._look_at_proxy()
                    if not self.plan.keep:
                        left_behind = self._destroy()
                self._summarise_audit()
                judge(self.report, left_behind=left_behind)
                print_report(self.report, self.console)
                self.plan.report_file.write_text(json.dumps(figures(self.report), indent=1), encoding="utf-8")
                if self.plan.keep:
                    self._keep()
        finally:
            self.site.stop()
        return 1 if self.report.faults else 0

    def _start_site(self) -> None:
        try:
            with self._phase("hosts"):
                self.site.start()
        except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
            problem = Problem(
                "throw-away hosts", str(error), "hosts that answer by SSH", "the text above is their own; logs are kept"
            )
            raise UserError("The throw-away site does not start.", [problem]) from error

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
        again = self._operate("second up", "up", "--yes", "--skip-preview", totals=made)
        if again.exit_code != 0:
            return False
        self.report.state_bytes = self.engine.state_file.stat().st_size
        return self._operate("second preview", "preview", totals=made, environment=_PREVIEW).exit_code == 0

    def _look_at_proxy(self) -> None:
        """Tells what went through the site's proxy; a host that gets nothing through it, or that went around it, is a fault."""
        if self.site.proxy is None:
            return
        hosts = [self.site.hosts[host.name] for host in self.site.spec.hosts]
        consumers.serve_packages(self.site.proxy.origins, hosts)
        for host in hosts:
            self.report.faults.extend(consumers.failures(host))
        log = self.site.proxy.log()
        clients = {record.client for record in log if record.status < 400}
        # 401 and 404 are answers of origins; a registry says 401 to everybody
        refused = sorted({record.url for record in log if record.status in {403, 407} or record.status >= 500})
        self.console.print(
            f"proxy: {len(log)} requests of {len(clients)} hosts, {len(self.site.proxy.origins.requests)} passed on"
            + (f"; refused: {', '.join(refused)}" if refused else ""),
            markup=False,
        )
        idle = [host.name for host in hosts if host.spec.address not in clients]
        self.report.faults.extend(f"host {name} fetched nothing through the proxy" for name in idle)
        self.report.faults.extend(f"{request.url} was reached around the proxy" for request in self.site.proxy.bypassed())

    def _destroy(self) -> list[str]:
        up = self.report.operations["up"]
        kept = checks.retained(self.engine)
        before = [item for item in checks.objects_of(up) if item not in kept]
        totals = {name: layer.done for name, layer in up.progress.layers.items()}
        if self._operate("destroy", "destroy", "--yes", "--skip-preview", totals=totals).exit_code != 0:
            return []
        return checks.left_behind(self.engine, self.site, self.plan, before)

    def _operate(
        self, name: str, *arguments: str, totals: Mapping[str, int] | None = None, environment: Mapping[str, str] | None = None
    ) -> Operation:
        with self.display.operation(name, totals or {}) as show:
            operation = self.engine.operate(name.replace(" ", "-"), arguments, show, environment=environment)
        self.report.operations[name] = operation
        self.report.phases[name] = operation.seconds
        return operation

    def _summarise_audit(self) -> None:
        if self.site.audit_log.exists():
            with self.site.audit_log.open(encoding="utf-8") as lines:
                self.report.audit = summarise(parse(lines), deployer=DEPLOYER)

    def _keep(self) -> None:
        """Waits for the user's Ctrl-C, which is the ordinary end here: the exit code stays the verdict's."""
        enter = write_enter_script(self.plan, self.engine, self.site.spec, self.site.kubeconfig_path())
        self.console.print(
            f"The site is kept until you press Ctrl-C here. In another terminal:\n"
            f"  {enter} kubectl get nodes\n"
            f"  {enter} pulumi stack output -s {self.plan.stack}\n"
            f"  {enter} pulumi up -s {self.plan.stack}\n"
            f"  {enter} ssh {self.site.spec.hosts[0].name}\n"
            f"  {enter}        (a shell)",
            markup=False,
        )
        try:
            signal.pause()
        except InterruptedBySignal:
            self.console.print("ended: the site and everything on it is gone")

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        try:
            yield
        finally:
            self.report.phases[name] = time.monotonic() - started
            self.console.print(f"{name}: {self.report.phases[name]:.1f} s", markup=False)


def main(arguments: list[str]) -> int:
    """Runs the plan; a signal ends it, and with it everything in the frame."""
    raise_on_signals()
    plan = Plan.load(Path(arguments[0]))
    console = make_console()
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
