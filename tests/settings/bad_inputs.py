"""Mistakes in a site file: what is changed in the good site, where the problem is told, and parts of its text, in order."""

from __future__ import annotations

from mlops.settings import Secret, SecretState
from tests.settings.bad_cluster_inputs import BAD_CLUSTERS, MIRRORED
from tests.settings.bad_host_inputs import BAD_HOSTS
from tests.settings.site_examples import EXISTING, INTERMEDIATE, ROOT, good, sign

KEY = Secret(SecretState.SEALED)
CORPORATE: dict[str, object] = {
    "trust.authority": {"kind": "corporate", "certificate": INTERMEDIATE.pem, "chain": ROOT.pem},
}
PROXY: dict[str, object] = {"proxy": {"http": "http://proxy.test.example:3128"}}
FURTHER: dict[str, object] = {
    "hosts.access.keyFile": "~/.ssh/id_ed25519",
    "hosts.preflight": {"skip": [{"check": "memory", "reason": "small"}, {"check": "memory", "reason": "small", "host": "n0"}]},
    "hosts.nodes.0": {
        **good()["hosts"]["nodes"][0],
        "sshAddress": "2001:db8::11",
        "osFamily": "suse",
        "labels": {"example.org/rack": "a1", "topology.kubernetes.io/zone": "z", "empty": ""},
        "taints": [{"key": "gpu", "value": "true", "effect": "NoSchedule"}, {"key": "gpu", "effect": "NoExecute"}],
        "dataDisks": ["/dev/disk/by-id/nvme-eui.0025385b71b0f3e1"],
        "epoch": 2,
    },
    "cluster.arguments": {"kubelet": {"--max-pods": "250"}},
    "cluster.offline": {"snaps": "/srv/snaps"},
    "registries": [{**MIRRORED, "username": "u"}],
}
"""Settings that few sites need, all of them good."""

