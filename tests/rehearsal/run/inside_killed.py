"""Runs inside namespaces of its own (test_killed_in_kubeflow.py starts it): the engine is killed in the middle of Kubeflow."""

from __future__ import annotations

import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from mlops.rehearsal.bench.inside import DEPLOYER, STACK, load_graph, site_file
from mlops.rehearsal.bench.readiness import Inspection
from mlops.rehearsal.run.audit import parse, summarise
from mlops.rehearsal.run.engine import Engine
from mlops.rehearsal.run.outside import TOOLS, install_plugins
from mlops.rehearsal.site import preflight
from mlops.rehearsal.site.cluster_only import ClusterOnly
from mlops.rehearsal.site.spec import HostSpec, SiteSpec
from mlops.tools import resolve
from mlops.tools.shell import link_folder
from tests.rehearsal.run.operators import Operator, until

ROOT = Path(__file__).resolve().parents[3]
HOST = HostSpec("node1", "192.168.50.11", 24, ("control-plane",), "", "root", "")
SPEC = SiteSpec(STACK, "bench.example", (HOST,), "192.168.50.0/24", delay_scale=0)
DEPLOYMENTS = 12
"""So many of Kubeflow's 53 there are when the engine is killed: webhooks and gates are under way."""
SECONDS = 600


def play(folder: Path) -> dict[str, Any]:
    graph, _ = load_graph(ROOT)
    tools = resolve(TOOLS)
    engine_home = folder / "engine"
    install_plugins(engine_home, tools, Console(quiet=True))
    named = [tool for name, tool in tools.items() if name != "pulumi-resource-kubernetes"]
    engine = Engine(
        project=ROOT, home=engine_home, stack=STACK, path=(engine_home / "bin", link_folder(named, folder / "tools")), extra={}
    )
    with ClusterOnly(SPEC, {name: tool.path for name, tool in tools.items()}, folder / "cluster") as cluster:
        kubeconfig = cluster.kubeconfig(DEPLOYER).read_text(encoding="utf-8")
        engine.prepare(site_file(), {"onprem-mlops:cluster.kubeconfig": kubeconfig})
        get = partial(cluster.control_plane.client().request, "GET")
        operator = Operator(engine)
        with operator.running("up", "--yes", "--skip-preview") as first:

            def reached() -> bool:
                assert first.process.poll() is None, first.text
                return len(get("/apis/apps/v1/deployments")["items"]) >= DEPLOYMENTS

            until(reached, "a part of Kubeflow", SECONDS)
            first.kill()
        operator.end_leftovers()
        pending = operator.checkpoint()["pending"]
        installed = len(get("/apis/apps/v1/deployments")["items"])
        operator.run("cancel", "--yes")
        second = engine.operate("second", ["up", "--yes", "--skip-preview"], lambda *_: None)
        third = engine.operate("third", ["up", "--yes", "--skip-preview"], lambda *_: None)
        inspection = Inspection(graph, get)
        until(lambda: not inspection.missing(), "everything ready", SECONDS)
        unseen = inspection.unseen_pods()
        with cluster.audit_log.open(encoding="utf-8") as lines:
            audit = summarise(parse(lines), deployer=DEPLOYER)
    # a request whose client was killed while it waited
    gone = ("context canceled", "client disconnected")
    refused = [write for write in audit.refused if not write.message.endswith(gone)]
    return {
        "pending": pending,
        "installed": installed,
        "second": [second.exit_code, second.output.read_text(encoding="utf-8")],
        "third": [third.exit_code, third.progress.changed],
        "refused": [f"{write.status} {write.verb} {write.what}: {write.message}" for write in refused],
        "unseen": unseen,
    }


if __name__ == "__main__":
    os.environ.pop("KUBECONFIG", None)
    os.environ["PATH"] = preflight.search_path()
    scratch = Path(sys.argv[1])
    (scratch / "result.json").write_text(json.dumps(play(scratch)))
