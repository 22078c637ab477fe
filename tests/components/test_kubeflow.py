"""The whole platform through the recording monitor: the resources are the graph's objects, edges and gates, and nothing else.

The tests marked `site` read the real sources.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pulumi
import pytest

from components import object_set
from components.bundle import ClusterObjects, ClusterObjectsArgs
from components.certificates import CertManager, CertManagerArgs
from components.certificates.cert_manager import BUNDLE
from components.cluster import ExistingCluster, ExistingClusterArgs
from components.gates import needs_of
from components.kubeflow import Kubeflow, KubeflowArgs
from components.kubeflow.kubeflow import ALWAYS
from components.manifests import Manifests
from components.outputs import LayerOutputs
from components.retention import retained
from mlops.bundles import bundles_in
from mlops.objectset import MEMBERS, summaries_in
from mlops.objectset.kinds import position
from mlops.ordering import Graph, NamespaceMade, ObjectRef, Strength, WorkloadReady, build_graph
from mlops.settings import Data, Deadlines, Secret, SecretState, Sources
from mlops.settings import ExistingCluster as ExistingClusterSettings
from mlops.settings import Kubeflow as KubeflowSettings
from mlops.settings.kubeflow import NEEDS, PARTS, Part
from tests.components.recording import Registered, Registration, record

ROOT = Path(__file__).parents[2]
MANIFESTS = Manifests.of(ROOT, Sources())
CRD = "CustomResourceDefinition"

pytestmark = pytest.mark.site


def build(data: Data, settings: KubeflowSettings) -> list[LayerOutputs]:
    kubeconfig = Secret(SecretState.GIVEN, "apiVersion: v1")
    cluster = ExistingCluster(
        "cluster", ExistingClusterArgs(settings=ExistingClusterSettings(kind="existing", kubeconfig=kubeconfig))
    )
    objects = ClusterObjects(ClusterObjectsArgs(cluster=cluster.access, manifests=MANIFESTS, deadlines=Deadlines(), data=data))
    certificates = CertManager(
        "certificates",
        CertManagerArgs(manifests=MANIFESTS, objects=objects, issuer_certificate="", issuer_key=pulumi.Output.secret("KEY")),
    )
    kubeflow = Kubeflow("kubeflow", KubeflowArgs(settings=settings, manifests=MANIFESTS, objects=objects))
    objects.register()
    return [certificates.outputs, kubeflow.outputs]


@pytest.fixture(scope="module")
def tools() -> Iterator[None]:
    """No kubectl is needed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(object_set, "pinned_kubectl", lambda: Path("kubectl"))
        yield


@pytest.fixture(scope="module")
def registered(tools: None) -> Registered:
    return record(lambda: build(Data(), KubeflowSettings()))


@pytest.fixture(scope="module")
def graph() -> Graph:
    bundles = MANIFESTS.load(BUNDLE, *ALWAYS, *PARTS)
    return build_graph([item for bundle in bundles for item in bundle.objects], overrides=MANIFESTS.overrides(bundles))


@pytest.fixture(scope="module")
def by_object(registered: Registered) -> dict[tuple[str, str], Registration]:
    """Kind and [namespace/]name to the resource that the object is."""
    found = {}
    for item in registered.all:
        if item.type.startswith("kubernetes:"):
            _, kind, name = item.name.split("/", 2)
            group = item.type.split(":")[1].rpartition("/")[0].replace("core", "")
            found[f"{kind}.{group}", name] = item
        elif _is_set(item):
            for named in summaries_in(item.inputs["environment"]):
                kind, _, name = named.partition("/")
                found[f"{kind}.{MEMBERS[kind].group}", name] = item
    return found


def _is_set(item: Registration) -> bool:
    return item.type == "command:local:Command" and item.inputs.get("create") == "apply"


def key(ref: ObjectRef) -> tuple[str, str]:
    return f"{ref.kind}.{ref.group}", f"{ref.namespace}/{ref.name}" if ref.namespace else ref.name


def test_the_settings_know_the_parts_that_there_are() -> None:
    assert {BUNDLE, *ALWAYS, *PARTS} == set(bundles_in(MANIFESTS.folder))


