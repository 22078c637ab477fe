"""The step that the engine's plugin runs, against a kubectl that writes down what it is asked."""

from __future__ import annotations

import fcntl
import io
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mlops.definitions import Kubectl, KubectlError, Store
from mlops.definitions.__main__ import apply, delete, label_of, main
from mlops.tools.cache import Cache

SECRET = "token: do-not-show"
KUBECTL = r"""#!{python}
import json, os, sys, time
folder = {folder!r}
arguments = sys.argv[1:]
path = next(a.partition("=")[2] for a in arguments if a.startswith("--kubeconfig="))
call = {{"arguments": [a for a in arguments if not a.startswith(("--kubeconfig=", "--cache-dir="))],
        "kubeconfig": open(path).read() + open(path).read(), "path": path, "stdin": sys.stdin.read(),
        "environment": dict(os.environ), "command line": open("/proc/self/cmdline").read()}}
with open(folder + "/calls", "a") as calls:
    calls.write(json.dumps(call) + "\n")
act = call["arguments"][0] if not call["arguments"][0].startswith("--context") else call["arguments"][1]
if os.path.exists(folder + "/fail-" + act):
    sys.exit(open(folder + "/fail-" + act).read())
if os.path.exists(folder + "/hang-" + act):
    time.sleep(600)
if os.path.exists(folder + "/answer-" + act):
    print(open(folder + "/answer-" + act).read())
"""


class Fake:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.program = folder / "kubectl"
        self.program.write_text(KUBECTL.format(python=sys.executable, folder=str(folder)))
        self.program.chmod(0o755)
        self.store = Store(folder / "definitions")

    def says(self, act: str, text: str) -> None:
        (self.folder / f"answer-{act}").write_text(text)

    def fails(self, act: str, text: str) -> None:
        (self.folder / f"fail-{act}").write_text(text)

    def kubectl(self, seconds: float = 60, context: str | None = None) -> Kubectl:
        return Kubectl(kubeconfig=SECRET, context=context, deadline=time.monotonic() + seconds, program=lambda: self.program)

    def calls(self) -> list[dict[str, Any]]:
        file = self.folder / "calls"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    return Fake(tmp_path)


def crd(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": name, "labels": {"app": "theirs"}},
        "spec": {"versions": [{"name": "v1", "served": True, "storage": True}]},
    }


def test_a_group_is_applied_once_by_the_server_and_waited_for(fake: Fake) -> None:
    wanted = fake.store.keep([crd("a.example.org"), crd("b.example.org")])
    assert apply(fake.kubectl(), fake.store, "group", wanted, prune=False, again=False) == []
    applied, waited = fake.calls()
    assert applied["arguments"][:3] == ["apply", "--server-side", "--field-manager=onprem-mlops"]
    assert "--force-conflicts" not in applied["arguments"]
    items = json.loads(applied["stdin"])["items"]
    key, _, value = label_of("group").partition("=")
    assert [item["metadata"]["labels"] for item in items] == [{"app": "theirs", key: value}] * 2
    assert {**items[0], "metadata": None} == {**crd("a.example.org"), "metadata": None}
    assert waited["arguments"][0] == "wait"
    assert "Established" in waited["arguments"][1]
    assert [name.partition("/")[2] for name in waited["arguments"][3:]] == ["a.example.org", "b.example.org"]


def test_groups_are_applied_one_after_the_other(fake: Fake) -> None:
    """Side by side they run into the API server's time limit for a single write."""
    wanted = fake.store.keep([crd("a.example.org")])
    lock = Cache.of(os.environ).root / "locks" / "definitions"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor() as pool:
        with lock.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            step = pool.submit(apply, fake.kubectl(), fake.store, "group", wanted, prune=False, again=False)
            with pytest.raises(TimeoutError):
                step.result(timeout=0.5)
            assert not fake.calls()
        step.result(timeout=30)
    assert [call["arguments"][0] for call in fake.calls()] == ["apply", "wait"]


def test_the_kubeconfig_is_in_no_argument_no_variable_and_no_file(fake: Fake) -> None:
    wanted = fake.store.keep([crd("a.example.org")])
    apply(fake.kubectl(context="admin"), fake.store, "group", wanted, prune=False, again=False)
    for call in fake.calls():
        assert call["kubeconfig"] == SECRET * 2, "kubectl reads it more than once"
        assert SECRET not in json.dumps([call["arguments"], call["environment"], call["command line"]])
        assert call["path"].startswith("/proc/self/fd/")
        assert "--context=admin" in call["arguments"]
    assert not [file for file in fake.folder.rglob("*") if file.is_file() and file.name != "calls" and SECRET in file.read_text()]


