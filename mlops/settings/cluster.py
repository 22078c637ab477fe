"""The Kubernetes cluster: MicroK8s on the site's own hosts, or one that stands already."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from mlops.settings.kubernetes import ArgumentName, ArgumentValue, Claim, ClaimPrefix
from mlops.settings.secret import FromFile, Secret
from mlops.settings.section import Section, kind_of_value
from mlops.settings.types import CertificateChainPem, Epoch, Folder, SnapChannel, Text
from mlops.settings.urls import HttpsUrl


class Authentication(Section):
    """Users of the API server from an OpenID Connect issuer (AuthenticationConfiguration of Kubernetes)."""

    issuer_url: HttpsUrl = Field(description="The issuer, as its tokens name it; https.")
    audiences: tuple[Text, ...] = Field(min_length=1, description="Client IDs of which a token must name one.")
    username_claim: Claim = Field(default="email", description="Claim that holds the user's name.")
    username_prefix: ClaimPrefix = Field(default="oidc:", description="Put before the user's name, so that it is nobody else's.")
    groups_claim: Claim = Field(default="groups", description="Claim that holds the user's groups.")
    groups_prefix: ClaimPrefix = Field(default="oidc:", description="Put before each group's name, so that it is no other's.")
    certificate_authority: CertificateChainPem | None = Field(
        default=None,
        description="Certificates that the issuer's is checked against, PEM; those that the site trusts when left out.",
    )


class Audit(Section):
    """The API server's record of requests, on each control plane's disk."""

    level: Literal["Metadata", "None", "Request"] = Field(
        default="Metadata",
        description="What is written of a request: Metadata who did what, Request its body too (never of secrets), None nothing.",
    )
    max_age_days: Annotated[int, Field(strict=True, ge=1, le=3650)] = Field(default=30, description="Days after which a file goes.")
    max_backups: Annotated[int, Field(strict=True, ge=1, le=1000)] = Field(
        default=10, description="Files kept beside the present one."
    )
    max_size_megabytes: Annotated[int, Field(strict=True, ge=1, le=10000)] = Field(
        default=100, description="Size in megabytes at which a new file begins."
    )


class SecretsEncryption(Section):
    """Encryption of Secrets in the cluster's database."""

    epoch: Epoch = Field(
        default=1, description="Number of the present key, from 1; one more makes a new key and reads with the old one still."
    )


class Arguments(Section):
    """Further arguments of Kubernetes' programs, name -> value."""

    api_server: Mapping[ArgumentName, ArgumentValue] = Field(default={}, description="Of kube-apiserver.")
    kubelet: Mapping[ArgumentName, ArgumentValue] = Field(default={}, description="Of the kubelet.")
    kube_proxy: Mapping[ArgumentName, ArgumentValue] = Field(default={}, description="Of kube-proxy.")
    controller_manager: Mapping[ArgumentName, ArgumentValue] = Field(default={}, description="Of kube-controller-manager.")
    scheduler: Mapping[ArgumentName, ArgumentValue] = Field(default={}, description="Of kube-scheduler.")