def test_every_object_is_registered_with_the_dependencies_of_the_graph(
    graph: Graph, registered: Registered, by_object: dict[tuple[str, str], Registration]
) -> None:
    assert len(graph.objects) > 700
    before = {item.urn: set[str]() for item in by_object.values()}
    for resource in registered.all:  # in the order of registration, so what it waits for is known
        if resource.urn in before:
            direct = resource.dependencies & before.keys()
            before[resource.urn] = direct.union(*(before[urn] for urn in direct))
    for item in graph.objects:
        resource = by_object[key(item.ref)]
        wanted = {by_object[key(ref)].urn for ref in graph.dependencies(item.ref)} - {resource.urn}
        assert wanted <= before[resource.urn], item.ref


def test_nothing_waits_for_more_than_the_graph_says_but_members_of_sets(
    graph: Graph, by_object: dict[tuple[str, str], Registration]
) -> None:
    objects = {item.urn for item in by_object.values()}
    before: dict[ObjectRef, set[str]] = {}
    for item in graph.in_order():
        direct = graph.dependencies(item.ref)
        before[item.ref] = {by_object[key(ref)].urn for ref in direct}.union(*(before[ref] for ref in direct))
    for item in graph.objects:
        resource = by_object[key(item.ref)]
        if not _is_set(resource):
            # a set waits for what any of its members waits for, so behind a set there may be more
            allowed = before[item.ref]
            direct_objects = resource.dependencies & objects
            assert direct_objects <= allowed, item.ref


def test_within_a_set_members_are_written_in_the_order_of_the_graph(
    graph: Graph, by_object: dict[tuple[str, str], Registration]
) -> None:
    for item in graph.objects:
        for ref in graph.dependencies(item.ref):
            if by_object[key(ref)] is by_object[key(item.ref)]:
                # a ClusterRole that gathers others may stand before them: a controller fills it
                assert position(f"{ref.kind}/") <= position(f"{item.kind}/"), (ref, item.ref)


def test_every_object_that_needs_something_first_has_one_hook_for_create_and_update(
    graph: Graph, by_object: dict[tuple[str, str], Registration]
) -> None:
    guarded = {item.ref for item in graph.objects if needs_of(graph, item)}
    assert len(guarded) > 60
    for item in graph.objects:
        resource = by_object[key(item.ref)]
        if _is_set(resource):
            assert resource.hooks["before_create"] or item.ref not in guarded, item.ref
            continue
        hooks = resource.hooks
        assert hooks["before_create"] == hooks["before_update"]
        assert len(hooks["before_create"]) == (1 if item.ref in guarded else 0), item.ref


def test_an_object_in_a_users_namespace_asks_for_the_namespace(graph: Graph) -> None:
    inside = [item for item in graph.objects if item.namespace == "kubeflow-user-example-com"]
    assert inside
    for item in inside:
        found = needs_of(graph, item)
        assert found is not None
        assert found.namespace is not None


def test_workloads_get_the_time_of_the_settings(graph: Graph, by_object: dict[tuple[str, str], Registration]) -> None:
    for item in graph.objects:
        if any(isinstance(gate, WorkloadReady) for gate in graph.gates_after(item.ref)):
            assert by_object[key(item.ref)].raw.customTimeouts.create == "1800s"


def test_values_of_secrets_are_secret_and_nothing_else_is_hidden(by_object: dict[tuple[str, str], Registration]) -> None:
    for (kind, name), item in by_object.items():
        if kind == "Secret.":
            assert item.secret_inputs == {"data", "stringData"} & item.inputs.keys(), name
        elif not _is_set(item):
            assert not item.secret_inputs, name


def test_nothing_that_others_own_is_sent(by_object: dict[tuple[str, str], Registration]) -> None:
    for (kind, name), item in by_object.items():
        assert "status" not in item.inputs
        if kind.startswith("ClusterRole.") and "aggregationRule" in item.inputs:
            assert "rules" not in item.inputs, name
        for webhook in item.inputs.get("webhooks", ()):
            assert "caBundle" not in webhook["clientConfig"], name


def test_what_merely_lies_there_is_two_resources_of_each_bundle(registered: Registered) -> None:
    """And one more for members in a namespace that a controller makes."""
    names = [item.name for item in registered.all if _is_set(item)]
    definitions = [name for name in names if CRD in name]
    assert len(definitions) == len({name.split("/")[0] for name in definitions}) == 11
    assert {name for name in names if "Gated" in name} == {"model-registry/GatedObjectSet"}
    assert not [name for name in names if name.count("/") > 1], "none had to be split"
    assert sum(len(summaries_in(item.inputs["environment"])) for item in registered.all if _is_set(item)) > 450


