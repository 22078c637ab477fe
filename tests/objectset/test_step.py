"""The step that the engine's plugin runs, against a kubectl that writes down what it is asked."""

from __future__ import annotations

import fcntl
import hashlib
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
from mlops.objectset.__main__ import LABEL, apply, delete, main, prune
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


def lock_of(kubeconfig: str) -> Path:
    return cache_folder() / "locks" / f"definitions-{hashlib.sha256(kubeconfig.encode()).hexdigest()[:16]}"


def crd(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": name, "labels": {"app": "theirs"}},
        "spec": {"versions": [{"name": "v1", "served": True, "storage": True}]},
    }


def test_a_set_is_applied_once_by_the_server_and_waited_for(fake: Fake) -> None:
    wanted = fake.store.keep([crd("a.example.org"), crd("b.example.org")])
    apply(fake.kubectl(), fake.store, "abc", wanted, again=False)
    applied, waited = fake.calls()
    assert applied["arguments"][:3] == ["apply", "--server-side", "--field-manager=onprem-mlops"]
    assert "--force-conflicts" not in applied["arguments"]
    items = json.loads(applied["stdin"])["items"]
    assert [item["metadata"]["labels"] for item in items] == [{"app": "theirs", LABEL: "abc"}] * 2
    assert {**items[0], "metadata": None} == {**crd("a.example.org"), "metadata": None}
    assert waited["arguments"][0] == "wait"
    assert "Established" in waited["arguments"][1]
    assert [name.partition("/")[2] for name in waited["arguments"][3:]] == ["a.example.org", "b.example.org"]


def test_sets_with_large_crds_are_applied_one_after_the_other(fake: Fake) -> None:
    """Side by side they run into the API server's time limit for a single write."""
    large = crd("a.example.org")
    large["spec"]["description"] = "x" * LARGE_BYTES
    wanted = fake.store.keep([large])
    lock = lock_of(SECRET)
    lock.parent.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor() as pool:
        with lock.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            step = pool.submit(apply, fake.kubectl(), fake.store, "abc", wanted, again=False)
            with pytest.raises(TimeoutError):
                step.result(timeout=0.5)
            assert not fake.calls()
        step.result(timeout=30)
    assert [call["arguments"][0] for call in fake.calls()] == ["apply", "wait"]


def test_the_kubeconfig_is_in_no_argument_no_variable_and_no_file(fake: Fake) -> None:
    wanted = fake.store.keep([crd("a.example.org")])
    apply(fake.kubectl(context="admin"), fake.store, "abc", wanted, again=False)
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
    lock = lock_of(SECRET)
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        apply(fake.kubectl(), fake.store, "abc", wanted, again=False)
        apply(fake.kubectl(), fake.store, "def", fake.store.keep([crd("small.example.org")]), again=False)
    applied, *others = fake.calls()
    assert [call["arguments"][0] for call in others] == ["apply", "wait"]
    assert [item["kind"] for item in json.loads(applied["stdin"])["items"]] == ["ServiceAccount", "RoleBinding"]


def test_a_binding_whose_role_changes_is_made_anew(fake: Fake) -> None:
    """No update may change it."""
    wanted = fake.store.keep([role_binding("same", "r"), role_binding("other", "new")])
    live = [{**role_binding("same", "r"), "roleRef": {"kind": "Role", "name": "r"}}, role_binding("other", "old")]
    for body in live:
        body["metadata"]["labels"] = {LABEL: "abc"}
    fake.says("get", json.dumps({"kind": "List", "items": live}))
    apply(fake.kubectl(), fake.store, "abc", wanted, again=True)
    get, deleted, applied = fake.calls()
    assert [call["arguments"][0] for call in (get, deleted, applied)] == ["get", "delete", "apply"]
    assert [item["metadata"] for item in json.loads(deleted["stdin"])["items"]] == [{"name": "other", "namespace": "n"}]


