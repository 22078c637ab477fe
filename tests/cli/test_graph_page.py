"""The page of `mlops graph --format html`, in a real browser: search, levels, reasons, gates."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mlops.cli.graph import app

MANIFEST = """
{apiVersion: v1, kind: Namespace, metadata: {name: n}}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.g.io}
spec: {group: g.io, scope: Namespaced, names: {kind: Thing, plural: things}}
---
{apiVersion: g.io/v1, kind: Thing, metadata: {name: t, namespace: n}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: w}
webhooks:
- name: "</script><img src=x onerror=document.title='broken'>.io"
  sideEffects: None
  failurePolicy: Ignore
  clientConfig: {service: {name: w, namespace: n}}
  rules: [{apiGroups: [g.io], apiVersions: [v1], operations: [CREATE], resources: [things]}]
---
{apiVersion: v1, kind: Service, metadata: {name: w, namespace: n}, spec: {selector: {app: w}}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: w, namespace: n}, spec: {template: {metadata: {labels: {app: w}}}}}
"""
# Does what a person does, and writes down what a person sees.
VISIT = """<script>
addEventListener("load", async () => {
  const told = {};
  const visible = () => [...document.querySelectorAll("nav li")].filter(x => x.offsetParent).map(x => x.innerText.trim());
  const text = selector => document.querySelector(selector).innerText;
  const enter = (id, event, value) => {
    const box = document.getElementById(id);
    box.value = value;
    box.dispatchEvent(new Event(event));
  };
  const moved = act => new Promise(done => { addEventListener("hashchange", done, {once: true}); act() });
  const follow = (within, named) => moved(() => [...document.querySelectorAll(within)].find(named).click());
  told.title = document.title;
  told.levels = [...document.querySelectorAll("nav summary")].map(x => x.innerText.trim());
  told.all = visible();
  told.whole = text("main");
  enter("search", "input", "n/w deploy");
  told.found = visible();
  enter("search", "input", "nothing like it");
  told.none = visible();
  told.figures = text("#figures");
  enter("search", "input", "");
  enter("kind", "change", "Thing");
  told.things = visible();
  await follow("nav a", x => x.offsetParent);
  told.thing = text("main");
  told.current = text("[aria-current]");
  await follow("main a", x => x.innerText.startsWith("Deployment"));
  told.deployment = text("main");
  await moved(() => history.back());
  told.back = text("main h2");
  told.images = document.images.length;
  told.loaded = performance.getEntriesByType("resource").map(x => x.name);
  const result = document.createElement("pre");
  result.id = "told";
  result.textContent = JSON.stringify(told);
  document.body.append(result);
});
</script>"""


def page(tmp_path: Path) -> str:
    manifest = tmp_path / "m.yaml"
    manifest.write_text(MANIFEST)
    result = CliRunner().invoke(app, [str(manifest), "--format", "html"], catch_exceptions=False)
    return str(result.stdout)


def test_the_page_names_no_other_resource(tmp_path: Path) -> None:
    text = page(tmp_path)
    assert not re.search(r"""(?:src|href)\s*=\s*["'](?!#)|@import|url\(|https?://""", text.partition('<script id="data"')[0])
    assert text.count("<script") == text.count("</script>") == 2
    data = json.loads(text.partition('type="application/json">')[2].partition("</script>")[0])
    assert len(data["objects"]) == 6


@pytest.mark.site
def test_a_visit_in_a_browser(tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no chromium on PATH; it is in the Debian package chromium")
    visited = tmp_path / "visit.html"
    visited.write_text(page(tmp_path).replace("</body>", f"{VISIT}</body>"), encoding="utf-8")
    told = visit(browser, visited, tmp_path)
    assert told["title"] == "Order of Kubernetes objects"
    assert told["levels"] == ["Level 0 3", "Level 1 2", "Level 2 1"]
    assert len(told["all"]) == 6
    assert "Edges by rule" in told["whole"]
    assert "Longest chain" in told["whole"]
    assert told["found"] == ["Deployment.apps n/w"]
    assert told["none"] == []
    assert told["figures"].startswith("0 of 6 objects")
    assert told["things"] == ["Thing.g.io n/t"]
    assert told["current"] == "Thing.g.io n/t"
    for text in (
        "Waits for (3)",
        "R2",
        "it defines the kind",
        "silent",
        "Gates before it (2)",
        "WebhookAnswers",
        "CaBundlePresent",
    ):
        assert text in told["thing"]
    assert "its pods answer for Service n/w" in told["thing"]
    assert "</script><img src=x onerror=document.title='broken'>.io" in told["thing"]
    assert told["deployment"].startswith("Deployment.apps n/w")
    assert "Needed by (1)" in told["deployment"]
    assert "WorkloadReady" in told["deployment"]
    assert told["back"] == "Thing.g.io n/t"
    assert (told["images"], told["loaded"]) == (0, [])


def visit(browser: str, visited: Path, profile: Path) -> dict[str, Any]:
    """What the visitor's script wrote down."""
    command = [
        browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        "--host-resolver-rules=MAP * ~NOTFOUND", "--disable-background-networking", "--virtual-time-budget=10000",
        f"--user-data-dir={profile / 'profile'}", "--dump-dom", visited.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    found = re.search(r'<pre id="told">(.*)</pre>', done.stdout)
    assert found, done.stdout[-2000:] + done.stderr[-2000:]
    text = found[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    return dict(json.loads(text))
