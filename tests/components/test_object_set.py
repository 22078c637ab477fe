"""Objects as one resource: what stands in its inputs, and what a preview tells."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from components.access import ClusterAccess
from components.object_set import INTERPRETER, object_set, show_differences
from mlops.objectset import Kubectl, KubectlError, Store
from mlops.ordering import KubeObject, from_body
from tests.components.recording import Registration, record

ROOT = Path(__file__).resolve().parents[2]
KUBECONFIG = "token: do-not-show"
CRD = "CustomResourceDefinition"


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Store:
    monkeypatch.setenv("MLOPS_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr("components.object_set.pinned_kubectl", lambda: Path("/none"))
    return Store.default()


def crd(name: str, **fields: str) -> KubeObject:
    schema = {"type": "object", "properties": {field: {"type": kind} for field, kind in fields.items()}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return from_body(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": name},
            "spec": {"scope": "Cluster", "versions": [version]},
        }
    )


def access(text: str = KUBECONFIG) -> ClusterAccess:
    plain: pulumi.Output[str] = pulumi.Output.from_input(text)
    return ClusterAccess(kubeconfig=plain, context="admin", provider=None)


def registered(*items: KubeObject, **options: Any) -> Registration:
    def program() -> None:
        object_set("group", items, access(), deadline_seconds=7, opts=pulumi.ResourceOptions(), **options)

    return record(program).one("group")


def test_the_inputs_hold_digests_and_no_bytes() -> None:
    found = registered(crd("a.example.org", size="integer"), crd("b.example.org"))
    variables = found.inputs["environment"]
    assert sorted(variables) == [f"{CRD}/a.example.org", f"{CRD}/b.example.org", "DEADLINE_SECONDS"]
    assert variables[f"{CRD}/a.example.org"].startswith("v1 sha256:")
    assert variables["DEADLINE_SECONDS"] == "7"
    assert "openAPIV3Schema" not in json.dumps(found.inputs)


def test_the_bytes_are_in_the_cache(cache: Store) -> None:
    item = crd("a.example.org", size="integer")
    assert cache.take(registered(item).inputs["environment"][f"{CRD}/a.example.org"]) == item.body


def test_the_kubeconfig_is_a_secret_input() -> None:
    found = registered(crd("a.example.org"))
    assert "stdin" in found.secret_inputs
    assert json.loads(found.inputs["stdin"]) == {"kubeconfig": KUBECONFIG, "context": "admin"}
    assert KUBECONFIG not in json.dumps({name: value for name, value in found.inputs.items() if name != "stdin"})


def test_nothing_of_this_machine_is_in_the_inputs(tmp_path: Path) -> None:
    text = json.dumps(registered(crd("a.example.org")).inputs)
    assert str(ROOT) not in text
    assert str(Path.home()) not in text
    assert str(tmp_path) not in text


def test_the_interpreter_is_the_one_of_the_project() -> None:
    options = yaml.safe_load((ROOT / "Pulumi.yaml").read_text(encoding="utf-8"))["runtime"]["options"]
    assert INTERPRETER[0] == f"{options['virtualenv']}/bin/python"


def test_deleted_with_the_resource_or_kept() -> None:
    kept, gone = registered(crd("a.example.org"), keep=True), registered(crd("a.example.org"))
    assert (kept.inputs["create"], "delete" in kept.inputs) == ("apply", False)
    assert (gone.inputs["create"], gone.inputs["delete"]) == ("apply", "delete")


def test_differences_are_told_before_an_update() -> None:
    assert registered(crd("a.example.org")).hooks == {"before_create": [], "before_update": ["differences of group"]}


class Told:
    """A preview of an update, against a cluster that answers as given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, live: dict[str, Any] | Exception) -> None:
        self.lines: list[str] = []
        self.asked: list[str] = []

        def answer(_: Kubectl, names: list[str]) -> dict[str, Any]:
            self.asked += names
            if isinstance(live, Exception):
                raise live
            return live

        monkeypatch.setattr(pulumi.log, "info", self.lines.append)
        monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: True)
        monkeypatch.setattr(Kubectl, "live", answer)

    def preview(self, old: list[KubeObject], new: list[KubeObject], cluster: ClusterAccess | None = None) -> str:
        inputs = [{"environment": Store.default().keep(item.body for item in items)} for items in (old, new)]
        args = pulumi.ResourceHookArgs("urn", "id", "group", "type", old_inputs=inputs[0], new_inputs=inputs[1])

        async def run() -> None:
            await show_differences(args, cluster or access(), Store.default())

        # not asyncio.run, which takes the thread's loop away from the tests after this one
        with closing(asyncio.new_event_loop()) as loop:
            loop.run_until_complete(run())
        return "\n".join(self.lines)


def test_a_preview_names_what_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    old, new, same = crd("a.example.org", size="integer"), crd("a.example.org", port="integer"), crd("same.example.org")
    told = Told(monkeypatch, {f"{CRD}/a.example.org": old.body})
    assert told.preview([old, same], [new, same]).splitlines() == [
        f"group: {CRD}/a.example.org",
        "  v1: field port (integer) is new",
        "  v1: field size (integer) is gone",
    ]
    assert told.asked == [f"{CRD}/a.example.org"]


def test_a_preview_shows_lines_of_a_text_and_what_has_gone_of_what_we_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def settings(**data: str) -> KubeObject:
        return from_body({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "n"}, "data": data})

    old, new = settings(file="one\ntwo\n", gone="x"), settings(file="one\n2\n", fresh="y")
    live = {**old.body, "data": {**old.body["data"], "of somebody else": "z"}}
    told = Told(monkeypatch, {"ConfigMap/n/c": live})
    assert [line.strip() for line in told.preview([old], [new]).splitlines()] == [
        "group: ConfigMap/n/c",
        "data.file:",
        "-two",
        "+2",
        "data.fresh is new: y",
        "data.gone is gone",
    ]


def test_a_crd_that_is_new_or_gone_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told(monkeypatch, {})
    text = told.preview([crd("old.example.org")], [crd("new.example.org")])
    assert "old.example.org is no longer in the set" in text
    assert "new.example.org is new" in text


def test_without_a_cluster_a_preview_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told(monkeypatch, KubectlError("kubectl get: connection refused"))
    text = told.preview([crd("a.example.org")], [crd("a.example.org", size="integer")])
    assert "a.example.org is not known" in text
    assert "connection refused" in text


def test_without_a_change_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told(monkeypatch, {})
    assert told.preview([crd("a.example.org")], [crd("a.example.org")]) == ""
    assert told.asked == []


def test_a_long_list_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    new = crd("a.example.org", **{f"field{number:02}": "string" for number in range(40)})
    text = Told(monkeypatch, {f"{CRD}/a.example.org": crd("a.example.org").body}).preview([crd("a.example.org")], [new])
    assert "field11" in text
    assert "field12" not in text
    assert text.endswith("and 28 more")
