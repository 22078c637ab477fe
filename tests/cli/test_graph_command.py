"""`mlops graph`: on bundles, and on files, folders, standard input and URLs that somebody brings."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mlops.bundles.requests import quantity
from mlops.cli.graph import app
from mlops.cli.printable import printable
from mlops.errors import UserError

CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: n}\ndata: {k: not-to-be-told}\n"
NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: n}\n"
BOTH = f"{NAMESPACE}---\n{CONFIG_MAP}"
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: d, namespace: n}
spec:
  replicas: 2
  template:
    metadata: {labels: {app: d}}
    spec:
      volumes: [{name: v, configMap: {name: c}}]
      initContainers: [{name: i, image: x/i:1, resources: {requests: {cpu: "1"}}}]
      containers: [{name: c, image: x/c:1, resources: {requests: {cpu: 250m, memory: 1Gi}}}]
---
{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: p, namespace: n}, spec: {resources: {requests: {storage: 10Gi}}}}
"""


def run(*arguments: str, given: str | None = None) -> str:
    result = CliRunner().invoke(app, arguments, input=given, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return str(result.stdout)


def refused(*arguments: str, given: str | bytes | None = None) -> UserError:
    with pytest.raises(UserError) as caught:
        CliRunner().invoke(app, arguments, input=given, catch_exceptions=False)
    return caught.value


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "n.yaml"
    path.write_text(f"{BOTH}---{DEPLOYMENT}")
    return path


@pytest.fixture
def url() -> Iterator[str]:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == "/n.yaml"
            self.send_response(200 if found else 404)
            self.end_headers()
            self.wfile.write(BOTH.encode() if found else b"")

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


EDGE = "ConfigMap n/c -> Namespace n [R1, hard] it lives in this namespace"


def test_every_kind_of_source(tmp_path: Path, url: str) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / ".hidden.yaml").write_text("a: [")
    (tmp_path / "a.yaml").write_text(NAMESPACE)
    (tmp_path / "deep" / "er" / "b.json").write_text(
        json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}})
    )
    (tmp_path / "values.yaml").write_text("replicas: 3\n")
    told = [EDGE, "2 objects, 1 edges, 2 levels: R1 1"]
    assert run("-", given=BOTH).splitlines() == told
    assert run(f"{url}/n.yaml").splitlines() == told
    assert run(str(tmp_path / "a.yaml"), "-", given=CONFIG_MAP).splitlines() == told
    assert run(str(tmp_path), "--namespace", "n").splitlines() == told
    result = CliRunner().invoke(app, [str(tmp_path)], catch_exceptions=False)
    assert "values.yaml holds no Kubernetes objects" in result.stderr
    assert "1 edges" not in result.stdout


def test_bundles_together_with_a_file(file: Path) -> None:
    assert run("cert-manager", str(file)).splitlines()[-1].startswith("53 objects")
    lines = run("cert-manager", "--why", "deployment/cert-manager-webhook").splitlines()
    assert lines[0] == "Deployment.apps cert-manager/cert-manager-webhook"
    assert any("[R10, soft]" in line for line in lines)


def test_questions(file: Path) -> None:
    assert run(str(file), "--levels").splitlines() == [
        "level 0", "  Namespace n", "level 1", "  ConfigMap n/c", "  PersistentVolumeClaim n/p", "level 2", "  Deployment.apps n/d",
    ]  # fmt: skip
    assert run(str(file), "--why", "d").splitlines() == [
        "Deployment.apps n/d",
        "  Deployment.apps n/d -> ConfigMap n/c [R12, soft] its pods read it (volume v)",
        "  Deployment.apps n/d -> Namespace n [R1, hard] it lives in this namespace",
        "  gate after it: what needs it needs its pods, not its name",
    ]
    assert run(str(file), "--why", "Namespace/n").splitlines() == ["Namespace n", "  nothing holds it back"]
    way = ["Deployment.apps n/d -> ConfigMap n/c [R12, soft] its pods read it (volume v)"]
    assert run(str(file), "--path", "d", "configmap/c").splitlines() == way
    assert run(str(file), "--path", "configmap/c", "d").splitlines() == way
    assert run(str(file), "--path", "c", "p").startswith("neither waits for the other")
    chain = [line for line in run(str(file), "--critical-path").splitlines() if "->" not in line]
    assert chain == [" 0 Namespace n", " 1 ConfigMap n/c", " 2 Deployment.apps n/d"]
    assert run(str(file), "--removal").splitlines() == [
        "Deployment.apps n/d", "PersistentVolumeClaim n/p", "ConfigMap n/c", "Namespace n",
    ]  # fmt: skip


