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

from mlops.folders import cache_folder
from mlops.objectset import Kubectl, KubectlError, Store
from mlops.objectset.__main__ import apply, delete, label_of, main
from mlops.objectset.kubectl import LARGE_BYTES

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
        self.store = Store(folder / "objects")

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


def test_a_set_is_applied_once_by_the_server_and_waited_for(fake: Fake) -> None:
    wanted = fake.store.keep([crd("a.example.org"), crd("b.example.org")])
    apply(fake.kubectl(), fake.store, "group", wanted, again=False)
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


def test_sets_with_large_crds_are_applied_one_after_the_other(fake: Fake) -> None:
    """Side by side they run into the API server's time limit for a single write."""
    large = crd("a.example.org")
    large["spec"]["description"] = "x" * LARGE_BYTES
    wanted = fake.store.keep([large])
    lock = cache_folder() / "locks" / "definitions"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor() as pool:
        with lock.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            step = pool.submit(apply, fake.kubectl(), fake.store, "group", wanted, again=False)
            with pytest.raises(TimeoutError):
                step.result(timeout=0.5)
            assert not fake.calls()
        step.result(timeout=30)
    assert [call["arguments"][0] for call in fake.calls()] == ["apply", "wait"]


def test_the_kubeconfig_is_in_no_argument_no_variable_and_no_file(fake: Fake) -> None:
    wanted = fake.store.keep([crd("a.example.org")])
    apply(fake.kubectl(context="admin"), fake.store, "group", wanted, again=False)
    for call in fake.calls():
        assert call["kubeconfig"] == SECRET * 2, "kubectl reads it more than once"
        assert SECRET not in json.dumps([call["arguments"], call["environment"], call["command line"]])
        assert call["path"].startswith("/proc/self/fd/")
        assert "--context=admin" in call["arguments"]
    assert not [file for file in fake.folder.rglob("*") if file.is_file() and file.name != "calls" and SECRET in file.read_text()]


def role_binding(name: str, role: str) -> dict[str, Any]:
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role}
    metadata = {"name": name, "namespace": "n"}
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": metadata, "roleRef": reference}


def test_others_do_not_queue_up_and_without_a_crd_nothing_is_waited_for(fake: Fake) -> None:
    wanted = fake.store.keep([role_binding("b", "r"), {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a"}}])
    lock = cache_folder() / "locks" / "definitions"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        apply(fake.kubectl(), fake.store, "group", wanted, again=False)
        apply(fake.kubectl(), fake.store, "other", fake.store.keep([crd("small.example.org")]), again=False)
    applied, *others = fake.calls()
    assert [call["arguments"][0] for call in others] == ["apply", "wait"]
    assert [item["kind"] for item in json.loads(applied["stdin"])["items"]] == ["ServiceAccount", "RoleBinding"]


def test_a_binding_whose_role_changes_is_made_anew(fake: Fake) -> None:
    """No update may change it."""
    wanted = fake.store.keep([role_binding("same", "r"), role_binding("other", "new")])
    live = [role_binding("same", "r"), role_binding("other", "old")]
    fake.says("get", json.dumps({"kind": "List", "items": live}))
    apply(fake.kubectl(), fake.store, "group", wanted, again=True)
    get, deleted, applied = fake.calls()
    assert [call["arguments"][0] for call in (get, deleted, applied)] == ["get", "delete", "apply"]
    assert [item["metadata"] for item in json.loads(deleted["stdin"])["items"]] == [{"name": "other", "namespace": "n"}]


def run(fake: Fake, monkeypatch: pytest.MonkeyPatch, act: str, **variables: str) -> int:
    for name, value in {"DEADLINE_SECONDS": "60", **variables}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["objectset", act])
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps({"kubeconfig": SECRET, "context": None})))
    monkeypatch.setattr("mlops.objectset.__main__.Kubectl", partial(Kubectl, program=lambda: fake.program))
    return main()


GUARD = "ValidatingWebhookConfiguration"


