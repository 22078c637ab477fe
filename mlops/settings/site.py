"""The whole site, and everything that follows from its settings: computed here, once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from urllib.parse import urlsplit

from pydantic import Field

from mlops.errors import Problem, UserError
from mlops.settings.cluster import Cluster, ExistingCluster
from mlops.settings.data import Data
from mlops.settings.deadlines import Deadlines
from mlops.settings.hosts import Hosts
from mlops.settings.kubeconfig import server_of
from mlops.settings.kubeflow import Kubeflow
from mlops.settings.network import Network
from mlops.settings.proxy import Proxy
from mlops.settings.registries import Registry
from mlops.settings.secret import MASK, MissingSecret, Secret, SecretState
from mlops.settings.section import RefusedError, Section
from mlops.settings.sources import Sources
from mlops.settings.trust import Trust
from mlops.settings.types import Fqdn, SiteName

CLUSTER_DOMAIN = "cluster.local"
# MicroK8s' API server listens here instead of 6443.
KUBERNETES_PORT = 16443


class Site(Section):
    """One site."""

    name: SiteName = Field(description="Short name of the site; appears in resource names and certificates.")
    domain: Fqdn = Field(description="Domain of the platform; its services are names below it, all at network.gatewayAddress.")
    hosts: Hosts | None = Field(default=None, description="The machines; left out for an existing cluster.")
    cluster: Cluster = Field(description="The Kubernetes cluster: microk8s or existing.")
    network: Network = Field(description="Address plan.")
    proxy: Proxy | None = Field(default=None, description="Proxy towards the internet; left out when there is none.")
    registries: tuple[Registry, ...] = Field(
        default=(), description="Container registries with mirrors or a login; the public ones as they are when left out."
    )
    trust: Trust = Field(description="Who signs the platform's certificates, and which other roots are trusted.")
    sources: Sources = Field(
        default_factory=Sources, description="Where upstream files come from; the public origin when left out."
    )
    kubeflow: Kubeflow | None = Field(default=None, description="Kubeflow; not installed when left out.")
    data: Data = Field(default_factory=Data, description="What becomes of users' data when the platform is removed.")
    deadlines: Deadlines = Field(default_factory=Deadlines, description="How long to wait for the cluster before a run fails.")

    @cached_property
    def no_proxy(self) -> tuple[str, ...]:
        """Everything that is reached without a proxy, each entry once, in a stable order.

        Networks stand there for programs that read CIDR entries, single addresses and names for those that do not
        (MicroK8s documentation, "Installing behind a proxy").
        """
        network = self.network
        nodes = self.hosts.nodes if self.hosts else ()
        entries = [
            "127.0.0.1",
            "localhost",
            str(network.pod_cidr),
            str(network.service_cidr),
            str(network.kubernetes_service),
            *([str(network.node_subnet)] if network.node_subnet else []),
            *(entry for node in nodes for entry in (node.name, str(node.address))),
            *map(str, network.load_balancer_range.networks),
            str(network.gateway_address),
            ".svc",
            f".{CLUSTER_DOMAIN}",
            self.domain,
            f".{self.domain}",
            *(urlsplit(url).hostname or "" for url in self.sources.mirrors),
            *(urlsplit(mirror.url).hostname or "" for registry in self.registries for mirror in registry.mirrors),
            *(self.proxy.no_proxy if self.proxy else ()),
        ]
        return tuple(dict.fromkeys(entries))

    def proxy_environment(self) -> dict[str, Secret]:
        """The proxy variables in both spellings, e.g. for /etc/environment; empty without a proxy.

        All values are secrets because the URLs may hold the proxy's password.

        Raises:
            UserError: the proxy's password is sealed or missing.
        """
        if self.proxy is None:
            return {}
        variables = {
            "HTTP_PROXY": self.proxy.url_with_credentials(self.proxy.http),
            "HTTPS_PROXY": self.proxy.url_with_credentials(self.proxy.https_url),
            "NO_PROXY": Secret(SecretState.GIVEN, ",".join(self.no_proxy)),
        }
        return variables | {name.lower(): value for name, value in variables.items()}

    def endpoint_names(self) -> dict[str, str]:
        """Names that the gateway serves: endpoint -> DNS name. A layer that adds a service adds its name here."""
        return {"gateway": self.domain}

    def url(self, endpoint: str) -> str:
        """URL of an endpoint: ``kubernetes`` for the API server, else one of :meth:`endpoint_names`.

        Raises:
            KeyError: there is no such endpoint.
            UserError: the API server of an existing cluster is asked for and its kubeconfig cannot be read.
        """
        if endpoint != "kubernetes":
            return f"https://{self.endpoint_names()[endpoint]}"
        if isinstance(self.cluster, ExistingCluster):
            try:
                return server_of(self.cluster.kubeconfig.reveal(), self.cluster.context)
            except RefusedError as refused:
                raise UserError(
                    "The cluster's kubeconfig cannot be used.", [Problem("cluster.kubeconfig", MASK, refused.allowed)]
                ) from None
        if self.hosts is None:  # a parsed site has hosts here; only one put together by hand has none
            raise KeyError(endpoint)
        return f"https://{self.hosts.first.address}:{KUBERNETES_PORT}"

    def remarks(self) -> tuple[str, ...]:
        """What is allowed and still worth a word, e.g. while a dead host is replaced."""
        if self.hosts is None or len(self.hosts.control_planes) % 2:
            return ()
        lost = ", ".join(node.name for node in self.hosts.lost if node.is_control_plane)
        count = len(self.hosts.control_planes)
        advice = "give the role to one more host, or take it from one"
        return (
            f"hosts.nodes: {count} living control planes while {lost} is lost survive no more than {count - 1} would: {advice}",
        )

    def secrets(self) -> Iterator[Secret]:
        """All secret settings, those that are not set included."""
        return _secrets(self)

    def missing_secrets(self) -> tuple[MissingSecret, ...]:
        """Secrets that the site needs and does not have, each with the command line that sets it."""
        return tuple(MissingSecret(s.path, s.command) for s in self.secrets() if s.state is SecretState.MISSING)


def _secrets(value: object) -> Iterator[Secret]:
    if isinstance(value, Secret):
        yield value
    elif isinstance(value, Section):
        for name in type(value).model_fields:
            yield from _secrets(getattr(value, name))
    elif isinstance(value, tuple):
        for item in value:
            yield from _secrets(item)
