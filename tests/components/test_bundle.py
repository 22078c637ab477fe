"""Bundles of all layers become resources in the order of one graph."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pulumi
import pytest

from components import object_set
from components.bundle import ClusterObjects, ClusterObjectsArgs
from components.cluster import ExistingCluster, ExistingClusterArgs
from components.manifests import Manifests
from components.outputs import LayerOutputs, export_outputs
from mlops.bundles import Bundle
from mlops.errors import UserError
from mlops.objectset import Store
from mlops.ordering import parse_documents
from mlops.settings import Data, Deadlines, Secret, SecretState, Sources
from mlops.settings import ExistingCluster as ExistingClusterSettings
from tests.components.guard import guard
from tests.components.recording import Registered, Registration, record

GUARD = f"""{guard()}---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: others.example.org}}
spec:
  group: example.org
  scope: Namespaced
  names: {{plural: others, kind: Other}}
  versions: [{{name: v1, served: true, storage: true}}]
"""
USER = """
apiVersion: example.org/v1
kind: Thing
metadata: {name: one}
---
apiVersion: v1
kind: Secret
metadata: {name: password, namespace: guard}
stringData: {password: do-not-show}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: guard}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: node.k8s.io/v1
kind: RuntimeClass
metadata: {name: wide, namespace: guard, annotations: {pulumi.com/patchFieldManager: someone}}
handler: wide
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: user, namespace: guard}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: guard}
data: {}
"""


KEEP = Data()


class Layer(pulumi.ComponentResource):
    def __init__(self, name: str, objects: ClusterObjects, bundle: Bundle) -> None:
        super().__init__(f"onprem-mlops:{name}:Layer", name, {}, None)
        objects.add(bundle, parent=self)


def program(*texts: str, data: Data = KEEP, told: Callable[[ClusterObjects], object] = lambda _: None) -> Callable[[], None]:
    """Layers of one bundle each; what needs others stands first."""

    def run() -> None:
        kubeconfig = Secret(SecretState.GIVEN, "apiVersion: v1")
        cluster = ExistingCluster(
            "cluster", ExistingClusterArgs(settings=ExistingClusterSettings(kind="existing", kubeconfig=kubeconfig))
        )
        manifests = Manifests.of(Path(__file__).parent, Sources())
        deadlines = Deadlines(webhookSeconds=7, workloadSeconds=70)
        objects = ClusterObjects(ClusterObjectsArgs(cluster=cluster.access, manifests=manifests, deadlines=deadlines, data=data))
        for number, text in enumerate(texts):
            name = "abc"[number]
            Layer(f"layer{name}", objects, Bundle(name, parse_documents(text, origin=name), digest=""))
        told(objects)
        objects.register()

    return run


@pytest.fixture(scope="module", autouse=True)
def no_tools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    cache = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(object_set, "pinned_kubectl", lambda: Path("kubectl"))
        patch.setenv("MLOPS_CACHE_DIR", str(cache))
        yield


@pytest.fixture(scope="module")
def registered() -> Registered:
    return record(program(USER, GUARD))


def annotations_of(item: Registration) -> dict[str, str]:
    return (item.inputs.get("metadata") or {}).get("annotations") or {}


def test_no_stack_of_calls_goes_into_the_state(registered: Registered) -> None:
    """1.3 kB with each object, a fifth of the whole state; of a subclass of CustomResource the SDK would send it."""
    objects = [item for item in registered.of_type("kubernetes:") if item.custom and "Provider" not in item.type]
    assert objects
    assert [item.name for item in objects if item.raw.stackTrace.frames] == []


def test_objects_keep_their_kind_and_get_the_explicit_provider(registered: Registered) -> None:
    objects = {item.name: item for item in registered.of_type("kubernetes:") if item.custom and "Provider" not in item.type}
    assert {name: item.type for name, item in objects.items()} == {
        "a/Thing/one": "kubernetes:example.org/v1:Thing",
        "a/Secret/guard/password": "kubernetes:core/v1:Secret",
        "a/PersistentVolumeClaim/guard/data": "kubernetes:core/v1:PersistentVolumeClaim",
        "a/RuntimeClass/wide": "kubernetes:node.k8s.io/v1:RuntimeClass",
        "b/Namespace/guard": "kubernetes:core/v1:Namespace",
        "b/Deployment/guard/guard": "kubernetes:apps/v1:Deployment",
        "b/Service/guard/guard": "kubernetes:core/v1:Service",
        "b/ValidatingWebhookConfiguration/guard": "kubernetes:admissionregistration.k8s.io/v1:ValidatingWebhookConfiguration",
    }
    assert all("cluster-kubernetes" in item.provider for item in objects.values())


def test_an_object_waits_for_objects_of_layers_that_come_after_its_own(registered: Registered) -> None:
    assert {
        "b/CustomResourceDefinitions",
        "b/ValidatingWebhookConfiguration/guard",
        "b/Deployment/guard/guard",
        "b/Service/guard/guard",
        "b/Namespace/guard",
    } <= registered.before("a/Thing/one")


def test_an_object_stands_below_its_bundle_and_that_below_its_layer(registered: Registered) -> None:
    bundle = registered.one("a", "onprem-mlops:bundle:Bundle")
    assert registered.one("a/Thing/one").parent == bundle.urn
    assert bundle.parent == registered.one("layera").urn
    assert bundle.inputs == {"objects": 6}


def test_only_guarded_objects_have_a_gate_and_it_holds_for_updates_too(registered: Registered) -> None:
    hooked = {item.name: item.hooks for item in registered.of_type("kubernetes:") if any(item.hooks.values())}
    assert set(hooked) == {"a/Thing/one"}
    assert hooked["a/Thing/one"]["before_create"] == hooked["a/Thing/one"]["before_update"] != []


def test_what_the_provider_waits_for_is_said_in_annotations(registered: Registered) -> None:
    found = {
        item.name: {name: value for name, value in annotations_of(item).items() if name != "pulumi.com/patchFieldManager"}
        for item in registered.of_type("kubernetes:")
    }
    skipped = {"pulumi.com/skipAwait": "true"}
    assert {name: said for name, said in found.items() if said} == {
        "b/Service/guard/guard": skipped,
        "a/PersistentVolumeClaim/guard/data": skipped,
    }


def test_conditions_of_issuers_and_certificates_are_waited_for() -> None:
    text = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: issuers.cert-manager.io}
spec:
  group: cert-manager.io
  scope: Namespaced
  names: {plural: issuers, kind: Issuer}
  versions: [{name: v1, served: true, storage: true}]
---
apiVersion: cert-manager.io/v1
kind: Issuer
metadata: {name: i, namespace: default}
"""
    issuer = record(program(text)).one("a/Issuer/default/i")
    assert annotations_of(issuer)["pulumi.com/waitFor"] == "condition=Ready"
    assert issuer.raw.customTimeouts.create == "7s"