_NONE = ""
PLATFORM_ARGUMENTS: Mapping[str, Mapping[str, str]] = {
    "apiServer": {
        "--audit-*": "cluster.audit",
        "--authentication-config": "cluster.authentication",
        "--oidc-*": "cluster.authentication",
        "--encryption-provider-*": "cluster.secretsEncryption",
        "--service-cluster-ip-range": "network.serviceCidr",
        "--admission-control-config-file": _NONE,
        "--advertise-address": _NONE,
        "--authorization-*": _NONE,
        "--bind-address": _NONE,
        "--cert-dir": _NONE,
        "--client-ca-file": _NONE,
        "--etcd-*": _NONE,
        "--kubelet-*": _NONE,
        "--proxy-client-*": _NONE,
        "--requestheader-*": _NONE,
        "--secure-port": _NONE,
        "--service-account-*": _NONE,
        "--tls-cert-file": _NONE,
        "--tls-private-key-file": _NONE,
    },
    "kubelet": {
        "--node-labels": "hosts.nodes[].labels",
        "--register-with-taints": "hosts.nodes[].taints",
        "--node-ip": "hosts.nodes[].address",
        "--hostname-override": "hosts.nodes[].name",
        "--cluster-dns": "network.serviceCidr",
        "--cluster-domain": _NONE,
        "--anonymous-auth": _NONE,
        "--authentication-token-webhook": _NONE,
        "--authorization-mode": _NONE,
        "--cert-dir": _NONE,
        "--client-ca-file": _NONE,
        "--container-runtime-endpoint": _NONE,
        "--containerd": _NONE,
        "--kubeconfig": _NONE,
        "--read-only-port": _NONE,
        "--root-dir": _NONE,
    },
    "kubeProxy": {
        "--proxy-mode": "cluster.kubeProxyMode",
        "--cluster-cidr": "network.podCidr",
        "--hostname-override": "hosts.nodes[].name",
        "--kubeconfig": _NONE,
        "--metrics-bind-address": _NONE,
    },
    "controllerManager": {
        "--service-cluster-ip-range": "network.serviceCidr",
        "--cluster-cidr": "network.podCidr",
        "--bind-address": _NONE,
        "--cluster-signing-*": _NONE,
        "--kubeconfig": _NONE,
        "--root-ca-file": _NONE,
        "--service-account-private-key-file": _NONE,
        "--use-service-account-credentials": _NONE,
    },
    "scheduler": {"--bind-address": _NONE, "--kubeconfig": _NONE},
}
"""Program -> pattern of arguments that the platform or MicroK8s sets itself -> the setting that they follow from, if there is one.

Those of MicroK8s are its defaults (canonical/microk8s, microk8s-resources/default-args) without which its parts do not find
one another, and what a join rewrites.
"""


def set_by_platform(program: str, argument: str) -> str | None:
    """The setting that an argument of a program (``apiServer``, ``kubelet``, ...) follows from.

    Empty when it follows from none and is set all the same, None when it is free.
    """
    return next((setting for pattern, setting in PLATFORM_ARGUMENTS[program].items() if fnmatchcase(argument, pattern)), None)


class Offline(Section):
    """Folders on the machine that deploys, from which hosts without the snap store are served."""

    snaps: Folder = Field(description="Folder with the .snap and .assert files of core22, snapd and microk8s.")
    images: Folder | None = Field(
        default=None, description="Folder with container images as OCI archives (.tar); left out when a registry has them."
    )


class MicroK8sCluster(Section):
    """A MicroK8s cluster made from the hosts."""

    kind: Literal["microk8s"] = Field(description="MicroK8s, installed on the hosts.")
    channel: SnapChannel = Field(description="Snap channel of MicroK8s, e.g. 1.35/stable; fixes the Kubernetes minor version.")
    kube_proxy_mode: Literal["auto", "iptables", "nftables"] = Field(
        default="auto", description="How kube-proxy directs traffic; auto takes nftables where a kernel has no ip_tables."
    )
    authentication: Authentication | None = Field(
        default=None, description="OpenID Connect at the API server; certificates and service accounts only when left out."
    )
    audit: Audit = Field(default_factory=Audit, description="What the API server writes down of requests.")
    secrets_encryption: SecretsEncryption = Field(
        default_factory=SecretsEncryption, description="Key with which Secrets are encrypted in the cluster's database."
    )
    arguments: Arguments = Field(default_factory=Arguments, description="Further arguments of Kubernetes' programs.")
    offline: Offline | None = Field(default=None, description="Snaps and images from folders; from the snap store when left out.")


class ExistingCluster(Section):
    """A cluster that others run; the platform is installed into it and no host is touched."""

    kind: Literal["existing"] = Field(description="A cluster that stands already.")
    kubeconfig: Annotated[Secret, FromFile("kubeconfig-file")] = Field(
        default_factory=Secret.missing, description="Kubeconfig of a cluster administrator, self-contained (secret)."
    )
    context: Text | None = Field(default=None, description="Context of the kubeconfig; its current context when left out.")


Cluster = Annotated[
    Annotated[MicroK8sCluster, Tag("microk8s")] | Annotated[ExistingCluster, Tag("existing")], Discriminator(kind_of_value)
]
