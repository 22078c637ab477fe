"""The stand-ins for Kubeflow's programs, against an API server in memory."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlops.bundles import Helm, Kustomize, Places, bundles_in, load_bundles
from mlops.errors import UserError
from mlops.folders import cache_folder
from mlops.ordering import KubeObject
from mlops.rehearsal.controllers import hostpath, istio, profiles, reviews
from mlops.rehearsal.controllers.client import Body, each
from mlops.rehearsal.controllers.kubelet import Kubelet, references
from mlops.rehearsal.controllers.signing import Authority
from mlops.rehearsal.controllers.table import WEBHOOKS, acts_after_seconds, controllers, ready_after_seconds, webhooks
from mlops.rehearsal.controllers.webhook_backend import SelfMade, WebhookBackend
from mlops.rehearsal.site.api import ApiError
from mlops.rehearsal.site.kwok import READY_ANNOTATION, VOLUMES_ANNOTATION
from tests.rehearsal.controllers.memory_api import MemoryApi

MANIFESTS = Path(__file__).resolve().parents[3] / "manifests"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"


@pytest.fixture
def api() -> MemoryApi:
    return MemoryApi()


@pytest.fixture(scope="module")
def kubeflow() -> list[KubeObject]:
    try:
        places, kustomize, helm = Places.from_environment(checkout=MANIFESTS.parent), Kustomize.pinned(), Helm.pinned()
        names = bundles_in(MANIFESTS)
        bundles = load_bundles(names, manifests=MANIFESTS, places=places, cache=cache_folder(), kustomize=kustomize, helm=helm)
    except UserError as error:
        pytest.skip(f"the bundles cannot be had here: {error}")
    return [item for bundle in bundles for item in bundle.objects]


def clients(kubeflow: list[KubeObject]) -> Iterator[tuple[str, Body]]:
    for item in kubeflow:
        if item.kind.endswith("WebhookConfiguration"):
            yield from ((f"{item.kind} {item.name}", webhook["clientConfig"]) for webhook in item.body["webhooks"])


def test_every_webhook_of_the_bundles_is_played_at_its_path_and_port(kubeflow: list[KubeObject]) -> None:
    played = {(entry.namespace, entry.service, entry.port): entry for entry in WEBHOOKS}
    for name, client in clients(kubeflow):
        service = client["service"]
        entry = played[service["namespace"], service["name"], service.get("port", 443)]
        # Knative's have no path but the one that it fills in
        assert service.get("path", "/defaulting") in entry.reviews, name


def test_everything_that_is_played_is_in_the_bundles(kubeflow: list[KubeObject]) -> None:
    there = {(item.kind, item.namespace, item.name) for item in kubeflow}
    for entry in WEBHOOKS:
        assert ("Service", entry.namespace, entry.service) in there
        assert ("Deployment", entry.namespace, entry.workload) in there
    plurals = {"mutatingwebhookconfigurations": "Mutating", "validatingwebhookconfigurations": "Validating"}
    own = [entry.certificate for entry in WEBHOOKS if isinstance(entry.certificate, SelfMade)]
    for source in own:
        assert all((f"{plurals[p]}WebhookConfiguration", None, name) in there for p, name in source.configurations)
    for controller in controllers(()):
        if controller.workload and controller.namespace != "kube-system":
            assert ("Deployment", controller.namespace, controller.workload) in there


def test_no_configuration_is_left_without_a_ca(kubeflow: list[KubeObject]) -> None:
    injected = {
        item.name for item in kubeflow
        if item.kind.endswith("WebhookConfiguration")
        and any(key.startswith("cert-manager.io/inject-ca") for key in item.body["metadata"].get("annotations") or {})
    }  # fmt: skip
    own = {name for entry in WEBHOOKS if isinstance(entry.certificate, SelfMade) for _, name in entry.certificate.configurations}
    assert injected | own == {item.name for item in kubeflow if item.kind.endswith("WebhookConfiguration")}
    assert not injected & own


def entry_of(name: str) -> WebhookBackend:
    return next(backend for backend in webhooks() if backend.entry.stands_in_for == name)


def configuration(api: MemoryApi, plural: str, name: str, **webhook: Any) -> str:
    path = f"{ADMISSION}/{plural}/{name}"
    api.put(path, {"webhooks": [{"name": name, "clientConfig": {"service": {"name": "s"}}, **webhook}]})
    return path


def test_a_backend_that_does_not_make_its_secret_waits_for_it(api: MemoryApi) -> None:
    backend = entry_of("kubeflow-trainer-controller-manager")
    path = configuration(api, "validatingwebhookconfigurations", "validator.trainer.kubeflow.org")
    backend.act(api)
    assert (backend.backend(), api.writes) == (None, [])
    secret = "/api/v1/namespaces/kubeflow-system/secrets/kubeflow-trainer-webhook-cert"
    api.put(secret, {})
    backend.act(api)
    assert backend.backend() is not None
    assert api.objects[path]["webhooks"][0]["clientConfig"]["caBundle"] == api.objects[secret]["data"]["ca.crt"]
    written = list(api.writes)
    backend.act(api)
    assert api.writes == written


def test_pods_that_need_a_certificate_are_ready_only_with_it(api: MemoryApi) -> None:
    backend = entry_of("jobset-controller-manager")
    pod = "/api/v1/namespaces/kubeflow-system/pods/p"
    owner = [{"kind": "ReplicaSet", "name": "jobset-controller-manager-5c4"}]
    api.put(
        pod, {"metadata": {"annotations": {READY_ANNOTATION: "later"}, "ownerReferences": owner}, "status": {"phase": "Running"}}
    )
    backend.act(api)
    assert api.objects[pod]["metadata"]["annotations"][READY_ANNOTATION] == "later"
    api.put("/api/v1/namespaces/kubeflow-system/secrets/jobset-webhook-server-cert", {})
    backend.act(api)
    assert api.objects[pod]["metadata"]["annotations"][READY_ANNOTATION] == "now"


def test_istiod_makes_its_validator_fail_closed(api: MemoryApi) -> None:
    path = configuration(api, "validatingwebhookconfigurations", "istio-validator-istio-system", failurePolicy="Ignore")
    entry_of("istiod").act(api)
    (webhook,) = api.objects[path]["webhooks"]
    assert webhook["failurePolicy"] == "Fail"
    assert webhook["clientConfig"]["service"] == {"name": "s"}


def test_knative_fills_in_its_rules(api: MemoryApi) -> None:
    path = configuration(api, "validatingwebhookconfigurations", "config.webhook.serving.knative.dev")
    api.put("/api/v1/namespaces/knative-serving/secrets/webhook-certs", {})
    entry_of("knative-serving webhook").act(api)
    (webhook,) = api.objects[path]["webhooks"]
    assert webhook["rules"][0]["resources"] == ["configmaps/*"]
    assert webhook["clientConfig"]["service"]["path"] == "/config-validation"


def test_a_backend_with_a_mounted_certificate_serves_what_is_in_the_secret(api: MemoryApi) -> None:
    backend = entry_of("katib-controller")
    secret = "/api/v1/namespaces/kubeflow/secrets/katib-webhook-cert"
    for data in ({}, {"tls.crt": "eA==", "tls.key": "eA=="}):
        api.put(secret, {"data": data})
        backend.act(api)
        assert backend.backend() is None
    issued = Authority.new("a").issue(names=["katib-controller.kubeflow.svc"])
    pair = {"tls.crt": issued.chain, "tls.key": issued.key}
    api.put(secret, {"data": {key: base64.b64encode(value.encode()).decode() for key, value in pair.items()}})
    backend.act(api)
    assert backend.backend() is not None


def test_istiod_publishes_its_root_in_every_namespace_but_those_of_the_system(api: MemoryApi) -> None:
    for name, phase in (("kubeflow", "Active"), ("old", "Terminating"), ("kube-system", "Active")):
        api.put(f"/api/v1/namespaces/{name}", {"status": {"phase": phase}})
    authority = Authority.new("a")
    istio.publish_root(api, authority)
    istio.publish_root(api, authority)
    assert api.writes == ["create /api/v1/namespaces/kubeflow/configmaps/istio-ca-root-cert"]


def injected(metadata: Body, **spec: Any) -> list[Body]:
    pod = {"metadata": metadata, "spec": {"containers": [{"name": "a"}], **spec}}
    answer = istio.inject({"object": pod, "namespace": "kubeflow"})
    return list(json.loads(base64.b64decode(answer["patch"]))) if "patch" in answer else []


def test_pods_get_a_sidecar_unless_they_must_have_none() -> None:
    notes, containers, volumes = injected({"annotations": {"a": "b"}}, initContainers=[{"name": "i"}], volumes=[{"name": "v"}])
    assert notes["value"].keys() == {"a", istio.STATUS}
    assert [container["name"] for container in containers["value"]] == ["istio-proxy", "i"]
    assert [volume["name"] for volume in volumes["value"]] == ["v", "istiod-ca-cert"]
    assert not injected({"labels": {"sidecar.istio.io/inject": "false"}})
    assert not injected({"annotations": {"sidecar.istio.io/inject": "false"}})
    assert not injected({}, hostNetwork=True)
    assert not injected({}, initContainers=[{"name": "istio-proxy"}])


def test_objects_are_converted() -> None:
    request = {"uid": "u", "desiredAPIVersion": "g/v2", "objects": [{"apiVersion": "g/v1", "spec": {}}]}
    answer = reviews.answer({"apiVersion": "r/v1", "kind": "ConversionReview", "request": request}, reviews.convert)
    assert (answer["apiVersion"], answer["kind"]) == ("r/v1", "ConversionReview")
    assert answer["response"]["convertedObjects"] == [{"apiVersion": "g/v2", "spec": {}}]
    assert (answer["response"]["uid"], answer["response"]["result"]["status"]) == ("u", "Success")


POD = "/api/v1/namespaces/n/pods/p"


def pending(api: MemoryApi, *, owner: str = "w", **spec: Any) -> None:
    metadata = {"ownerReferences": [{"kind": "ReplicaSet", "name": f"{owner}-7f"}]}
    api.put(POD, {"metadata": metadata, "spec": {"nodeName": "node1", "containers": [], **spec}, "status": {"phase": "Pending"}})


def told(api: MemoryApi) -> dict[str, str]:
    return dict(api.objects[POD]["metadata"].get("annotations") or {})


@pytest.mark.parametrize(
    "spec",
    [
        {"volumes": [{"secret": {"secretName": "s"}}]},
        {"volumes": [{"projected": {"sources": [{"secret": {"name": "s"}}, {"configMap": {"name": "kube-root-ca.crt"}}]}}]},
        {"containers": [{"env": [{"value": "x"}, {"valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}]},
        {"initContainers": [{"envFrom": [{"secretRef": {"name": "s"}}]}]},
    ],
)
def test_a_pod_waits_for_the_secrets_it_names(spec: Body, api: MemoryApi) -> None:
    pending(api, **spec)
    kubelet = Kubelet()
    kubelet.act(api)
    assert told(api) == {}
    api.put("/api/v1/namespaces/n/secrets/s", {})
    kubelet.act(api)
    assert told(api) == {VOLUMES_ANNOTATION: "there"}
    kubelet.act(api)
    assert len(api.writes) == 1


def test_what_a_pod_may_do_without_holds_nobody(api: MemoryApi) -> None:
    optional = [{"secret": {"secretName": "s", "optional": True}}, {"configMap": {"name": "c", "optional": True}}, {"emptyDir": {}}]
    pending(api, volumes=optional)
    assert list(references(api.objects[POD])) == []
    Kubelet().act(api)
    assert api.writes == []  # kwok starts it without being told


def test_a_pod_that_is_ready_later_is_marked_so(api: MemoryApi) -> None:
    pending(api)
    Kubelet([("n", "w")]).act(api)
    assert told(api) == {VOLUMES_ANNOTATION: "there", READY_ANNOTATION: "later"}


CLAIM = "/api/v1/namespaces/n/persistentvolumeclaims/c"
VOLUMES = "/api/v1/persistentvolumes"


def test_a_claim_gets_a_volume_once_its_pod_has_a_node_and_loses_it_again(api: MemoryApi) -> None:
    storage_class = {"volumeBindingMode": "WaitForFirstConsumer", "reclaimPolicy": "Delete"}
    api.put("/apis/storage.k8s.io/v1/storageclasses/microk8s-hostpath", storage_class)
    spec = {
        "storageClassName": "microk8s-hostpath",
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
    }
    asked = {"volume.kubernetes.io/storage-provisioner": hostpath.PROVISIONER}
    api.put(CLAIM, {"metadata": {"annotations": asked, "uid": "u"}, "spec": spec})
    hostpath.act(api)
    assert api.writes == []
    api.put(
        CLAIM, {"metadata": {"annotations": {**asked, "volume.kubernetes.io/selected-node": "node1"}, "uid": "u"}, "spec": spec}
    )
    hostpath.act(api)
    hostpath.act(api)
    assert api.writes == [f"create {VOLUMES}/pvc-u"]
    volume = api.objects[f"{VOLUMES}/pvc-u"]
    assert volume["spec"]["claimRef"]["uid"] == "u"
    volume["status"] = {"phase": "Released"}
    hostpath.act(api)
    assert f"{VOLUMES}/pvc-u" not in api.objects


PROFILE = "/apis/kubeflow.org/v1/profiles/me"


def test_a_profile_gets_its_namespace_and_lets_go(api: MemoryApi) -> None:
    api.put(PROFILE, {"spec": {"owner": {"kind": "User", "name": "me@example.com"}}})
    volumes = [{"name": "namespace-labels", "configMap": {"name": "labels"}}]
    api.put(
        "/apis/apps/v1/namespaces/kubeflow/deployments/profiles-deployment", {"spec": {"template": {"spec": {"volumes": volumes}}}}
    )
    labels = 'app.kubernetes.io/part-of: "kubeflow-profile"\ngone: ""\n'
    api.put("/api/v1/namespaces/kubeflow/configmaps/labels", {"data": {"namespace-labels.yaml": labels}})
    profiles.act(api)
    namespace = api.objects["/api/v1/namespaces/me"]["metadata"]
    assert namespace["labels"] == {"app.kubernetes.io/part-of": "kubeflow-profile", "istio-injection": "enabled"}
    assert (namespace["annotations"]["owner"], namespace["ownerReferences"][0]["kind"]) == ("me@example.com", "Profile")
    assert {path.split("/")[-1] for path in api.objects if "/namespaces/me/" in path} == {
        "ns-owner-access-istio", "default-editor", "default-viewer", "namespaceAdmin"
    }  # fmt: skip
    assert api.objects[PROFILE]["metadata"]["finalizers"] == ["profile-finalizer"]
    written = len(api.writes)
    profiles.act(api)
    assert len(api.writes) == written
    api.objects[PROFILE]["metadata"]["deletionTimestamp"] = "now"
    profiles.act(api)
    assert api.objects[PROFILE]["metadata"]["finalizers"] == []


def test_a_namespace_of_somebody_else_is_left_alone(api: MemoryApi) -> None:
    api.put(PROFILE, {"spec": {"owner": {"kind": "User", "name": "me@example.com"}}})
    api.put("/api/v1/namespaces/me", {"metadata": {"annotations": {"owner": "another"}}})
    profiles.act(api)
    assert api.writes == []


def test_delays_are_those_of_the_seed() -> None:
    one = acts_after_seconds("seed", "istio-system", "istiod", 1)
    assert 1 <= one <= 5
    assert acts_after_seconds("seed", "istio-system", "istiod", 0.5) == one / 2
    assert (
        acts_after_seconds("seed", "istio-system", "istiod", 1) == one != acts_after_seconds("other", "istio-system", "istiod", 1)
    )
    assert acts_after_seconds("seed", "kubeflow", "katib-controller", 1) == 0  # its certificate is there before it starts
    assert acts_after_seconds("seed", "kubeflow", "ml-pipeline", 1) == 0
    assert ready_after_seconds("seed", "istio-system", "istiod", 1) == 0
    later = "kubeflow-trainer-controller-manager"
    assert ready_after_seconds("seed", "kubeflow-system", later, 1) == acts_after_seconds("seed", "kubeflow-system", later, 1) > 0


def test_one_failure_does_not_keep_the_others_from_their_turn() -> None:
    done = []

    def work(number: int) -> None:
        if number == 1:
            raise ApiError(409, "conflict")
        done.append(number)

    with pytest.raises(ApiError):
        each([1, 2, 3], work)
    assert done == [2, 3]