def test_every_object_has_one_field_manager_so_that_a_create_cut_short_can_be_made_again(registered: Registered) -> None:
    objects = [item for item in registered.of_type("kubernetes:") if item.name[:2] in {"a/", "b/"}]
    managers = {item.name: annotations_of(item)["pulumi.com/patchFieldManager"] for item in objects}
    assert managers.pop("a/RuntimeClass/wide") == "someone", "what a manifest says itself wins"
    assert set(managers.values()) == {"onprem-mlops"}


def test_workloads_have_the_time_of_the_settings(registered: Registered) -> None:
    timed = {
        item.name: item.raw.customTimeouts.create for item in registered.of_type("kubernetes:") if item.raw.customTimeouts.create
    }
    assert timed == {"b/Deployment/guard/guard": "70s"}


def test_values_of_a_secret_object_are_secret(registered: Registered) -> None:
    assert registered.one("a/Secret/guard/password").secret_inputs == {"stringData"}


def test_definitions_with_the_same_dependencies_are_one_resource(registered: Registered) -> None:
    (group,) = [item for item in registered.of_type("command:local:Command") if "CustomResourceDefinitions" in item.name]
    assert group.name == "b/CustomResourceDefinitions"
    definitions = {"CustomResourceDefinition/things.example.org", "CustomResourceDefinition/others.example.org"}
    assert definitions <= group.inputs["environment"].keys()


