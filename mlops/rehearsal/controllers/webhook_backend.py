"""Webhook backends: their CA, their serving certificate, and when they are able to answer."""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field

from mlops.rehearsal.controllers.client import Api, Body
from mlops.rehearsal.controllers.responder import Backend
from mlops.rehearsal.controllers.reviews import Review
from mlops.rehearsal.controllers.signing import Authority, UnusableAuthorityError

# Without it cert-manager's cainjector refuses to take a CA from a Secret.
ALLOW_INJECTION = "cert-manager.io/allow-direct-injection"


@dataclass(frozen=True, slots=True)
class WebhookEntry:
    """A webhook backend that is played.

    Attributes:
        stands_in_for: the program, for people.
        namespace: its namespace.
        service: its Service.
        authority_secret: Secret in which it keeps its own CA.
        reviews: answer by path.
    """

    stands_in_for: str
    namespace: str
    service: str
    authority_secret: str
    reviews: Mapping[str, Review]

    @property
    def names(self) -> tuple[str, ...]:
        """Names in its serving certificate."""
        return (self.service, f"{self.service}.{self.namespace}", f"{self.service}.{self.namespace}.svc")


@dataclass
class WebhookBackend:
    """Plays one entry: makes the CA when its pods run, answers while one of them is Ready.

    Attributes:
        entry: what it plays.
    """

    entry: WebhookEntry
    _secret: str = field(default="", init=False)
    _context: ssl.SSLContext | None = field(default=None, init=False)

    def act(self, api: Api) -> None:
        """Make the CA if there is none, and a serving certificate of it; once per CA."""
        secret = self._read_or_make(api)
        identity = f"{secret['metadata']['uid']}/{secret['metadata']['resourceVersion']}"
        if identity == self._secret:
            return
        try:
            authority = Authority.from_secret(secret)
        except UnusableAuthorityError:
            self._context = None  # as the real one, which then has no certificate to serve
            return
        self._context = _context(authority, self.entry.names)
        self._secret = identity

    def address(self, api: Api) -> str | None:
        """ClusterIP of its Service, None while there is none."""
        service = api.get(f"/api/v1/namespaces/{self.entry.namespace}/services/{self.entry.service}")
        return str(service["spec"].get("clusterIP")) if service else None

    def backend(self, api: Api) -> Backend | None:
        """What answers, None while no pod behind the Service is Ready or there is no certificate."""
        if self._context is None or not _any_ready(api, self.entry.namespace, self.entry.service):
            return None
        return Backend(self.entry.stands_in_for, self._context, self.entry.reviews)

    def _read_or_make(self, api: Api) -> Body:
        collection = f"/api/v1/namespaces/{self.entry.namespace}/secrets"
        found = api.get(f"{collection}/{self.entry.authority_secret}")
        if found is not None:
            return found
        authority = Authority.new(f"{self.entry.service}-ca")
        metadata = {"name": self.entry.authority_secret, "annotations": {ALLOW_INJECTION: "true"}}
        data = {"tls.crt": authority.certificates, "tls.key": authority.key, "ca.crt": authority.root}
        return api.create(collection, {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data})


def _any_ready(api: Api, namespace: str, service: str) -> bool:
    path = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
    slices = api.items(f"{path}?labelSelector=kubernetes.io/service-name={service}")
    return any((point.get("conditions") or {}).get("ready") for item in slices for point in item.get("endpoints") or ())


def _context(authority: Authority, names: tuple[str, ...]) -> ssl.SSLContext:
    issued = authority.issue(names=names)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    with tempfile.NamedTemporaryFile() as pair:  # the ssl module takes certificates from files only; mode 0600
        pair.write(f"{issued.chain}{issued.key}".encode())
        pair.flush()
        context.load_cert_chain(pair.name)
    return context
