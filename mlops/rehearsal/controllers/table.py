"""The table of stand-ins: what is played, and the workload that has to run for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mlops.rehearsal.controllers import hostpath, issuing, istio, knative, profiles, reviews
from mlops.rehearsal.controllers.cainjector import Injector
from mlops.rehearsal.controllers.client import Api
from mlops.rehearsal.controllers.delays import first_act_seconds
from mlops.rehearsal.controllers.kubelet import Kubelet
from mlops.rehearsal.controllers.reviews import Review, allow
from mlops.rehearsal.controllers.webhook_backend import Mounted, SelfMade, WebhookBackend, WebhookEntry
from mlops.rehearsal.controllers.workloads import available, pods_of, runs

_MUTATING, _VALIDATING = "mutatingwebhookconfigurations", "validatingwebhookconfigurations"


def _both(name: str) -> Sequence[tuple[str, str]]:
    return ((_MUTATING, name), (_VALIDATING, name))


def _allow(*paths: str) -> dict[str, Review]:
    return dict.fromkeys(paths, allow)


def _kubebuilder(verb: str, group: str, *resources: str) -> dict[str, Review]:
    """Paths of controller-runtime: /<verb>-<group>-<version>-<kind>."""
    return _allow(*(f"/{verb}-{group}-{resource}" for resource in resources))


CERT_MANAGER_WEBHOOK = WebhookEntry(
    "cert-manager-webhook", "cert-manager", "cert-manager-webhook", "cert-manager-webhook",
    {"/validate": reviews.validate, "/mutate": reviews.mutate},
    SelfMade("cert-manager-webhook-ca", ("tls.crt", "tls.key"), makes_secret=True),
)  # fmt: skip
WEBHOOKS = (
    CERT_MANAGER_WEBHOOK,
    WebhookEntry(
        "istiod", "istio-system", "istiod", "istiod", {"/inject": istio.inject, "/validate": allow},
        # pilot/pkg/bootstrap: one CA for sidecars and webhooks
        SelfMade(
            "istio-ca-secret", ("ca-cert.pem", "ca-key.pem"), makes_secret=True,
            configurations=((_MUTATING, "istio-sidecar-injector"), (_VALIDATING, "istio-validator-istio-system")),
            writes=istio.fail_closed, also=istio.publish_root,
        ),
    ),
    WebhookEntry(
        "knative-serving webhook", "knative-serving", "webhook", "webhook",
        _allow("/defaulting", "/resource-validation", "/config-validation"),
        SelfMade(
            "webhook-certs", ("ca-cert.pem", "ca-key.pem"), writes=knative.fill_in,
            configurations=(
                (_MUTATING, "webhook.serving.knative.dev"),
                (_VALIDATING, "validation.webhook.serving.knative.dev"),
                (_VALIDATING, "config.webhook.serving.knative.dev"),
            ),
        ),
    ),
    WebhookEntry(
        "net-istio-webhook", "knative-serving", "net-istio-webhook", "net-istio-webhook",
        _allow("/defaulting", "/config-validation"),
        SelfMade(
            "net-istio-webhook-certs", ("ca-cert.pem", "ca-key.pem"), writes=knative.fill_in,
            configurations=(
                (_MUTATING, "webhook.istio.networking.internal.knative.dev"),
                (_VALIDATING, "config.webhook.istio.networking.internal.knative.dev"),
            ),
        ),
    ),
    WebhookEntry(
        "jobset-controller-manager", "kubeflow-system", "jobset-controller-manager", "jobset-webhook-service",
        {
            **_allow("/mutate--v1-pod", "/validate--v1-pod", "/mutate-jobset-x-k8s-io-v1alpha2-jobset"),
            **_allow("/validate-jobset-x-k8s-io-v1alpha2-jobset"),
            "/convert": reviews.convert,
        },
        # main.go: readyz says "certificates are not ready" until open-policy-agent/cert-controller has made them
        SelfMade(
            "jobset-webhook-server-cert", ("ca.crt", "ca.key"), ready_after=True,
            configurations=(
                (_MUTATING, "jobset-mutating-webhook-configuration"),
                (_VALIDATING, "jobset-validating-webhook-configuration"),
            ),
        ),
    ),
    WebhookEntry(
        "kubeflow-trainer-controller-manager", "kubeflow-system", "kubeflow-trainer-controller-manager",
        "kubeflow-trainer-controller-manager",
        {
            **_kubebuilder("mutate", "trainer-kubeflow-org-v1alpha1", "trainjob"),
            **_kubebuilder("validate", "trainer-kubeflow-org-v1alpha1", "clustertrainingruntime", "trainingruntime", "trainjob"),
        },
        # cmd/trainer-controller-manager/main.go: as JobSet's
        SelfMade(
            "kubeflow-trainer-webhook-cert", ("ca.crt", "ca.key"), ready_after=True,
            configurations=((_MUTATING, "defaulter.trainer.kubeflow.org"), (_VALIDATING, "validator.trainer.kubeflow.org")),
        ),
    ),
    WebhookEntry(
        "spark-operator-webhook", "kubeflow", "spark-operator-webhook", "spark-operator-webhook-svc",
        {
            **_allow("/mutate--v1-pod"),
            **_kubebuilder("mutate", "sparkoperator-k8s-io", "v1beta2-sparkapplication", "v1beta2-scheduledsparkapplication"),
            **_kubebuilder("validate", "sparkoperator-k8s-io", "v1beta2-sparkapplication", "v1beta2-scheduledsparkapplication"),
            **_kubebuilder("mutate", "sparkoperator-k8s-io", "v1alpha1-sparkconnect"),
            **_kubebuilder("validate", "sparkoperator-k8s-io", "v1alpha1-sparkconnect"),
        },
        SelfMade(
            "spark-operator-webhook-certs", ("ca-cert.pem", "ca-key.pem"), makes_secret=True,
            configurations=_both("spark-operator-webhook"),
        ),
        port=9443,
    ),
    WebhookEntry(
        "katib-controller", "kubeflow", "katib-controller", "katib-controller",
        _allow("/mutate-experiment", "/validate-experiment", "/mutate-pod"), Mounted("katib-webhook-cert"),
    ),
    WebhookEntry(
        "poddefaults-webhook", "kubeflow", "poddefaults-webhook-deployment", "poddefaults-webhook-service",
        _allow("/apply-poddefault"), Mounted("poddefaults-webhook-certs"),
    ),
    WebhookEntry(
        "cache-server of Kubeflow Pipelines", "kubeflow", "cache-server", "cache-server",
        _allow("/mutate"), Mounted("webhook-server-tls"),
    ),
    WebhookEntry(
        "pvcviewer-controller-manager", "kubeflow", "pvcviewer-controller-manager", "pvcviewer-webhook-service",
        {
            **_kubebuilder("mutate", "kubeflow-org-v1alpha1", "pvcviewer"),
            **_kubebuilder("validate", "kubeflow-org-v1alpha1", "pvcviewer"),
            "/convert": reviews.convert,
        },
        Mounted("webhook-server-cert"),
    ),
    WebhookEntry(
        "kserve-controller-manager", "kubeflow", "kserve-controller-manager", "kserve-webhook-server-service",
        {
            **_allow("/mutate-pods"),
            **_kubebuilder("mutate", "serving-kserve-io", "v1beta1-inferenceservice"),
            **_kubebuilder(
                "validate", "serving-kserve-io", "v1alpha1-clusterservingruntime", "v1alpha1-servingruntime",
                "v1alpha1-inferencegraph", "v1alpha1-trainedmodel", "v1beta1-inferenceservice",
            ),
        },
        Mounted("kserve-webhook-server-cert"),
    ),
    WebhookEntry(
        "llmisvc-controller-manager", "kubeflow", "llmisvc-controller-manager", "llmisvc-webhook-server-service",
        {
            **_kubebuilder("validate", "serving-kserve-io", "v1alpha1-llminferenceservice", "v1alpha2-llminferenceservice"),
            "/convert": reviews.convert,
        },
        Mounted("llmisvc-webhook-server-cert"),
    ),
    WebhookEntry(
        "kserve-localmodel-controller-manager", "kubeflow", "kserve-localmodel-controller-manager",
        "localmodel-webhook-server-service",
        _kubebuilder("validate", "serving-kserve-io", "v1alpha1-localmodelcache"), Mounted("localmodel-webhook-server-cert"),
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Controller:
    """A controller that is played.

    Attributes:
        stands_in_for: the program, for people.
        act: one look at the cluster, and what follows from it; runs again whenever something that it read has changed.
        namespace: namespace of its workload.
        workload: its Deployment or StatefulSet; None for one that always runs.
        delayed: whether its first act comes some seconds after its pods are Ready (:func:`first_act_seconds`).
        once_running: whether it acts already when its pods run without being Ready.
    """

    stands_in_for: str
    act: Callable[[Api], None]
    namespace: str = ""
    workload: str | None = None
    delayed: bool = True
    once_running: bool = False

    def runs(self, api: Api) -> bool:
        """Whether the program would run by now."""
        if self.workload is None:
            return True
        if self.once_running:
            return any(map(runs, pods_of(api, self.namespace, self.workload)))
        return available(api, self.namespace, self.workload)

    def delay_seconds(self, seed: str, scale: float) -> float:
        """Time between the program running and its first act."""
        if self.workload is None or not self.delayed:
            return 0.0
        return first_act_seconds(seed, self.namespace, self.workload, scale)


def webhooks() -> tuple[WebhookBackend, ...]:
    """All webhook backends that are played."""
    return tuple(map(WebhookBackend, WEBHOOKS))


def controllers(backends: Sequence[WebhookBackend]) -> tuple[Controller, ...]:
    """All controllers that are played, what makes each webhook's certificate included."""
    later = [b.entry for b in backends if isinstance(b.entry.certificate, SelfMade) and b.entry.certificate.ready_after]
    return (
        Controller("kubelet", Kubelet([(entry.namespace, entry.workload) for entry in later]).act),
        Controller("hostpath-provisioner", hostpath.act, "kube-system", "hostpath-provisioner", delayed=False),
        *map(_of_backend, backends),
        Controller("cert-manager-cainjector", Injector().act, "cert-manager", "cert-manager-cainjector"),
        Controller("cert-manager-controller", issuing.act, "cert-manager", "cert-manager"),
        Controller("profiles controller", profiles.act, profiles.NAMESPACE, profiles.DEPLOYMENT),
    )


