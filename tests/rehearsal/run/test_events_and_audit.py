"""Engine events and audit events are told apart as the report needs them."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import grpc
import pytest
from pulumi.runtime.proto import events_pb2, events_pb2_grpc
from rich.console import Console

from mlops.rehearsal.run.audit import parse, summarise
from mlops.rehearsal.run.display import Display, make_console
from mlops.rehearsal.run.engine import Operation
from mlops.rehearsal.run.event_stream import PHASE_BEGINS, EventStream
from mlops.rehearsal.run.events import Progress, layer_of
from mlops.rehearsal.run.report import Report, judge, print_report

HOSTS = "urn:pulumi:s::onprem-mlops::onprem-mlops:hosts:PreparedHosts$command:remote:Command::hosts-node1-prepare"
ISSUER = (
    "urn:pulumi:s::onprem-mlops::onprem-mlops:certificates:CertManager$onprem-mlops:bundle:Bundle"
    "$kubernetes:cert-manager.io/v1:ClusterIssuer::cert-manager/ClusterIssuer/site-ca"
)
STACK = "urn:pulumi:s::onprem-mlops::pulumi:pulumi:Stack::onprem-mlops-s"


def begun(urn: str) -> dict[str, Any]:
    return {"resourcePreEvent": {"metadata": {"urn": urn, "op": "create"}}}


def done(urn: str, op: str = "create") -> dict[str, Any]:
    return {"resOutputsEvent": {"metadata": {"urn": urn, "op": op}}}


@pytest.mark.parametrize(("urn", "layer"), [(HOSTS, "hosts"), (ISSUER, "certificates"), (STACK, "stack")])
def test_a_resource_belongs_to_its_outermost_component(urn: str, layer: str) -> None:
    assert layer_of(urn) == layer


def test_progress_counts_by_layer_and_times_from_first_begun_to_last_ended() -> None:
    progress = Progress()
    for now, event in [(1, begun(HOSTS)), (2, begun(ISSUER)), (5, done(HOSTS)), (9, done(ISSUER)), (9, done(STACK, "same"))]:
        progress.feed(event, now)
    assert {name: layer.done for name, layer in progress.layers.items()} == {"hosts": 1, "certificates": 1, "stack": 1}
    assert progress.layers["hosts"].seconds(100) == 4
    assert progress.layers["certificates"].seconds(100) == 7
    assert progress.changed == 2


def test_an_unchanged_resource_is_no_change() -> None:
    progress = Progress()
    progress.feed(done(HOSTS, "same"), 1)
    progress.feed(done(STACK, "update"), 1)
    assert progress.changed == 0


def test_events_of_a_later_phase_are_told_from_those_of_an_earlier_one() -> None:
    with EventStream() as events:
        channel = grpc.insecure_channel(events.address.removeprefix("tcp://"))
        stub = events_pb2_grpc.EventsStub(channel)
        for phase in ("preview", "update"):
            stub.StreamEvents(iter([events_pb2.EventRequest(event=json.dumps({"phase": phase}))]))
        received = list(events.drain(1.0))
        channel.close()
    assert received == [PHASE_BEGINS, {"phase": "preview"}, PHASE_BEGINS, {"phase": "update"}]
    assert list(events.drain(0.0)) == []


def audit(user: str, verb: str, code: int, *, uri: str = "/api", stage: str = "ResponseComplete") -> str:
    return json.dumps(
        {
            "stage": stage,
            "verb": verb,
            "user": {"username": user},
            "requestURI": uri,
            "objectRef": {"resource": "clusterissuers", "apiGroup": "cert-manager.io", "name": "site-ca"},
            "responseStatus": {"code": code, "message": "why"},
        }
    )


def test_refused_writes_are_the_deployers_own_that_were_no_dry_run() -> None:
    lines = [
        audit("admin", "create", 201),
        audit("admin", "patch", 404),
        audit("admin", "create", 500, uri="/api?dryRun=All&fieldManager=x"),
        audit("admin", "get", 404),
        audit("admin", "create", 500, stage="RequestReceived"),
        audit("system:serviceaccount:kube-system:x", "update", 409),
        "",
    ]
    summary = summarise(parse(lines), deployer="admin")
    assert summary.deployer_writes == 1
    assert [(write.verb, write.status, write.what) for write in summary.refused] == [
        ("patch", 404, "clusterissuers.cert-manager.io site-ca")
    ]
    assert summary.gate_refusals.total() == 1
    assert summary.controller_refusals == {"system:serviceaccount:kube-system:x 409": 1}


def operation(name: str, *, exit_code: int = 0, events: list[dict[str, Any]] | None = None) -> Operation:
    progress = Progress()
    for now, event in enumerate(events or [done(HOSTS)]):
        progress.feed(event, now)
    return Operation(name=name, exit_code=exit_code, seconds=1.0, progress=progress, output=Path("log"))


def test_faults_are_failures_changes_of_the_second_up_refused_writes_and_leftovers() -> None:
    report = Report("s")
    report.operations = {"up": operation("up", exit_code=1), "second up": operation("second up", events=[done(ISSUER, "update")])}
    report.audit = summarise(parse([audit("admin", "create", 500)]), deployer="admin")
    judge(report, left_behind=["Namespace x"])
    text = "\n".join(report.faults)
    assert "up ended with exit code 1" in text
    assert "second up changes 1 resource(s) of layer certificates" in text
    assert "refused write: create clusterissuers.cert-manager.io site-ca: 500 why" in text
    assert "left behind by destroy: Namespace x" in text


def test_a_clean_run_has_no_faults_and_the_table_attributes_refused_writes_to_a_layer() -> None:
    report = Report("s")
    report.operations = {
        "up": operation("up", events=[done(HOSTS), done(ISSUER)]),
        "second up": operation("second up", events=[done(HOSTS, "same")]),
    }
    judge(report, left_behind=[])
    assert report.faults == []
    report.audit = summarise(parse([audit("admin", "create", 500)]), deployer="admin")
    report.state_bytes = 2_950_000
    out = io.StringIO()
    print_report(report, Console(file=out, width=140))
    row = next(line for line in out.getvalue().splitlines() if "certificates" in line)
    assert row.split("│")[4].strip() == "1", out.getvalue()
    assert "state: 2.95 MB; API writes of the deployer: 0 stored, 1 refused" in out.getvalue()


def test_plain_progress_says_a_line_when_a_layer_ends() -> None:
    out = io.StringIO()
    display = Display(Console(file=out, width=120))
    progress = Progress()
    with display.operation("up", {"hosts": 1}) as show:
        progress.feed(begun(HOSTS), 0)
        show(progress, 0.1)
        progress.feed(done(HOSTS), 1)
        show(progress, 1.2)
    assert "hosts: 1/1, done in " in out.getvalue()
    assert out.getvalue().count("hosts:") == 2


def test_plain_progress_without_totals_says_one_line_per_layer() -> None:
    out = io.StringIO()
    progress = Progress()
    with Display(make_console(out)).operation("preview", {}) as show:
        for step in range(4):
            for event in (begun(f"{HOSTS}{step}"), done(f"{HOSTS}{step}")):
                progress.feed(event, step)
                show(progress, step)
        progress.feed(done(STACK), 4)
        show(progress, 4)
    assert out.getvalue().splitlines() == ["preview", "      4 s  hosts: 4, done in 3 s"]


def test_components_count_but_have_no_time() -> None:
    component = STACK.replace("pulumi:pulumi:Stack", "onprem-mlops:hosts:PreparedHosts")
    progress = Progress()
    for now, event in [(0, begun(component)), (3, begun(HOSTS)), (5, done(HOSTS)), (60, done(component))]:
        metadata = next(iter(event.values()))["metadata"]
        metadata["new"] = {"custom": True} if metadata["urn"] == HOSTS else {"type": "component"}
        progress.feed(event, now)
    layer = progress.layers["hosts"]
    assert (layer.done, layer.seconds(100)) == (2, 2)
    assert progress.steps == [(2, HOSTS)]


def diagnostic(urn: str, text: str) -> dict[str, Any]:
    return {"diagnosticEvent": {"severity": "error", "urn": urn, "message": text}}


def test_a_failing_step_tells_what_the_product_said_and_no_more() -> None:
    report = Report("s")
    wrapper = 'Process exited with status 1: running "r=\\"timeout bash -s\\"; exit 77":\n'
    events = [diagnostic(STACK, "update failed"), diagnostic(HOSTS, f"{wrapper}onprem-mlops: host node1: disk full\nmore")]
    report.operations = {"up": operation("up", exit_code=255, events=events)}
    judge(report, left_behind=[])
    assert report.faults == ["up, hosts-node1-prepare: onprem-mlops: host node1: disk full\nmore"]


def test_an_operation_that_fails_before_any_step_tells_the_engines_words(tmp_path: Path) -> None:
    report = Report("s")
    report.operations = {
        "up": operation("up", exit_code=255, events=[diagnostic(STACK, "no secret"), diagnostic(STACK, "up failed")])
    }
    judge(report, left_behind=[])
    assert report.faults == ["up ended with exit code 255: no secret"]
    silent = operation("preview", exit_code=1)
    (tmp_path / "log").write_text("error: the stack is currently locked\n")
    report = Report("s", operations={"preview": dataclasses.replace(silent, output=tmp_path / "log")})
    judge(report, left_behind=[])
    assert report.faults == ["preview ended with exit code 1: error: the stack is currently locked"]