def test_what_the_group_holds_no_longer_stays_and_is_told(fake: Fake) -> None:
    wanted = fake.store.keep([crd("a.example.org")])
    fake.says(
        "get",
        "customresourcedefinition.apiextensions.k8s.io/a.example.org\ncustomresourcedefinition.apiextensions.k8s.io/old.example.org",
    )
    (line,) = apply(fake.kubectl(), fake.store, "group", wanted, prune=False, again=True)
    assert "old.example.org: group holds it no longer; it stays" in line
    assert "kubectl delete crd old.example.org" in line
    assert "delete" not in [call["arguments"][0] for call in fake.calls()]


def test_with_prune_it_is_deleted_and_nothing_else(fake: Fake) -> None:
    wanted = fake.store.keep([crd("a.example.org")])
    fake.says("get", "crd/a.example.org\ncrd/old.example.org")
    apply(fake.kubectl(), fake.store, "group", wanted, prune=True, again=True)
    get, deleted = fake.calls()[-2:]
    assert f"--selector={label_of('group')}" in get["arguments"]
    assert deleted["arguments"][0] == "delete"
    assert [a for a in deleted["arguments"] if a.endswith("example.org")] == ["old.example.org"]
    assert "--wait" in deleted["arguments"]


@pytest.mark.parametrize(
    ("act", "noted", "removed"),
    [
        ("note", "", []),
        ("note", "Kind/a Kind/b Kind/old", ["Kind/old"]),
        ("withdraw", "Kind/a Kind/old", ["Kind/a", "Kind/b"]),
    ],
)
def test_what_is_noted_is_removed_when_it_is_named_no_longer_or_withdrawn(
    fake: Fake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, act: str, noted: str, removed: list[str]
) -> None:
    for name, value in {"OBJECTS": "Kind/a Kind/b", "DEADLINE_SECONDS": "60", "PULUMI_COMMAND_STDOUT": noted}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["definitions", act])
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps({"kubeconfig": SECRET, "context": None})))
    monkeypatch.setattr("mlops.definitions.__main__.Kubectl", partial(Kubectl, program=lambda: fake.program))
    assert main() == 0
    assert capsys.readouterr().out.split() == ["Kind/a", "Kind/b"]
    assert [a for call in fake.calls() for a in call["arguments"] if a.startswith("Kind/")] == removed


def test_delete_asks_who_belongs_to_the_group(fake: Fake) -> None:
    """Not the names of the state: another group may hold them by now, and objects of its kinds would be gone."""
    fake.says("get", "crd/mine.example.org")
    delete(fake.kubectl(), "group")
    assert "mine.example.org" in fake.calls()[-1]["arguments"]


def test_delete_of_a_group_that_holds_nothing_deletes_nothing(fake: Fake) -> None:
    delete(fake.kubectl(), "group")
    assert [call["arguments"][0] for call in fake.calls()] == ["get"]


def test_a_refusal_is_told_in_the_servers_words(fake: Fake) -> None:
    fake.fails("apply", "Apply failed with 1 conflict")
    wanted = fake.store.keep([crd("a.example.org")])
    with pytest.raises(KubectlError, match="kubectl apply: Apply failed with 1 conflict"):
        apply(fake.kubectl(), fake.store, "group", wanted, prune=False, again=False)


def test_the_deadline_ends_a_kubectl_that_hangs(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlops.definitions.kubectl.GRACE_SECONDS", 0)
    (fake.folder / "hang-apply").touch()
    wanted = fake.store.keep([crd("a.example.org")])
    with pytest.raises(KubectlError, match="no answer before the deadline"):
        apply(fake.kubectl(seconds=1), fake.store, "group", wanted, prune=False, again=False)


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("", []),
        (json.dumps(crd("a.example.org")), ["a.example.org"]),
        (json.dumps({"kind": "List", "items": [crd("a.example.org"), crd("b.example.org")]}), ["a.example.org", "b.example.org"]),
    ],
)
def test_live_crds_of_none_one_and_several(fake: Fake, answer: str, found: list[str]) -> None:
    fake.says("get", answer)
    assert list(fake.kubectl().live(["a.example.org", "b.example.org"])) == found


def test_without_its_bytes_nothing_is_applied(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "MLOPS_CACHE_DIR": str(tmp_path),
        "DEFINITIONS": "group",
        "DEADLINE_SECONDS": "5",
        "a.example.org": f"v1 sha256:{'0' * 64}",
    }
    done = subprocess.run(
        [sys.executable, "-m", "mlops.definitions", "apply"],
        input=json.dumps({"kubeconfig": SECRET, "context": None}),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "missing in the cache" in done.stderr
    assert "a.example.org" in done.stderr
    assert SECRET not in done.stderr + done.stdout