def acts_after_seconds(seed: str, namespace: str, workload: str, scale: float) -> float:
    """Time between a workload being Ready and its first act on the throw-away site; 0 when nothing of it is delayed.

    Of a workload that is Ready only with a certificate of its own it is the time between its pods running and being Ready.

    Args:
        seed: seed of the site.
        namespace: namespace of the workload.
        workload: its name.
        scale: factor on the delays.
    """
    entries = _played_for(namespace, workload)
    return max((entry.delay_seconds(seed, scale) for entry in entries), default=0.0)


def ready_after_seconds(seed: str, namespace: str, workload: str, scale: float) -> float:
    """Time between a workload's pods running and being Ready: 0 but for those that need a certificate of their own.

    Args:
        seed: seed of the site.
        namespace: namespace of the workload.
        workload: its name.
        scale: factor on the delays.
    """
    entries = _played_for(namespace, workload)
    return max((entry.delay_seconds(seed, scale) for entry in entries if entry.once_running), default=0.0)


def _played_for(namespace: str, workload: str) -> list[Controller]:
    return [entry for entry in controllers(webhooks()) if (entry.namespace, entry.workload) == (namespace, workload)]


def _of_backend(backend: WebhookBackend) -> Controller:
    entry, source = backend.entry, backend.entry.certificate
    own = isinstance(source, SelfMade)
    later = isinstance(source, SelfMade) and source.ready_after
    return Controller(entry.stands_in_for, backend.act, entry.namespace, entry.workload, delayed=own, once_running=later)