def test_figures(file: Path) -> None:
    lines = run(str(file), "--stats").splitlines()
    head, together = lines[0].split(), next(line for line in lines if line.startswith("together")).split()
    assert head == ["objects", "CRDs", "edges", "bytes", "state", "largest", "images", "CPU", "memory", "volumes"]
    values = dict(zip(head, together[1:], strict=True))
    assert (values["objects"], values["CRDs"], values["edges"], values["images"]) == ("4", "0", "4", "2")
    # the init container asks for more than the container, and there are two pods
    assert (values["CPU"], values["memory"], values["volumes"]) == ("2", "2048Mi", "10Gi")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("250m", "0.25"),
        ("2", "2"),
        ("1Ki", "1024"),
        ("1M", "1e6"),
        ("1.5Gi", "1610612736"),
        ("5n", "5e-9"),
        ("2E", "2e18"),
        ("2E3", "2000"),
        (3, "3"),
        (None, "0"),
    ],
)
def test_quantities(text: object, number: str) -> None:
    assert float(quantity(text)) == float(number)


def test_forms_for_other_programs(file: Path) -> None:
    dot = run("-", "--format", "dot", given=BOTH).splitlines()
    assert dot == [
        "digraph order {",
        "  rankdir=LR;",
        "  node [shape=box, fontname=sans-serif];",
        '  n0 [label="ConfigMap\\nn/c"];',
        '  n1 [label="Namespace\\nn"];',
        "  { rank=same; n1; }",
        "  { rank=same; n0; }",
        '  n1 -> n0 [label="R1", color=firebrick];',
        "}",
    ]
    mermaid = run("-", "--format", "mermaid", given=BOTH).splitlines()
    assert mermaid == ["flowchart LR", '  n0["ConfigMap<br>n/c"]', '  n1["Namespace<br>n"]', "  n1 -->|R1| n0"]
    data = json.loads(run(str(file), "--format", "json"))
    assert [o["level"] for o in data["objects"] if o["id"] == "Deployment.apps n/d"] == [2]
    edge = {"source": "ConfigMap n/c", "target": "Namespace n", "rule": "R1", "reason": "it lives in this namespace"}
    assert {**edge, "strength": "hard"} in data["edges"]
    reason = "what needs it needs its pods, not its name"
    assert data["gates"] == [{"type": "WorkloadReady", "place": "after", "at": "Deployment.apps n/d", "reason": reason}]
    assert data["removal"][-1] == "Namespace n"


@pytest.mark.parametrize("form", ["text", "dot", "mermaid", "json", "html"])
def test_nothing_out_of_the_objects_is_told(file: Path, form: str) -> None:
    assert "not-to-be-told" not in run(str(file), "--format", form)


def test_the_same_answer_whatever_the_order_of_files(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(NAMESPACE)
    (tmp_path / "b.yaml").write_text(CONFIG_MAP)
    names = [str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml")]
    for form in ("text", "dot", "mermaid", "json", "html"):
        assert run(*names, "--format", form) == run(*reversed(names), "--format", form)


def test_overrides_cuts_guesses_and_notes(tmp_path: Path) -> None:
    manifest = """
{apiVersion: v1, kind: Service, metadata: {name: s, namespace: n}, spec: {selector: {app: s}}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: s, namespace: n}, spec: {template: {metadata: {labels: {app: s}}}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: a, namespace: n}
spec: {template: {spec: {containers: [{name: c, args: [s.n.svc]}]}}}
---
{apiVersion: g.io/v1, kind: Thing, metadata: {name: t, namespace: n}}
"""
    (tmp_path / "m.yaml").write_text(manifest)
    (tmp_path / "order.yml").write_text("add: [{from: Deployment.apps n/s, to: Deployment.apps n/a, reason: test}]")
    name, order = str(tmp_path / "m.yaml"), str(tmp_path / "order.yml")
    assert "R24" not in run(name)
    assert "R24 2" in run(name, "--dialled")
    lines = run(name, "--dialled", "--overrides", order).splitlines()
    assert any(line.startswith("cut: Deployment.apps n/a -> Deployment.apps n/s [R24, soft]") for line in lines)
    assert lines[-1].endswith("R24 1, override 1")
    result = CliRunner().invoke(app, [name, "--dialled", "--overrides", order, "--levels"], catch_exceptions=False)
    assert "cut: " in result.stderr
    assert "note: Thing.g.io n/t" in result.stderr
    assert "the objects are no whole" in str(refused(name, "--strict"))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nowhere.yaml",), "no such file"),
        (("cert-manager", "--why", "nobody"), "no such object"),
        (("cert-manager", "--why", "cainjector"), "perhaps: "),
        (("cert-manager", "--path", "cert-manager", "nobody"), "cert-manager, as several are called"),
        (("cert-manager", "--path", "no-one", "nobody"), "found:   nobody"),
        (("cert-manager", "--path", "no-one", "nobody"), "found:   no-one"),
        (("cert-manager", "--levels", "--stats"), "it is not clear what to show"),
        (("cert-manager", "--levels", "--format", "dot"), "it is not clear what to show"),
        (("http://127.0.0.1:1/x.yaml",), "http://127.0.0.1:1/x.yaml"),
        (("cert-manager", "--overrides", "nowhere.yaml"), "the overrides cannot be read"),
    ],
)
def test_mistakes(arguments: tuple[str, ...], told: str) -> None:
    assert told in str(refused(*arguments))


