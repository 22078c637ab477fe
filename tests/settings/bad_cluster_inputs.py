"""Mistakes in the settings of cluster and registries: what is changed, where it is told, and parts of the text, in order."""

from __future__ import annotations

from mlops.settings import Secret, SecretState
from tests.settings.site_examples import EXISTING, ROOT, sign

KEY = Secret(SecretState.SEALED)
OIDC: dict[str, object] = {"cluster.authentication": {"issuerUrl": "https://login.example", "audiences": ["kubernetes"]}}
MIRRORED: dict[str, object] = {"host": "docker.io", "mirrors": [{"url": "https://mirror.test.example"}]}
OLD = sign("old", years=(2020, 2025))

BAD_CLUSTERS: dict[str, tuple[dict[str, object], str, tuple[str, ...]]] = {
    # cluster
    "kube-proxy mode": ({"cluster.kubeProxyMode": "ipvs"}, "cluster.kubeProxyMode", ('"ipvs"', "one of auto, iptables, nftables")),
    "issuer without TLS": (
        {**OIDC, "cluster.authentication.issuerUrl": "http://login.example"},
        "cluster.authentication.issuerUrl",
        ("http://login.example", "an https:// URL"),
    ),
    "issuer with a query": (
        {**OIDC, "cluster.authentication.issuerUrl": "https://login.example/?a=b"},
        "cluster.authentication.issuerUrl",
        ("without ? and #",),
    ),
    "authentication without audiences": (
        {**OIDC, "cluster.authentication.audiences": []},
        "cluster.authentication.audiences",
        ("an empty list", "at least one item"),
    ),
    "authentication as another program names it": (
        {**OIDC, "cluster.authentication.clientId": "x"},
        "cluster.authentication.clientId",
        ("unknown key `clientId`", "issuerUrl, audiences"),
    ),
    "users without a prefix": (
        {**OIDC, "cluster.authentication.usernamePrefix": ""},
        "cluster.authentication.usernamePrefix",
        ('""', "not empty, e.g. oidc:"),
    ),
    "groups with Kubernetes' own prefix": (
        {**OIDC, "cluster.authentication.groupsPrefix": "system:"},
        "cluster.authentication.groupsPrefix",
        ("a prefix of one's own", "cluster administrators among them"),
    ),
    "claim with a space": (
        {**OIDC, "cluster.authentication.usernameClaim": "e mail"},
        "cluster.authentication.usernameClaim",
        ("name of a claim",),
    ),
    "issuer's authority is a leaf": (
        {**OIDC, "cluster.authentication.certificateAuthority": sign("leaf", ROOT, ca=False).pem},
        "cluster.authentication.certificateAuthority",
        ("CN=leaf, which is no certificate authority",),
    ),
    "audit kept for no time": ({"cluster.audit": {"maxAgeDays": 0}}, "cluster.audit.maxAgeDays", ("0", "at least 1, at most 3650")),
    "audit size with a unit": (
        {"cluster.audit": {"maxSizeMegabytes": "100M"}},
        "cluster.audit.maxSizeMegabytes",
        ('"100M"', "a whole number"),
    ),
    "epoch of the encryption": (
        {"cluster.secretsEncryption": {"epoch": 0}},
        "cluster.secretsEncryption.epoch",
        ("0", "a whole number, at least 1"),
    ),
    "arguments as a list": (
        {"cluster.arguments": {"kubelet": ["--max-pods=250"]}},
        "cluster.arguments.kubelet",
        ("a list of 1", "a mapping; each key: an argument"),
    ),
    "argument without dashes": (
        {"cluster.arguments": {"kubelet": {"max-pods": "250"}}},
        "cluster.arguments.kubelet.max-pods",
        ('"max-pods"', "an argument of the program", "write --max-pods"),
    ),
    "argument with its value": (
        {"cluster.arguments": {"kubelet": {"--max-pods=250": ""}}},
        "cluster.arguments.kubelet.--max-pods=250",
        ("`--max-pods: VALUE`",),
    ),
    "argument's value is a number": (
        {"cluster.arguments": {"kubelet": {"--max-pods": 250}}},
        "cluster.arguments.kubelet.--max-pods",
        ("250", "put it in quotes: '250'"),
    ),
    "argument's value with a space": (
        {"cluster.arguments": {"kubelet": {"--kube-reserved": "cpu=1, memory=1Gi"}}},
        "cluster.arguments.kubelet.--kube-reserved",
        ("text without spaces and quotes",),
    ),
    "argument that a setting stands behind": (
        {"cluster.arguments": {"apiServer": {"--oidc-issuer-url": "https://login.example"}}},
        "cluster.arguments.apiServer.--oidc-issuer-url",
        ("--oidc-issuer-url", "does not set itself", "set cluster.authentication"),
    ),
    "argument of MicroK8s": (
        {"cluster.arguments": {"controllerManager": {"--cluster-signing-key-file": "/x"}}},
        "cluster.arguments.controllerManager.--cluster-signing-key-file",
        ("does not set itself", "take it out"),
    ),
    "arguments of an unknown program": (
        {"cluster.arguments": {"etcd": {}}},
        "cluster.arguments.etcd",
        ("unknown key `etcd`", "apiServer, kubelet, kubeProxy, controllerManager, scheduler"),
    ),
    "offline folder by a relative path": (
        {"cluster.offline": {"snaps": "snaps"}},
        "cluster.offline.snaps",
        ('"snaps"', "the full path of a folder", "from / on"),
    ),
    "offline folder in the home folder": ({"cluster.offline": {"snaps": "~/snaps"}}, "cluster.offline.snaps", ("from / on",)),
    "offline without snaps": (
        {"cluster.offline": {"images": "/srv/i"}},
        "cluster.offline.snaps",
        ("nothing", "core22, snapd and microk8s"),
    ),
    # registries
    "registries as a mapping": (
        {"registries": {"docker.io": {}}},
        "registries",
        ("a mapping with the keys docker.io", "a list; each item"),
    ),
    "registry by its URL": (
        {"registries": [{**MIRRORED, "host": "https://quay.io"}]},
        "registries[0].host",
        ("leave the scheme out",),
    ),
    "registry with a path": ({"registries": [{**MIRRORED, "host": "quay.io/x"}]}, "registries[0].host", ("path out: quay.io",)),
    "registry by another name": (
        {"registries": [{**MIRRORED, "host": "registry-1.docker.io"}]},
        "registries[0].host",
        ("write docker.io",),
    ),
    "registry of one label": (
        {"registries": [{**MIRRORED, "host": "docker"}]},
        "registries[0].host",
        ('"docker"', "e.g. docker.io"),
    ),
    "registry at no port": ({"registries": [{**MIRRORED, "host": "r.example:99999"}]}, "registries[0].host", ("e.g. docker.io",)),
    "registry twice": (
        {"registries": [MIRRORED, MIRRORED]},
        "registries[1].host",
        ("each registry once", "together in registries[0]"),
    ),
    "registry with nothing": (
        {"registries": [{"host": "quay.io"}]},
        "registries[0]",
        ("neither mirrors nor a login", "username with password"),
    ),
    "registry's password without its user": (
        {"registries": [{**MIRRORED, "password": KEY}]},
        "registries[0].password",
        ("a password without a user", "add `username:`"),
    ),
    "mirror of a registry twice": (
        {"registries": [{"host": "quay.io", "mirrors": [{"url": "https://m.example"}] * 2}]},
        "registries[0].mirrors[1].url",
        ("each mirror once",),
    ),
    "mirror of a registry without scheme": (
        {"registries": [{"host": "quay.io", "mirrors": [{"url": "m.example"}]}]},
        "registries[0].mirrors[0].url",
        ("http:// or https://",),
    ),
    "mirror of a registry as text": (
        {"registries": [{"host": "quay.io", "mirrors": ["https://m.example"]}]},
        "registries[0].mirrors[0]",
        ("https://m.example", "a mapping with the keys url, overridePath"),
    ),
    "mirror's authority without TLS": (
        {"registries": [{"host": "quay.io", "mirrors": [{"url": "http://m.example", "certificateAuthority": ROOT.pem}]}]},
        "registries[0].mirrors[0].url",
        ("an https:// URL",),
    ),
    "mirror's authority has expired": (
        {"registries": [{"host": "q.io", "mirrors": [{"url": "https://m.example", "certificateAuthority": OLD.pem}]}]},
        "registries[0].mirrors[0].certificateAuthority",
        ("expired on 2025-01-01",),
    ),
    "overridePath in words": (
        {"registries": [{"host": "quay.io", "mirrors": [{"url": "https://m.example", "overridePath": "yes"}]}]},
        "registries[0].mirrors[0].overridePath",
        ("true or false",),
    ),
    "registries beside an existing cluster": (
        {**EXISTING, "registries": [MIRRORED]},
        "registries",
        ("registries beside an existing cluster", "set up by others"),
    ),
    "cluster of unknown kind": (
        {"cluster.kind": "micro-k8s"},
        "cluster.kind",
        ('"micro-k8s"', "microk8s or existing", "`microk8s`?"),
    ),
    "cluster without a kind": ({"cluster.kind": ...}, "cluster.kind", ("nothing", "microk8s or existing", "add `kind:`")),
    "channel left out": ({"cluster.channel": ...}, "cluster.channel", ("nothing", "Snap channel", "add `channel:`")),
    "channel is a number": (
        {"cluster.channel": 1.35},
        "cluster.channel",
        ("1.35", "TRACK/RISK", "write a text of that form"),
    ),
    "channel without risk": ({"cluster.channel": "1.35"}, "cluster.channel", ("name the risk as well: 1.35/stable",)),
    "channel that moves": ({"cluster.channel": "latest/stable"}, "cluster.channel", ("one Kubernetes minor version",)),
    "channel of an old Kubernetes": ({"cluster.channel": "1.20/stable"}, "cluster.channel", ("1.20/stable", "1.33, 1.34, 1.35")),
    "channel of no Kubernetes yet": ({"cluster.channel": "1.99/stable"}, "cluster.channel", ("1.99/stable", "1.33, 1.34, 1.35")),
    "organization too long": (
        {"trust.authority.organization": "x" * 65},
        "trust.authority.organization",
        ("at most 64 characters",),
    ),
    "epoch beyond sense": ({"trust.authority.epoch": 999999999999}, "trust.authority.epoch", ("999999999999", "at most 9999")),
    "channel strict": ({"cluster.channel": "1.35-strict/stable"}, "cluster.channel", ("a classic channel", "write 1.35/stable")),
    "channel of unknown risk": ({"cluster.channel": "1.35/stabel"}, "cluster.channel", ("1.35/stabel", "TRACK/RISK")),
    "existing cluster with hosts": ({"cluster": {"kind": "existing"}}, "hosts", ("hosts beside an existing cluster", "no hosts")),
}