def test_what_merely_lies_there_is_one_resource_and_fields_of_others_are_left_out(registered: Registered) -> None:
    found = registered.one("a/ObjectSet")
    assert found.parent == registered.one("a", "onprem-mlops:bundle:Bundle").urn
    assert {"ServiceAccount/guard/user", "ConfigMap/guard/settings"} <= found.inputs["environment"].keys()
    body = Store.default().take(found.inputs["environment"]["ConfigMap/guard/settings"])
    assert body is not None
    assert "data" not in body
    assert registered.before("a/ObjectSet") == {"cluster-kubernetes", "b/Namespace/guard"}


def test_the_last_step_knows_all_members_of_sets(registered: Registered) -> None:
    step = registered.one("object-sets")
    assert step.inputs["environment"]["OBJECTS"].split() == [
        "ConfigMap/guard/settings",
        "CustomResourceDefinition/others.example.org",
        "CustomResourceDefinition/things.example.org",
        "ServiceAccount/guard/user",
    ]
    assert step.inputs["environment"]["KEPT"] == "CustomResourceDefinition"
    assert step.inputs["create"] == "prune"
    assert "delete" not in step.inputs
    sets = json.loads(step.inputs["environment"]["SETS"])
    assert sets == {
        "a/ObjectSet": "printed by a/ObjectSet",
        "b/CustomResourceDefinitions": "printed by b/CustomResourceDefinitions",
    }
    assert {item.name for item in registered.of_type("kubernetes:")} <= registered.before("object-sets")


def test_members_behind_a_webhook_are_a_set_of_their_own_with_a_gate() -> None:
    text = (
        GUARD
        + """
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: settings}
webhooks:
- name: settings.guard.example.org
  clientConfig: {service: {name: guard, namespace: guard}}
  objectSelector: {matchLabels: {guarded: "yes"}}
  rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]
  sideEffects: None
  admissionReviewVersions: [v1]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: free, namespace: guard}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: guarded, namespace: guard, labels: {guarded: "yes"}}
"""
    )
    found = record(program(text))
    free, guarded = found.one("a/ObjectSet"), found.one("a/GatedObjectSet")
    assert "ConfigMap/guard/free" in free.inputs["environment"]
    assert "ConfigMap/guard/guarded" in guarded.inputs["environment"]
    assert free.hooks["before_create"] == []
    assert guarded.hooks["before_create"] == ["a/GatedObjectSet: gates"]
    assert guarded.hooks["before_update"] == ["a/GatedObjectSet: gates", "differences of a/GatedObjectSet"]
    assert "a/ValidatingWebhookConfiguration/settings" in found.before("a/GatedObjectSet")


@pytest.mark.parametrize(("data", "kept"), [("keep", True), ("remove", False)])
def test_claims_and_their_namespaces_outlive_the_platform_unless_the_settings_say_otherwise(data: str, *, kept: bool) -> None:
    found = record(program(USER, GUARD, data=Data.model_validate({"onDestroy": data})))
    guards = "b/ValidatingWebhookConfiguration/guard"
    retained = {item.name for item in found.all if item.raw.retainOnDelete and item.name != guards}
    assert retained == ({"a/PersistentVolumeClaim/guard/data", "b/Namespace/guard"} if kept else set())
    assert ("delete" in found.one("b/CustomResourceDefinitions").inputs) is not kept
    assert bool([item for item in found.all if item.name == "users-objects"]) is not kept


def test_webhook_configurations_go_in_one_step_before_all_else() -> None:
    """The engine deletes in waves by the length of the chain of dependencies: what needs little goes last."""
    found = record(program(USER, GUARD))
    step = found.one("webhook-configurations")
    assert step.inputs["environment"]["OBJECTS"] == "ValidatingWebhookConfiguration/guard"
    assert step.inputs["delete"] == "withdraw"
    assert "stdin" in step.secret_inputs
    assert found.one("b/ValidatingWebhookConfiguration/guard").raw.retainOnDelete
    others = {item.name for item in found.all if item.type.startswith("kubernetes:")}
    assert others <= found.before("webhook-configurations")


def test_a_set_that_lacks_something_is_told_before_the_first_object() -> None:
    with pytest.raises(UserError, match="Thing"):
        record(program(USER))


def test_outputs_are_merged_and_a_name_is_used_once() -> None:
    one, two = LayerOutputs(versions={"a": "1"}), LayerOutputs(versions={"a": "2"})
    with pytest.raises(ValueError, match="versions"):
        record(lambda: export_outputs(ca_certificate="", kubeconfig="", layers=[one, two]))