def test_a_binding_of_somebody_else_is_left_alone(fake: Fake) -> None:
    wanted = fake.store.keep([role_binding("other", "new")])
    fake.says("get", json.dumps(role_binding("other", "old")))
    apply(fake.kubectl(), fake.store, "abc", wanted, again=True)
    assert [call["arguments"][0] for call in fake.calls()] == ["get", "apply"]


def test_a_create_looks_for_such_bindings_once_the_server_has_complained(fake: Fake) -> None:
    """An earlier run that was cut short may have left some."""
    wanted = fake.store.keep([role_binding("other", "new")])
    live = role_binding("other", "old")
    live["metadata"]["labels"] = {LABEL: "earlier"}
    fake.says("get", json.dumps(live))
    fake.fails("apply", 'The RoleBinding "other" is invalid: roleRef: cannot change roleRef')
    with pytest.raises(KubectlError, match="cannot change roleRef"):
        apply(fake.kubectl(), fake.store, "abc", wanted, again=False)
    assert [call["arguments"][0] for call in fake.calls()] == ["apply", "get", "delete", "apply"]


def test_an_immutable_configmap_is_made_anew_when_its_data_differ(fake: Fake) -> None:
    def settings(value: str) -> dict[str, Any]:
        metadata = {"name": "c", "namespace": "n", "labels": {LABEL: "abc"}}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "immutable": True, "data": {"key": value}}

    fake.says("get", json.dumps(settings("old")))
    for value in ("old", "new"):
        apply(fake.kubectl(), fake.store, "abc", fake.store.keep([settings(value)]), again=True)
    assert [call["arguments"][0] for call in fake.calls()] == ["get", "apply", "get", "delete", "apply"]


def test_preferences_of_the_user_do_not_reach_kubectl(fake: Fake) -> None:
    """One of them makes kubectl ask before it deletes, and then delete nothing and end well."""
    fake.kubectl().remove(["Role/n/a"])
    assert [call["environment"]["KUBERC"] for call in fake.calls()] == ["off"]


def test_waiting_in_the_queue_has_the_deadline_too(fake: Fake) -> None:
    large = crd("a.example.org")
    large["spec"]["description"] = "x" * LARGE_BYTES
    wanted = fake.store.keep([large])
    lock = lock_of(SECRET)
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(KubectlError, match="other sets of large CRDs"):
            apply(fake.kubectl(seconds=0), fake.store, "abc", wanted, again=False)


def run(fake: Fake, monkeypatch: pytest.MonkeyPatch, act: str, **variables: str) -> int:
    for name, value in {"DEADLINE_SECONDS": "60", **variables}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["objectset", act])
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps({"kubeconfig": SECRET, "context": None})))
    monkeypatch.setattr("mlops.objectset.__main__.Kubectl", partial(Kubectl, program=lambda: fake.program))
    return main()


def removed(fake: Fake) -> list[str]:
    items = [item for call in fake.calls() if call["arguments"][0] == "delete" for item in json.loads(call["stdin"])["items"]]
    return [f"{item['kind']} {item['metadata'].get('namespace', '')}/{item['metadata']['name']}" for item in items]


GUARD = "ValidatingWebhookConfiguration"


@pytest.mark.parametrize(
    ("act", "noted", "gone"),
    [
        ("note", "", []),
        ("note", f"{GUARD}/a {GUARD}/b {GUARD}/old", [f"{GUARD} /old"]),
        ("withdraw", f"{GUARD}/a {GUARD}/old", [f"{GUARD} /a", f"{GUARD} /b"]),
    ],
)
def test_what_is_noted_is_removed_when_it_is_named_no_longer_or_withdrawn(
    fake: Fake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, act: str, noted: str, gone: list[str]
) -> None:
    wanted = f"{GUARD}/a {GUARD}/b"
    assert run(fake, monkeypatch, act, OBJECTS=wanted, PULUMI_COMMAND_STDOUT=noted) == 0
    assert capsys.readouterr().out.split() == wanted.split()
    assert removed(fake) == gone