def test_destroy_keeps_what_users_have_made(graph: Graph, by_object: dict[tuple[str, str], Registration]) -> None:
    # webhook configurations are left to the step that removes them before their backends
    kept = {item.name for item in by_object.values() if item.raw.retainOnDelete and "WebhookConfiguration/" not in item.name}
    assert kept == {
        "katib/PersistentVolumeClaim/kubeflow/katib-mysql",
        "model-catalog/PersistentVolumeClaim/kubeflow/model-catalog-postgres",
        "pipelines/PersistentVolumeClaim/kubeflow/mysql-pv-claim",
        "pipelines/PersistentVolumeClaim/kubeflow/seaweedfs-pvc",
        "model-registry/PersistentVolumeClaim/kubeflow-user-example-com/metadata-postgres",
        "kubeflow-namespace/Namespace/kubeflow",
        "user-namespace/Profile/kubeflow-user-example-com",
    }
    assert {ref.kind for ref in retained(graph)} == {"PersistentVolumeClaim", "Namespace", "Profile", CRD}
    assert not any("delete" in item.inputs for item in by_object.values() if CRD in item.name)


def test_remove_keeps_nothing_and_empties_the_kinds_before_anything_goes(tools: None, graph: Graph) -> None:
    found = record(lambda: build(Data(onDestroy="remove"), KubeflowSettings()))
    assert all(item.name.split("/")[1].endswith("WebhookConfiguration") for item in found.all if item.raw.retainOnDelete)
    emptying = found.one("users-objects")
    assert emptying.inputs["delete"] == "empty"
    assert "create" not in emptying.inputs
    assert emptying.inputs["environment"]["KINDS"].split() == list(graph.removal.kinds)
    assert emptying.inputs["environment"]["KINDS"].startswith("profiles.kubeflow.org ")
    assert "stdin" in emptying.secret_inputs
    others = {item.name for item in found.all if item.type.startswith("kubernetes:") or _is_set(item)}
    assert others <= found.before("users-objects"), "what goes first depends on all others"
    assert all("delete" in item.inputs for item in found.of_type("command:local:Command") if item.name != "object-sets")
    assert found.one("object-sets").inputs["environment"]["KEPT"] == ""


def test_versions_and_the_first_password_are_outputs(tools: None) -> None:
    outputs: list[LayerOutputs] = []
    record(lambda: outputs.extend(build(Data(), KubeflowSettings(parts=()))))
    versions = {name: version for layer in outputs for name, version in layer.versions.items()}
    assert versions["kubeflow"] == MANIFESTS.version("kubeflow") == "26.03.1"
    assert {name for layer in outputs for name in layer.initial_credentials} == {"kubeflow/user@example.com"}


@pytest.mark.parametrize("part", PARTS)
def test_each_part_works_with_what_it_needs(part: Part) -> None:
    parts: list[Part] = [part]
    for name in parts:  # grows while it is walked
        parts += [needed for needed in NEEDS.get(name, ()) if needed not in parts]
    bundles = MANIFESTS.load(BUNDLE, *ALWAYS, *parts)
    whole = build_graph([item for bundle in bundles for item in bundle.objects], overrides=MANIFESTS.overrides(bundles))
    whole.require_complete()
    made = {gate.namespace for gate in whole.gates if isinstance(gate, NamespaceMade)}
    namespaces = {item.name for item in whole.objects if item.kind == "Namespace"} | made | {"kube-system", "default"}
    assert {item.namespace for item in whole.objects if item.namespace} <= namespaces


def test_what_a_part_needs_is_what_the_graph_says_and_what_is_written_beside_it(graph: Graph) -> None:
    """No hard edge leads from one part to another that it does not name."""
    owner = {item.ref: bundle.name for bundle in MANIFESTS.load(BUNDLE, *ALWAYS, *PARTS) for item in bundle.objects}
    hard = {
        (owner[edge.source], owner[edge.target])
        for edge in graph.edges
        if edge.strength is Strength.HARD and edge.source in owner and edge.target in owner
    }
    between = {(source, target) for source, target in hard if source != target and {source, target} <= set(PARTS)}
    assert between <= {(part, needed) for part, all_needed in NEEDS.items() for needed in all_needed}


def test_own_objects_of_a_layer_stand_in_its_bundle(registered: Registered) -> None:
    issuer = registered.one("cert-manager/ClusterIssuer/site-ca")
    bundle = registered.one("cert-manager", "bundle:Bundle")
    assert issuer.parent == bundle.urn
    assert bundle.parent == registered.one("certificates").urn
    assert registered.one("cert-manager/Secret/cert-manager/site-issuing-ca").secret_inputs == {"stringData"}
