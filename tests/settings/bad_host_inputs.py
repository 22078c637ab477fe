"""Mistakes in the settings of hosts: what is changed, where the problem is told, and parts of its text, in order."""

from __future__ import annotations

from mlops.settings import Secret, SecretState
from tests.settings.site_examples import INTERMEDIATE, KEYS

KEY = Secret(SecretState.SEALED)
BASTION = {"address": "bastion.test.example", "user": "jump", "hostKey": KEYS[3]}
LONG = "a." * 126 + "ab"

BAD_HOSTS: dict[str, tuple[dict[str, object], str, tuple[str, ...]]] = {
    # hosts
    "no hosts for MicroK8s": ({"hosts": ...}, "hosts", ("nothing", "the hosts that become the MicroK8s cluster")),
    "empty list of hosts": ({"hosts.nodes": []}, "hosts.nodes", ("an empty list", "at least one item")),
    "hosts as a mapping": ({"hosts.nodes": {"n1": {}}}, "hosts.nodes", ("a mapping with the keys n1", "a list; each item")),
    "host is text": (
        {"hosts.nodes.1": "172.16.20.12"},
        "hosts.nodes[1]",
        ('"172.16.20.12"', "a mapping with the keys name, address"),
    ),
    "user left out": ({"hosts.access": {}}, "hosts.access.user", ("nothing", "a Linux user name", "add `user:`")),
    "user with a space": ({"hosts.access.user": "the deployer"}, "hosts.access.user", ('"the deployer"', "a Linux user name")),
    "port is text": (
        {"hosts.access.port": "22"},
        "hosts.access.port",
        ('"22"', "a whole number, at least 1, at most 65535", "quotes: 22"),
    ),
    "port too large": ({"hosts.access.port": 70000}, "hosts.access.port", ("70000", "at most 65535")),
    "port of a host": ({"hosts.nodes.0.port": 0}, "hosts.nodes[0].port", ("0", "at least 1, at most 65535")),
    "onDestroy": ({"hosts.onDestroy": "wipe"}, "hosts.onDestroy", ('"wipe"', "one of keep, reset")),
    "host named localhost": ({"hosts.nodes.0.name": "localhost"}, "hosts.nodes[0].name", ("not localhost", "hostnamectl")),
    "host name in upper case": ({"hosts.nodes.0.name": "N0"}, "hosts.nodes[0].name", ('"N0"', "lower-case letters")),
    "host name with a dot": ({"hosts.nodes.0.name": "n0.example"}, "hosts.nodes[0].name", ("n0.example", "the host's own name")),
    "address is a name": ({"hosts.nodes.0.address": "n0"}, "hosts.nodes[0].address", ('"n0"', "an IPv4 address")),
    "address is IPv6": ({"hosts.nodes.0.address": "fd00::1"}, "hosts.nodes[0].address", ("fd00::1", "networks are IPv4 only")),
    "address is a number": ({"hosts.nodes.0.address": 10.1}, "hosts.nodes[0].address", ("10.1", "an IPv4 address")),
    "address is loopback": ({"hosts.nodes.0.address": "127.0.0.1"}, "hosts.nodes[0].address", ("not 0.0.0.0, loopback",)),
    "host key left out": (
        {"hosts.nodes.0.hostKey": ...},
        "hosts.nodes[0].hostKey",
        ("nothing", "ed25519 public", "ssh-keyscan -t ed25519 172.16.20.10"),
    ),
    "host key left out, other port": (
        {"hosts.nodes.1.hostKey": ..., "hosts.nodes.1.port": 2222},
        "hosts.nodes[1].hostKey",
        ("ssh-keyscan -t ed25519 -p 2222 172.16.20.11",),
    ),
    "host key is RSA": (
        {"hosts.nodes.0.hostKey": "ssh-rsa AAAAB3NzaC1yc2E="},
        "hosts.nodes[0].hostKey",
        ("ssh-rsa", "ssh-ed25519 AAAA...", "ssh-keyscan -t ed25519 172.16.20.10"),
    ),
    "host key is cut": ({"hosts.nodes.0.hostKey": KEYS[0][:-8]}, "hosts.nodes[0].hostKey", ("cut or mistyped", "ssh-keyscan")),
    "host key is not base64": ({"hosts.nodes.0.hostKey": "ssh-ed25519 AAA!"}, "hosts.nodes[0].hostKey", ("cut or mistyped",)),
    "host key of another type inside": (
        {"hosts.nodes.0.hostKey": "ssh-ed25519 " + "A" * 68},
        "hosts.nodes[0].hostKey",
        ("cut or mistyped",),
    ),
    "role unknown": (
        {"hosts.nodes.0.roles.1": "workr"},
        "hosts.nodes[0].roles[1]",
        ('"workr"', "one of control-plane", "`worker`?"),
    ),
    "roles empty": ({"hosts.nodes.0.roles": []}, "hosts.nodes[0].roles", ("an empty list", "at least one item")),
    "role as text": (
        {"hosts.nodes.0.roles": "worker"},
        "hosts.nodes[0].roles",
        ('"worker"', "a list", "begin each item with `- `"),
    ),
    "role twice": ({"hosts.nodes.0.roles": ["control-plane", "worker", "worker"]}, "hosts.nodes[0].roles", ("each role once",)),
    "storage alone": (
        {"hosts.nodes.3": {"name": "n3", "address": "172.16.20.13", "hostKey": KEYS[3], "roles": ["storage"]}},
        "hosts.nodes[3].roles",
        ("storage alone", "together with worker or control-plane"),
    ),
    "OS family unknown": (
        {"hosts.nodes.0.osFamily": "ubuntu"},
        "hosts.nodes[0].osFamily",
        ('"ubuntu"', "auto, debian"),
    ),
    "no control plane": (
        {f"hosts.nodes.{i}.roles": ["worker"] for i in range(3)},
        "hosts.nodes",
        ("no host with the role control-plane", "1, 3, 5"),
    ),
    "two control planes": (
        {"hosts.nodes.2.roles": ["worker"]},
        "hosts.nodes",
        ("2 hosts with the role", "no more failures than 1"),
    ),
    "no worker": (
        {f"hosts.nodes.{i}.roles": ["control-plane"] for i in range(3)},
        "hosts.nodes",
        ("no host with the role worker",),
    ),
    "same name twice": ({"hosts.nodes.2.name": "n0"}, "hosts.nodes[2].name", ('"n0", as in hosts.nodes[0]', "of its own")),
    "same address twice": ({"hosts.nodes.2.address": "172.16.20.11"}, "hosts.nodes[2].address", ("as in hosts.nodes[1]",)),
    "same host key twice": (
        {"hosts.nodes.2.hostKey": KEYS[0] + " c"},
        "hosts.nodes[2].hostKey",
        ("as in hosts.nodes[0]", "ssh-keygen -A"),
    ),
    "bastion without a key": (
        {"hosts.access.bastion": {"address": "bastion.test.example", "user": "jump", "port": 2200}},
        "hosts.access.bastion.hostKey",
        ("ssh-keyscan -t ed25519 -p 2200 bastion.test.example",),
    ),
    "bastion is a node": (
        {"hosts.access.bastion": {"address": "172.16.20.11", "user": "jump", "hostKey": KEYS[3]}},
        "hosts.access.bastion.address",
        ("172.16.20.11, which is hosts.nodes[1]", "no node of the cluster"),
    ),
    "bastion with two keys": (
        {"hosts.access.bastion": {**BASTION, "keyFile": "/root/key"}, "hosts.access.bastion.key": KEY},
        "hosts.access.bastion.keyFile",
        ("keyFile beside key", "one of key, keyFile", "take keyFile or key out"),
    ),
    "bastion has the SSH address of a node": (
        {"hosts.access.bastion": BASTION, "hosts.nodes.1.sshAddress": "bastion.test.example"},
        "hosts.access.bastion.address",
        ("which is hosts.nodes[1]",),
    ),
    "key and key file": (
        {"hosts.access.key": KEY, "hosts.access.keyFile": "~/.ssh/id_ed25519"},
        "hosts.access.keyFile",
        ("keyFile beside key", "one of key, keyFile, agent", "take keyFile or key out"),
    ),
    "key file and agent": (
        {"hosts.access.keyFile": "~/.ssh/id_ed25519", "hosts.access.agent": True},
        "hosts.access.agent",
        ("agent beside keyFile", "one of key, keyFile, agent"),
    ),
    "agent in words": ({"hosts.access.agent": "yes"}, "hosts.access.agent", ('"yes"', "true or false")),
    "agent as its socket": ({"hosts.access.agent": "/run/agent"}, "hosts.access.agent", ('"/run/agent"', "true or false")),
    "key file without its folder": (
        {"hosts.access.keyFile": ".ssh/id_ed25519"},
        "hosts.access.keyFile",
        ('".ssh/id_ed25519"', "from / or ~/ on"),
    ),
    "key in place of its file": ({"hosts.access.keyFile": INTERMEDIATE.key_pem}, "hosts.access.keyFile", ("****", "full path")),
    "SSH address with a port": (
        {"hosts.nodes.0.sshAddress": "n0.example:22"},
        "hosts.nodes[0].sshAddress",
        ("n0.example:22", "IPv6"),
    ),
    "SSH address of one label": ({"hosts.nodes.0.sshAddress": "n0"}, "hosts.nodes[0].sshAddress", ('"n0"', "fully qualified")),
    "SSH address in brackets": (
        {"hosts.nodes.0.sshAddress": "[2001:db8::11]"},
        "hosts.nodes[0].sshAddress",
        ("[2001:db8::11]", "without brackets: 2001:db8::11"),
    ),
    "SSH address that is no IPv6": ({"hosts.nodes.0.sshAddress": "2001:db8::xyz"}, "hosts.nodes[0].sshAddress", ("IPv4 or IPv6",)),
    "SSH address is a network": ({"hosts.nodes.0.sshAddress": "2001:db8::/64"}, "hosts.nodes[0].sshAddress", ("IPv4 or IPv6",)),
    "SSH address is link-local": ({"hosts.nodes.0.sshAddress": "fe80::1%eth0"}, "hosts.nodes[0].sshAddress", ("not ::, loopback",)),
    "SSH address is loopback": ({"hosts.nodes.0.sshAddress": "::1"}, "hosts.nodes[0].sshAddress", ("not ::, loopback",)),
    "SSH address twice": (
        {f"hosts.nodes.{i}.sshAddress": "2001:db8::11" for i in range(2)},
        "hosts.nodes[1].sshAddress",
        ('"2001:db8::11", as in hosts.nodes[0]', "give each its `port`"),
    ),
    "SSH address is another host's": (
        {"hosts.nodes.1.sshAddress": "172.16.20.10"},
        "hosts.nodes[1].sshAddress",
        ("as in hosts.nodes[0]",),
    ),
    "firewall": ({"hosts.firewall": "off"}, "hosts.firewall", ('"off"', "one of open, leave")),
    "SELinux": ({"hosts.selinux": "disabled"}, "hosts.selinux", ('"disabled"', "one of leave, permissive")),
    # checks that are skipped
    "skip without a reason": (
        {"hosts.preflight": {"skip": [{"check": "memory"}]}},
        "hosts.preflight.skip[0].reason",
        ("nothing", "Why the site may go on", "add `reason:`"),
    ),
    "skip with a blank reason": (
        {"hosts.preflight": {"skip": [{"check": "memory", "reason": " "}]}},
        "hosts.preflight.skip[0].reason",
        ("one line of text, not empty",),
    ),
    "skip of a check that is none": (
        {"hosts.preflight": {"skip": [{"check": "memry", "reason": "small"}]}},
        "hosts.preflight.skip[0].check",
        ('"memry"', "one of reachable, sudo", "did you mean `memory`?"),
    ),
    "skip of something else": (
        {"hosts.preflight": {"skip": [{"check": "Memory!", "reason": "small"}]}},
        "hosts.preflight.skip[0].check",
        ('"Memory!"', "the name of a check as `mlops doctor` prints it"),
    ),
    "skip as a word": (
        {"hosts.preflight": {"skip": ["memory"]}},
        "hosts.preflight.skip[0]",
        ("a mapping with the keys check, reason",),
    ),
    "skip for a host that is none": (
        {"hosts.preflight": {"skip": [{"check": "memory", "reason": "small", "host": "n7"}]}},
        "hosts.preflight.skip[0].host",
        ('"n7"', "n0, n1, n2"),
    ),
    "skip twice": (
        {"hosts.preflight": {"skip": [{"check": "memory", "reason": "small"}] * 2}},
        "hosts.preflight.skip[1]",
        ("memory again", "each check once"),
    ),
    # labels, taints, disks, epochs, lost hosts
    "labels as a list": (
        {"hosts.nodes.0.labels": ["a=b"]},
        "hosts.nodes[0].labels",
        ("a list of 1", "a mapping; each key: a label's key"),
    ),
    "label with a space": (
        {"hosts.nodes.0.labels": {"the rack": "a1"}},
        "hosts.nodes[0].labels.the rack",
        ('"the rack"', "a label's key: letters"),
    ),
    "label too long": ({"hosts.nodes.0.labels": {"x" * 64: "a1"}}, f"hosts.nodes[0].labels.{'x' * 64}", ("at most 63",)),
    "label with two slashes": ({"hosts.nodes.0.labels": {"a/b/c": "1"}}, "hosts.nodes[0].labels.a/b/c", ("a label's key",)),
    "label's domain too long": (
        {"hosts.nodes.0.labels": {f"{LONG}/x": "1"}},
        f'hosts.nodes[0].labels["{LONG}/x"]',
        ("a label's key",),
    ),
    "label's value with a space": (
        {"hosts.nodes.0.labels": {"rack": "a 1"}},
        "hosts.nodes[0].labels.rack",
        ('"a 1"', "a label's value"),
    ),
    "label's value true": (
        {"hosts.nodes.0.labels": {"gpu": True}},
        "hosts.nodes[0].labels.gpu",
        ("true", "a label's value"),
    ),
    "label's value a number": ({"hosts.nodes.0.labels": {"row": 7}}, "hosts.nodes[0].labels.row", ("7", "put it in quotes: '7'")),
    "label of a role": (
        {"hosts.nodes.0.labels": {"node-role.kubernetes.io/worker": ""}},
        'hosts.nodes[0].labels["node-role.kubernetes.io/worker"]',
        ("do not set themselves", "in `roles`"),
    ),
    "label of the kubelet": (
        {"hosts.nodes.0.labels": {"kubernetes.io/hostname": "x"}},
        'hosts.nodes[0].labels["kubernetes.io/hostname"]',
        ("a label outside kubernetes.io, k8s.io, microk8s.io", "example.org/rack"),
    ),
    "label of MicroK8s": (
        {"hosts.nodes.0.labels": {"node.kubernetes.io/microk8s-worker": "x"}},
        'hosts.nodes[0].labels["node.kubernetes.io/microk8s-worker"]',
        ("a label outside kubernetes.io",),
    ),
    "taint without an effect": (
        {"hosts.nodes.0.taints": [{"key": "gpu"}]},
        "hosts.nodes[0].taints[0].effect",
        ("nothing", "one of NoSchedule, PreferNoSchedule, NoExecute"),
    ),
    "taint of an unknown effect": (
        {"hosts.nodes.0.taints": [{"key": "gpu", "effect": "noSchedule"}]},
        "hosts.nodes[0].taints[0].effect",
        ('"noSchedule"', "NoExecute", "`NoSchedule`?"),
    ),
    "taint as kubectl writes it": (
        {"hosts.nodes.0.taints": ["gpu=true:NoSchedule"]},
        "hosts.nodes[0].taints[0]",
        ("gpu=true:NoSchedule", "a mapping with the keys key, value, effect"),
    ),
    "taint's value true": (
        {"hosts.nodes.0.taints": [{"key": "gpu", "value": True, "effect": "NoSchedule"}]},
        "hosts.nodes[0].taints[0].value",
        ("true", "put it in quotes: 'true'"),
    ),
    "taint of Kubernetes": (
        {"hosts.nodes.0.taints": [{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]},
        "hosts.nodes[0].taints[0].key",
        ("does not set and remove by itself",),
    ),
    "taint twice": (
        {"hosts.nodes.0.taints": [{"key": "gpu", "value": value, "effect": "NoSchedule"} for value in ("a", "b")]},
        "hosts.nodes[0].taints[1]",
        ("gpu:NoSchedule again", "each key and effect once"),
    ),
    "disk by a name that changes": (
        {"hosts.nodes.0.dataDisks": ["/dev/sdb"]},
        "hosts.nodes[0].dataDisks[0]",
        ('"/dev/sdb"', "/dev/disk/by-id/NAME", "ls -l /dev/disk/by-id"),
    ),
    "disk by its place": (
        {"hosts.nodes.0.dataDisks": ["/dev/disk/by-path/pci-1"]},
        "hosts.nodes[0].dataDisks[0]",
        ("lasting name",),
    ),
    "disk above its folder": (
        {"hosts.nodes.0.dataDisks": ["/dev/disk/by-id/../../sdb"]},
        "hosts.nodes[0].dataDisks[0]",
        ("lasting",),
    ),
    "disk twice": ({"hosts.nodes.0.dataDisks": ["/dev/disk/by-id/nvme-a"] * 2}, "hosts.nodes[0].dataDisks[1]", ("each disk once",)),
    "disks without the role": (
        {"hosts.nodes.0.dataDisks": ["/dev/disk/by-id/nvme-a"], "hosts.nodes.0.roles": ["control-plane", "worker"]},
        "hosts.nodes[0].dataDisks",
        ("without the role storage", "add storage to its roles"),
    ),
    "host's epoch zero": ({"hosts.nodes.0.epoch": 0}, "hosts.nodes[0].epoch", ("0", "a whole number, at least 1")),
    "lost in words": (
        {"hosts.nodes.0.lost": "yes"},
        "hosts.nodes[0].lost",
        ('"yes"', "true or false", "without quotes: true"),
    ),
    "lost with its disks": (
        {"hosts.nodes.0.lost": True},
        "hosts.nodes[0].roles",
        ("storage on a host that is lost", "gone with it", "take storage out"),
    ),
    "all control planes lost": (
        {
            f"hosts.nodes.{i}.{key}": value
            for i in range(3)
            for key, value in (("lost", True), ("roles", ["control-plane", "worker"]))
        },
        "hosts.nodes",
        ("every host with the role control-plane is lost", "a living one", "built anew"),
    ),
    "only worker lost": (
        {
            **{f"hosts.nodes.{i}.roles": ["control-plane"] for i in range(3)},
            "hosts.nodes.3": {"name": "n3", "address": "172.16.20.13", "hostKey": KEYS[3], "roles": ["worker"], "lost": True},
        },
        "hosts.nodes",
        ("no host with the role worker",),
    ),
    "two control planes, a worker lost": (
        {"hosts.nodes.2.roles": ["worker"], "hosts.nodes.2.lost": True},
        "hosts.nodes",
        ("2 hosts with the role control-plane", "no more failures than 1"),
    ),
}