def test_a_set_makes_up_its_label_once_and_prints_something_new_each_time(
    fake: Fake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLOPS_CACHE_DIR", str(fake.folder))
    monkeypatch.setattr(Store, "default", lambda: fake.store)
    ((named, line),) = fake.store.keep([role_binding("b", "r")]).items()
    assert run(fake, monkeypatch, "apply", **{named: line}) == 0
    first = capsys.readouterr().out.split()
    assert run(fake, monkeypatch, "apply", **{named: line}, PULUMI_COMMAND_STDOUT="\n".join(first)) == 0
    second = capsys.readouterr().out.split()
    assert first[0] == second[0]
    assert first[1] != second[1]
    labels = {json.loads(call["stdin"])["items"][0]["metadata"].get("labels", {}).get(LABEL) for call in fake.calls()}
    assert labels == {first[0], None}, "the question for live bindings has none"


def test_of_the_sets_there_are_what_nobody_wants_goes_rights_last_and_kept_kinds_are_told(fake: Fake) -> None:
    lines = ["CustomResourceDefinition\t\told.example.org", "ServiceAccount\tn\told", "RoleBinding\tn\told", "Role\tn\tmine"]
    fake.says("get", "\n".join(lines))
    (told,) = prune(fake.kubectl(), ["b", "a"], ["Role/n/mine"], ["CustomResourceDefinition"])
    assert "kubectl delete CustomResourceDefinition/old.example.org removes it" in told
    assert f"--selector={LABEL} in (a,b)" in fake.calls()[0]["arguments"]
    assert removed(fake) == ["RoleBinding n/old", "ServiceAccount n/old"]


def test_crds_go_before_the_rights_of_their_controllers(
    fake: Fake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.says("get", "ClusterRole\t\told\nCustomResourceDefinition\t\told.example.org")
    sets = json.dumps({"b/ObjectSet": "abc\n123"})
    assert run(fake, monkeypatch, "prune", SETS=sets, OBJECTS="", KEPT="") == 0
    assert removed(fake) == ["CustomResourceDefinition /old.example.org", "ClusterRole /old"]
    assert f"--selector={LABEL} in (abc)" in fake.calls()[0]["arguments"]
    assert capsys.readouterr().err == ""


def test_delete_asks_who_belongs_to_the_set(fake: Fake) -> None:
    """Not the names of the state: another set may hold them by now, and objects of its kinds would be gone."""
    fake.says("get", "CustomResourceDefinition\t\tmine.example.org\nRole\tn\tmine\nClusterRole\t\twith space")
    delete(fake.kubectl(), "abc")
    assert f"--selector={LABEL}=abc" in fake.calls()[0]["arguments"]
    assert "--wait" in fake.calls()[1]["arguments"]
    assert removed(fake) == ["CustomResourceDefinition /mine.example.org", "Role n/mine", "ClusterRole /with space"]


def test_delete_of_a_set_that_holds_nothing_deletes_nothing(fake: Fake) -> None:
    delete(fake.kubectl(), "abc")
    assert [call["arguments"][0] for call in fake.calls()] == ["get"]


def test_a_refusal_is_told_in_the_servers_words(fake: Fake) -> None:
    fake.fails("apply", "Apply failed with 1 conflict")
    wanted = fake.store.keep([crd("a.example.org")])
    with pytest.raises(KubectlError, match="kubectl apply: Apply failed with 1 conflict"):
        apply(fake.kubectl(), fake.store, "abc", wanted, again=False)


def test_the_deadline_ends_a_kubectl_that_hangs(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlops.objectset.kubectl.GRACE_SECONDS", 0)
    (fake.folder / "hang-apply").touch()
    wanted = fake.store.keep([crd("a.example.org")])
    with pytest.raises(KubectlError, match="no answer before the deadline"):
        apply(fake.kubectl(seconds=1), fake.store, "abc", wanted, again=False)


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