@pytest.mark.parametrize(
    ("act", "noted", "removed"),
    [
        ("note", "", []),
        ("note", f"{GUARD}/a ConfigMap/n/b {GUARD}/old ConfigMap/n/old", [(None, "old"), ("n", "old")]),
        ("withdraw", f"{GUARD}/a {GUARD}/old", [(None, "a"), ("n", "b")]),
    ],
)
def test_what_is_noted_is_removed_when_it_is_named_no_longer_or_withdrawn(
    fake: Fake,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    act: str,
    noted: str,
    removed: list[tuple[str | None, str]],
) -> None:
    wanted = f"{GUARD}/a ConfigMap/n/b"
    assert run(fake, monkeypatch, act, OBJECTS=wanted, PULUMI_COMMAND_STDOUT=noted) == 0
    assert capsys.readouterr().out.split() == (wanted.split() if act == "note" else [])
    items = [item["metadata"] for call in fake.calls() for item in json.loads(call["stdin"])["items"]]
    assert [(item.get("namespace"), item["name"]) for item in items] == removed


def test_of_kept_kinds_it_is_only_told(fake: Fake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    old = "CustomResourceDefinition/old.example.org"
    assert run(fake, monkeypatch, "note", OBJECTS="", KEPT="CustomResourceDefinition", PULUMI_COMMAND_STDOUT=old) == 0
    assert f"kubectl delete {old} removes it" in capsys.readouterr().err
    assert not fake.calls()


def test_delete_asks_who_belongs_to_the_set(fake: Fake) -> None:
    """Not the names of the state: another set may hold them by now, and objects of its kinds would be gone."""
    fake.says("get", "CustomResourceDefinition//mine.example.org\nRole/n/mine")
    delete(fake.kubectl(), "group")
    get, deleted = fake.calls()
    assert f"--selector={label_of('group')}" in get["arguments"]
    assert "--wait" in deleted["arguments"]
    assert json.loads(deleted["stdin"])["items"] == [
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "mine.example.org"},
        },
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "mine", "namespace": "n"}},
    ]


def test_delete_of_a_set_that_holds_nothing_deletes_nothing(fake: Fake) -> None:
    delete(fake.kubectl(), "group")
    assert [call["arguments"][0] for call in fake.calls()] == ["get"]


def test_a_refusal_is_told_in_the_servers_words(fake: Fake) -> None:
    fake.fails("apply", "Apply failed with 1 conflict")
    wanted = fake.store.keep([crd("a.example.org")])
    with pytest.raises(KubectlError, match="kubectl apply: Apply failed with 1 conflict"):
        apply(fake.kubectl(), fake.store, "group", wanted, again=False)


def test_the_deadline_ends_a_kubectl_that_hangs(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlops.objectset.kubectl.GRACE_SECONDS", 0)
    (fake.folder / "hang-apply").touch()
    wanted = fake.store.keep([crd("a.example.org")])
    with pytest.raises(KubectlError, match="no answer before the deadline"):
        apply(fake.kubectl(seconds=1), fake.store, "group", wanted, again=False)


BOTH = ["CustomResourceDefinition/a.example.org", "CustomResourceDefinition/b.example.org"]


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("", []),
        (json.dumps(crd("a.example.org")), BOTH[:1]),
        (json.dumps({"kind": "List", "items": [crd("a.example.org"), crd("b.example.org")]}), BOTH),
    ],
)
def test_live_objects_of_none_one_and_several(fake: Fake, answer: str, found: list[str]) -> None:
    fake.says("get", answer)
    assert list(fake.kubectl().live(BOTH)) == found


def test_without_its_bytes_nothing_is_applied(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "MLOPS_CACHE_DIR": str(tmp_path),
        "OBJECT_SET": "group",
        "DEADLINE_SECONDS": "5",
        "CustomResourceDefinition/a.example.org": f"v1 sha256:{'0' * 64}",
    }
    done = subprocess.run(
        [sys.executable, "-m", "mlops.objectset", "apply"],
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
