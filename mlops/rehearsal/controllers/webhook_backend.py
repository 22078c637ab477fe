"""Webhook backends: their certificate, what they write into their configurations, and when they are able to answer."""

from __future__ import annotations

import base64
import ssl
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from mlops.rehearsal.controllers.client import Api, Body, each
from mlops.rehearsal.controllers.responder import Backend
from mlops.rehearsal.controllers.reviews import Review
from mlops.rehearsal.controllers.signing import Authority, UnusableAuthorityError
from mlops.rehearsal.controllers.workloads import address, pods_of, runs
from mlops.rehearsal.site.kwok import READY_ANNOTATION

# Without it cert-manager's cainjector refuses to take a CA from a Secret.
ALLOW_INJECTION = "cert-manager.io/allow-direct-injection"
_CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1"


def _nothing_more(_: Body) -> Body:
    return {}


@dataclass(frozen=True, slots=True)
class Mounted:
    """The certificate is in a Secret that the pods mount: somebody else makes it.

    Attributes:
        secret: name of the Secret, with tls.crt and tls.key.
    """

    secret: str


@dataclass(frozen=True, slots=True)
class SelfMade:
    """The backend makes its own CA, and a certificate of it in memory.

    Attributes:
        secret: Secret in which it keeps the CA.
        keys: names in the Secret of the CA's certificate and key.
        makes_secret: whether it makes the Secret; else it waits for it.
        configurations: configurations (plural, name) into which it writes its CA; empty when somebody else does.
        writes: what else it changes in a webhook there.
        ready_after: whether its pods are Ready only with a certificate.
        also: what else it does, with its CA.
    """

    secret: str
    keys: tuple[str, str]
    makes_secret: bool = False
    configurations: Sequence[tuple[str, str]] = ()
    writes: Callable[[Body], Body] = _nothing_more
    ready_after: bool = False
    also: Callable[[Api, Authority], None] | None = None


@dataclass(frozen=True, slots=True)
class WebhookEntry:
    """A webhook backend that is played.

    Attributes:
        stands_in_for: the program, for people.
        namespace: its namespace.
        workload: its Deployment.
        service: its Service.
        reviews: answer by path.
        certificate: where its certificate comes from.
        port: port of the Service.
    """

    stands_in_for: str
    namespace: str
    workload: str
    service: str
    reviews: Mapping[str, Review]
    certificate: Mounted | SelfMade
    port: int = 443

    @property
    def names(self) -> tuple[str, ...]:
        """Names in a certificate that it makes itself."""
        return (self.service, f"{self.service}.{self.namespace}", f"{self.service}.{self.namespace}.svc")


@dataclass
class WebhookBackend:
    """Plays one entry: comes by its certificate when its pods run, answers while one of them is Ready.

    Attributes:
        entry: what it plays.
    """

    entry: WebhookEntry
    _secret: str = field(default="", init=False)
    _context: ssl.SSLContext | None = field(default=None, init=False)
    _authority: Authority | None = field(default=None, init=False)

    def act(self, api: Api) -> None:
        """Come by the certificate, once per content of the Secret; write what follows from it."""
        secrets = f"/api/v1/namespaces/{self.entry.namespace}/secrets"
        source = self.entry.certificate
        if isinstance(source, Mounted):
            self._use(api.get(f"{secrets}/{source.secret}"), _from_pair)
            return
        self._use(self._read_or_make(api, secrets, source), partial(self._from_authority, source))
        if self._authority is not None:
            self._write(api, source, self._authority)

    def address(self, api: Api) -> str | None:
        """ClusterIP of its Service, None while no Ready pod is behind the port."""
        return address(api, self.entry.namespace, self.entry.service, self.entry.port)

    def backend(self) -> Backend | None:
        """What answers, None while there is no certificate."""
        return Backend(self.entry.stands_in_for, self._context, self.entry.reviews) if self._context else None

    def _use(self, secret: Body | None, make: Callable[[Mapping[str, str]], ssl.SSLContext | None]) -> None:
        data = (secret or {}).get("data") or {}
        identity = repr(sorted(data.items()))
        if identity != self._secret:
            self._context = make(data)  # as the real one, without a usable pair there is no certificate to serve
            self._secret = identity

    def _from_authority(self, source: SelfMade, data: Mapping[str, str]) -> ssl.SSLContext | None:
        try:
            pair = {name: data[key] for name, key in zip(("tls.crt", "tls.key"), source.keys, strict=True)}
            self._authority = Authority.from_secret({"data": pair})
        except (KeyError, UnusableAuthorityError):
            self._authority = None
            return None
        issued = self._authority.issue(names=self.entry.names)
        return _context(f"{issued.chain}{issued.key}".encode())

    def _read_or_make(self, api: Api, secrets: str, source: SelfMade) -> Body | None:
        found = api.get(f"{secrets}/{source.secret}")
        if (found is None and not source.makes_secret) or (found is not None and source.keys[0] in (found.get("data") or {})):
            return found
        authority = Authority.new(f"{self.entry.service}-ca")
        data = {source.keys[0]: authority.certificates, source.keys[1]: authority.key, "ca.crt": authority.root}
        if found is not None:
            return api.merge(f"{secrets}/{source.secret}", {"stringData": data})
        metadata = {"name": source.secret, "annotations": {ALLOW_INJECTION: "true"}}
        return api.create(secrets, {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data})

    def _write(self, api: Api, source: SelfMade, authority: Authority) -> None:
        if source.ready_after:
            each(pods_of(api, self.entry.namespace, self.entry.workload), partial(_let_be_ready, api))
        bundle = base64.b64encode(authority.root.encode()).decode()
        paths = [f"{_CONFIGURATIONS}/{plural}/{name}" for plural, name in source.configurations]
        each(paths, partial(_inject, api, source.writes, bundle))
        if source.also is not None:
            source.also(api, authority)


def _inject(api: Api, writes: Callable[[Body], Body], bundle: str, path: str) -> None:
    configuration = api.get(path)
    changes = []
    for webhook in (configuration or {}).get("webhooks") or ():
        more = writes(webhook)
        wanted = {**more, "clientConfig": {**(more.get("clientConfig") or {}), "caBundle": bundle}}
        if not _within(wanted, webhook):
            changes.append({"name": webhook["name"], **wanted})
    if configuration is not None and changes and not configuration["metadata"].get("deletionTimestamp"):
        api.merge_by_name(path, {"webhooks": changes})


def _within(wanted: object, there: object) -> bool:
    if isinstance(wanted, dict) and isinstance(there, dict):
        return all(_within(value, there.get(key)) for key, value in wanted.items())
    return wanted == there


def _let_be_ready(api: Api, pod: Body) -> None:
    annotations = pod["metadata"].get("annotations") or {}
    if runs(pod) and annotations.get(READY_ANNOTATION) == "later":
        path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"
        api.merge(path, {"metadata": {"annotations": {READY_ANNOTATION: "now"}}})


def _from_pair(data: Mapping[str, str]) -> ssl.SSLContext | None:
    try:
        return _context(base64.b64decode(data["tls.crt"]) + b"\n" + base64.b64decode(data["tls.key"]))
    except (KeyError, ValueError, ssl.SSLError):
        return None


def _context(pair: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    with tempfile.NamedTemporaryFile() as file:  # the ssl module takes certificates from files only; mode 0600
        file.write(pair)
        file.flush()
        context.load_cert_chain(file.name)
    return context