def test_bytes_of_state(tmp_path: Path) -> None:
    (tmp_path / "set.yaml").write_text(CONFIG_MAP)
    (tmp_path / "own.yaml").write_text(NAMESPACE)
    told = {line.split()[0]: line.split() for line in run(str(tmp_path), "--stats").splitlines()}
    size, state = (int(text) for text in told[str(tmp_path / "own.yaml")][4:6])
    assert state == 3 * size
    assert told[str(tmp_path / "set.yaml")][5] == "100"  # a ConfigMap is written in a set
    assert int(told["together"][5]) == state + 100


def test_figures_of_odd_but_allowed_objects(tmp_path: Path) -> None:
    claims = "volumeClaimTemplates: [{spec: {resources: {requests: {storage: 1Gi}}}}]"
    (tmp_path / "o.yaml").write_text(
        f"""
{{apiVersion: apps/v1, kind: StatefulSet, metadata: {{name: s, namespace: n}}, spec: {{replicas: 1000000000000, {claims}}}}}
---
{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: d, namespace: n}}, spec: {{replicas: null}}}}
---
{{apiVersion: g.io/v1, kind: Image, metadata: {{name: i, namespace: n}}, spec: text}}
---
{{apiVersion: g.io/v1, kind: Thing, metadata: {{name: t, namespace: n}}, spec: {{replicas: three, volumeClaimTemplates: 5}}}}
"""
    )
    lines = run(str(tmp_path), "--stats").splitlines()
    assert next(line for line in lines if line.startswith("together")).split()[-1] == "1000000000000Gi"


def test_an_override_that_changes_nothing_is_told(file: Path, tmp_path: Path) -> None:
    order = tmp_path / "order.yml"
    order.write_text("add: [{from: ConfigMap n/c, to: Namespace nn, reason: typo}]")
    result = CliRunner().invoke(app, [str(file), "--overrides", str(order)], catch_exceptions=False)
    assert result.exit_code == 0
    assert f"note: {order} add[0].to\n    found:   Namespace nn" in result.stderr
    assert any("add[0].to" in problem.where for problem in refused(str(file), "--overrides", str(order), "--strict").problems)
    assert "add[0].to" in run(str(file), "--overrides", str(order), "--format", "json")


def test_a_graph_too_big_for_mermaid_comes_with_a_remark() -> None:
    def answer(count: int) -> str:
        maps = "---\n".join(CONFIG_MAP.replace("name: c", f"name: c{i}") for i in range(count))
        result = CliRunner().invoke(app, ["-", "--format", "mermaid"], input=f"{NAMESPACE}---\n{maps}", catch_exceptions=False)
        assert result.stdout.startswith("flowchart LR")
        return result.stderr

    assert answer(500) == ""
    assert "501 edges; Mermaid draws at most 50,000 and 500" in answer(501)


def test_names_move_no_cursor() -> None:
    volume = DEPLOYMENT.replace("name: v,", 'name: "v\\e[31m\\n",')
    told = run("-", given=f"{BOTH}---{volume}")
    assert "\x1b" not in told
    assert r"(volume v\x1b[31m\n)" in told
    assert printable("a\udcff\tb\n", keep="\n") == "a\\udcff\\tb\n"