BAD: dict[str, tuple[dict[str, object], str, tuple[str, ...]]] = {
    **BAD_HOSTS,
    **BAD_CLUSTERS,
    # sections and keys
    "unknown section": ({"observatory": {}}, "observatory", ("unknown key `observatory`", "name, domain, hosts", "take it out")),
    "section mistyped": ({"netwrok": {}}, "netwrok", ("unknown key", "did you mean `network`?")),
    "key in snake case": ({"network.pod_cidr": "10.1.0.0/16"}, "network.pod_cidr", ("unknown key", "did you mean `podCidr`?")),
    "key far down": ({"hosts.nodes.1.adress": "172.16.20.9"}, "hosts.nodes[1].adress", ("unknown key", "did you mean `address`?")),
    "key of the other kind": ({"cluster.kubeconfig": "x"}, "cluster.kubeconfig", ("unknown key", "the keys kind, channel")),
    "section left out": ({"network": ...}, "network", ("nothing", "Address plan", "add `onprem-mlops:network:`")),
    "section left empty": ({"trust": None}, "trust", ("an empty value", "a mapping with the keys authority, extraRoots")),
    "section is a list": ({"network": ["10.1.0.0/16"]}, "network", ("a list of 1", "a mapping with the keys podCidr")),
    "section is text": ({"cluster": "microk8s"}, "cluster", ("a single value", "a mapping with `kind:` microk8s or existing")),
    # name and domain
    "name in upper case": ({"name": "Corporate"}, "name", ('"Corporate"', "lower-case letters")),
    "name empty": ({"name": ""}, "name", ('""', "lower-case letters")),
    "name is a number": ({"name": 7}, "name", ("7", "lower-case letters", "put it in quotes: '7'")),
    "domain left out": ({"domain": ...}, "domain", ("nothing", "fully qualified domain name", "add `onprem-mlops:domain:`")),
    "domain without a dot": ({"domain": "mlops"}, "domain", ('"mlops"', "at least two labels")),
    "domain in upper case": ({"domain": "MLops.example"}, "domain", ('"MLops.example"', "write it in lower case: mlops.example")),
    "domain with a dot at the end": ({"domain": "mlops.example."}, "domain", ("leave the dot at the end out: mlops.example",)),
    "domain with an underscore": ({"domain": "ml_ops.example"}, "domain", ('"ml_ops.example"', "fully qualified")),
    "domain is a URL": ({"domain": "https://mlops.example"}, "domain", ("https://mlops.example", "fully qualified")),
    "domain is an address": ({"domain": "10.0.0.1"}, "domain", ('"10.0.0.1"', "fully qualified")),
    "domain of the cluster": ({"domain": "mlops.cluster.local"}, "domain", ("a domain outside cluster.local",)),
    # network
    "pod network with host bits": ({"network.podCidr": "10.1.2.3/16"}, "network.podCidr", ("first address", "write 10.1.0.0/16")),
    "pod network without length": ({"network.podCidr": "10.1.0.0"}, "network.podCidr", ('"10.1.0.0"', "CIDR notation")),
    "pod network with length 33": ({"network.podCidr": "10.1.0.0/33"}, "network.podCidr", ("CIDR notation",)),
    "pod network is IPv6": ({"network.podCidr": "fd00::/48"}, "network.podCidr", ("networks are IPv4 only",)),
    "value far too long to show": ({"network.podCidr": "10.1.0.0/" + "9" * 90}, "network.podCidr", ("(99 characters)", "CIDR")),
    "pod network too small": (
        {"network.podCidr": "10.1.0.0/23"},
        "network.podCidr",
        ("512 addresses", "at least 768", "take a /22"),
    ),
    "service network too small": ({"network.serviceCidr": "10.152.183.0/25"}, "network.serviceCidr", ("from /12 to /24",)),
    "service network too large": ({"network.serviceCidr": "11.0.0.0/8"}, "network.serviceCidr", ("11.0.0.0/8", "from /12 to /24")),
    "pods overlap services": (
        {"network.podCidr": "10.152.0.0/16"},
        "network.serviceCidr",
        ("podCidr 10.152.0.0/16 and serviceCidr",),
    ),
    "pods overlap nodes": (
        {"network.podCidr": "172.16.0.0/16"},
        "network.podCidr",
        ("and nodeSubnet 172.16.20.0/24, which overlap",),
    ),
    "services overlap nodes": ({"network.serviceCidr": "172.16.16.0/20"}, "network.serviceCidr", ("which overlap",)),
    "load balancer overlaps pods": (
        {"network.podCidr": "172.16.0.0/16"},
        "network.loadBalancerRange",
        ("which overlaps network.podCidr",),
    ),
    "host among the pods": (
        {"hosts.nodes.0.address": "10.1.0.9"},
        "hosts.nodes[0].address",
        ("inside network.podCidr 10.1.0.0/16",),
    ),
    "resolver among the services": (
        {"network.dnsServers": ["172.16.8.53", "10.152.183.10"]},
        "network.dnsServers[1]",
        ("inside network.serviceCidr",),
    ),
    "node subnet left out": (
        {"network.nodeSubnet": ...},
        "network.nodeSubnet",
        ("nothing", "in which the hosts lie", "nodeSubnet:"),
    ),
    "host outside the subnet": (
        {"hosts.nodes.1.address": "172.16.21.11"},
        "hosts.nodes[1].address",
        ("inside network.nodeSubnet",),
    ),
    "host has the broadcast address": ({"hosts.nodes.1.address": "172.16.20.255"}, "hosts.nodes[1].address", ("broadcast",)),
    "range outside the subnet": (
        {"network.loadBalancerRange": "172.16.20.250-172.16.21.5", "network.gatewayAddress": "172.16.20.250"},
        "network.loadBalancerRange",
        ("172.16.20.250-172.16.21.5", "inside network.nodeSubnet, 172.16.20.0/24"),
    ),
    "range with the broadcast address": (
        {"network.loadBalancerRange": "172.16.20.200-172.16.20.255"},
        "network.loadBalancerRange",
        ("broadcast",),
    ),
    "range contains a host": (
        {"network.loadBalancerRange": "172.16.20.10-172.16.20.219"},
        "network.loadBalancerRange",
        ("which contains 172.16.20.10 of the host n0", "nobody uses"),
    ),
    "range contains a resolver": (
        {"network.dnsServers": ["172.16.20.201"]},
        "network.loadBalancerRange",
        ("172.16.20.201 of a DNS server",),
    ),
    "range backwards": (
        {"network.loadBalancerRange": "172.16.20.9-172.16.20.2"},
        "network.loadBalancerRange",
        ("write 172.16.20.2-",),
    ),
    "range as CIDR": ({"network.loadBalancerRange": "172.16.20.192/27"}, "network.loadBalancerRange", ("two IPv4 addresses",)),
    "gateway outside the range": ({"network.gatewayAddress": "172.16.20.199"}, "network.gatewayAddress", ("inside network.load",)),
    "resolvers as text": ({"network.dnsServers": "8.8.8.8"}, "network.dnsServers", ('"8.8.8.8"', "a list", "- `")),
    "resolver is a name": ({"network.dnsServers": ["dns.example"]}, "network.dnsServers[0]", ("dns.example", "an IPv4 address")),
    # proxy
    "proxy without scheme": ({"proxy.http": "proxy.example:3128"}, "proxy.http", ("proxy.example:3128", "the proxy's URL")),
    "proxy by another scheme": ({"proxy.http": "socks5://proxy:1080"}, "proxy.http", ("socks5://proxy:1080", "the proxy's URL")),
    "proxy with a path": ({"proxy.http": "http://proxy:3128/x"}, "proxy.http", ("scheme, host and port only",)),
    "proxy with credentials": (
        {"proxy.http": "http://bob:hunter2@proxy:3128"},
        "proxy.http",
        ("//****@proxy", "without credentials", "'onprem-mlops:proxy.password' -s test"),
    ),
    "proxy port is no number": ({"proxy.http": "http://proxy:x"}, "proxy.http", ("the proxy's URL",)),
    "noProxy with a wildcard": (
        {**PROXY, "proxy.noProxy": ["*.corp.example"]},
        "proxy.noProxy[0]",
        ("all names below: .corp.example",),
    ),
    "noProxy with a URL": ({**PROXY, "proxy.noProxy": ["http://x.example"]}, "proxy.noProxy[0]", ("without scheme",)),
    "noProxy with commas": ({**PROXY, "proxy.noProxy": ["a.example,b.example"]}, "proxy.noProxy[0]", ("one host name",)),
    "noProxy with a wrong network": ({**PROXY, "proxy.noProxy": ["10.0.0.1/8"]}, "proxy.noProxy[0]", ("write 10.0.0.0/8",)),
    "noProxy with everything": ({**PROXY, "proxy.noProxy": ["*"]}, "proxy.noProxy[0]", ("wildcard",)),
    "proxy's password without its user": (
        {"proxy": {"http": "http://proxy:3128", "password": KEY}},
        "proxy.password",
        ("a password without a user", "add `username:`"),
    ),
    "proxy inside the platform": (
        {"proxy.http": "http://172.16.20.205:3128"},
        "proxy.http",
        ("network.loadBalancerRange", "outside"),
    ),
    "proxy among the pods": ({"proxy.http": "http://10.1.3.4:3128"}, "proxy.http", ("inside network.podCidr",)),
    "proxy, networks of an existing cluster unknown": (
        {**EXISTING, **PROXY, "network.podCidr": ...},
        "network.podCidr",
        ("nothing", "which the proxy must not serve", "add `podCidr:`"),
    ),
    "proxy, machines of an existing cluster unknown": (
        {**EXISTING, **PROXY, "network.nodeSubnet": ...},
        "network.nodeSubnet",
        ("which the proxy must not serve",),
    ),
    # trust
    "authority left out": ({"trust": {}}, "trust.authority", ("nothing", "`kind:` own or corporate")),
    "epoch zero": ({"trust.authority.epoch": 0}, "trust.authority.epoch", ("0", "a whole number, at least 1")),
    "epoch true": ({"trust.authority.epoch": True}, "trust.authority.epoch", ("true", "a whole number")),
    "organization blank": ({"trust.authority.organization": " "}, "trust.authority.organization", ("not empty",)),
    "root is no PEM": ({"trust.extraRoots": ["MIIB"]}, "trust.extraRoots[0]", ('"MIIB"', "X.509 certificate in PEM form")),
    "root is cut": ({"trust.extraRoots": [ROOT.pem.replace("MII", "MI", 1)]}, "trust.extraRoots[0]", ("cut, mistyped",)),
    "two roots in one item": ({"trust.extraRoots": [ROOT.pem * 2]}, "trust.extraRoots[0]", ("one certificate", "item")),
    "root with its key": (
        {"trust.extraRoots": [ROOT.pem + ROOT.key_pem]},
        "trust.extraRoots[0]",
        ("****", "certificates only", "disclosed"),
    ),
    "root is no CA": (
        {"trust.extraRoots": [sign("leaf", ca=False).pem]},
        "trust.extraRoots[0]",
        ("CN=leaf", "no certificate authority"),
    ),
    "root may not sign": ({"trust.extraRoots": [sign("mute", usage=False).pem]}, "trust.extraRoots[0]", ("Certificate Sign",)),
    "root has expired": (
        {"trust.extraRoots": [sign("old", years=(2020, 2025)).pem]},
        "trust.extraRoots[0]",
        ("expired on 2025-01-01",),
    ),
    "root is not valid yet": (
        {"trust.extraRoots": [sign("new", years=(2030, 2035)).pem]},
        "trust.extraRoots[0]",
        ("before 2030-01-01",),
    ),
    "root is no root": (
        {"trust.extraRoots": [INTERMEDIATE.pem]},
        "trust.extraRoots[0]",
        ("issued by CN=Root", "a self-signed root"),
    ),
    "root twice": ({"trust.extraRoots": [ROOT.pem, ROOT.pem]}, "trust.extraRoots[1]", ("CN=Root", "each root once")),
    "corporate without certificate": (
        {**CORPORATE, "trust.authority.certificate": ...},
        "trust.authority.certificate",
        ("nothing", "The intermediate's certificate", "add `certificate:`"),
    ),
    "corporate does not chain": (
        {**CORPORATE, "trust.authority.chain": sign("Other").pem},
        "trust.authority.chain",
        ("CN=Intermediate is not issued by CN=Other", "root last"),
    ),
    "corporate chain in the wrong order": (
        {
            **CORPORATE,
            "trust.authority.certificate": sign("Low", INTERMEDIATE).pem,
            "trust.authority.chain": ROOT.pem + INTERMEDIATE.pem,
        },
        "trust.authority.chain",
        ("CN=Low is not issued by CN=Root",),
    ),
    "corporate chain without root": (
        {**CORPORATE, "trust.authority.certificate": sign("Low", INTERMEDIATE).pem, "trust.authority.chain": INTERMEDIATE.pem},
        "trust.authority.chain",
        ("CN=Intermediate, is not a self-signed root",),
    ),
    "corporate root allows no intermediate": (
        {
            **CORPORATE,
            "trust.authority.certificate": sign("Below", sign("Tight", length=0)).pem,
            "trust.authority.chain": sign("Tight", length=0).pem,
        },
        "trust.authority.chain",
        ("CN=Tight allows 0 authorities", "and 1 are there"),
    ),
    "corporate certificate is a leaf": (
        {**CORPORATE, "trust.authority.certificate": sign("leaf", ROOT, ca=False).pem},
        "trust.authority.certificate",
        ("CN=leaf, which is no certificate authority", "CA:TRUE"),
    ),
    "corporate certificate has expired": (
        {**CORPORATE, "trust.authority.certificate": sign("old", ROOT, years=(2025, 2026)).pem},
        "trust.authority.certificate",
        ("expired on 2026-01-01",),
    ),
    "corporate certificate for another domain": (
        {**CORPORATE, "trust.authority.certificate": sign("there", ROOT, permitted="other.example").pem},
        "trust.authority.certificate",
        ("permits names in other.example only", "may sign for mlops.test.example"),
    ),
    "corporate certificate excludes the domain": (
        {**CORPORATE, "trust.authority.certificate": sign("not here", ROOT, excluded="test.example").pem},
        "trust.authority.certificate",
        ("excludes names in test.example",),
    ),
    # sources
    "mirror is no URL": ({"sources.mirrors": ["git.example"]}, "sources.mirrors[0]", ('"git.example"', "http:// or https://")),
    "mirror by ssh": ({"sources.mirrors": ["ssh://git.example/x"]}, "sources.mirrors[0]", ("http:// or https://",)),
    "mirror with credentials": (
        {"sources.mirrors": ["https://u:p@git.example"]},
        "sources.mirrors[0]",
        ("****@git", "without cred"),
    ),
    "mirror twice": ({"sources.mirrors": ["https://git.example/x"] * 2}, "sources.mirrors[1]", ("each mirror once",)),
    "air gap empty": ({"sources.airGap": ""}, "sources.airGap", ('""', "a path on the machine that deploys")),
    # kubeflow, data, deadlines
    "part of Kubeflow mistyped": (
        {"kubeflow": {"parts": ["pipeline"]}},
        "kubeflow.parts[0]",
        ('"pipeline"', "one of cluster-local-gateway, katib"),
    ),
    "part of Kubeflow twice": ({"kubeflow": {"parts": ["katib", "katib"]}}, "kubeflow.parts[1]", ("each part once",)),
    "part of Kubeflow without what it needs": (
        {"kubeflow": {"parts": ["katib", "kserve"]}},
        "kubeflow.parts",
        ("kserve without knative-serving", "add knative-serving, or take kserve out"),
    ),
    "data on destroy": ({"data.onDestroy": "wipe"}, "data.onDestroy", ('"wipe"', "one of keep, remove")),
    "data kept on hosts that are reset": (
        {"hosts.onDestroy": "reset", "data": {"onDestroy": "keep"}},
        "data.onDestroy",
        ("keep beside hosts.onDestroy reset", "resetting the hosts removes the volumes"),
    ),
    "deadline of zero": ({"deadlines.webhookSeconds": 0}, "deadlines.webhookSeconds", ("0", "at least 1, at most 86400")),
    "deadline with a unit": ({"deadlines.workloadSeconds": "30m"}, "deadlines.workloadSeconds", ('"30m"', "a whole number")),
}
