"""Every check by defects seeded into clean facts: each is found by its name, and nothing else is."""

from __future__ import annotations

from typing import Any

import pytest

from mlops.bundles.requests import Demand
from mlops.hosts.checks import CHECKS, judge, report
from mlops.hosts.checks.check import Finding
from mlops.hosts.expectations import Skipped
from mlops.settings import CHECK_NAMES
from tests.hosts.doctor import samples
from tests.hosts.doctor.samples import ADDRESSES, NOW, STORE, df, disk, facts, node, origin, passed, release, snaps, survey

Changes = dict[str, dict[str, Any]]
GIB = 1024 * 1024


def found(changes: Changes | None = None, site: dict[str, Any] | None = None, **more: Any) -> list[Finding]:
    return [entry for entry in judge(survey(changes, site, **more)) if entry.severity != "note"]


def test_a_clean_site_has_no_finding() -> None:
    assert found() == []


def without(name: str, *modules: str) -> Changes:
    return {name: {"modules": {**facts(name)["modules"], **dict.fromkeys(modules, False)}}}


def of_family(family: str) -> dict[str, Any]:
    hosts = samples.wanted().hosts
    return {"hosts": (hosts[0].model_copy(update={"os_family": family}), *hosts[1:])}


def everywhere(name: str) -> list[str]:
    return str(facts(name)["peers"]).splitlines()


STORAGE = {"node-role.kubernetes.io/storage": ""}
PREPARED = "prepare\tmachine\t" + "2" * 32
PREPARED_STORAGE = f"{PREPARED}\nprepare\tsysctl\tvm.nr_hugepages\t1024"
HUB = "registry-1.docker.io"
HUB_ANSWER = passed(HUB)
STORE_LINE = passed(STORE, answer=samples.STORE_ANSWER)
OLD_STORE = "HTTP/1.1 200 OK|channel=1.34/stable"
PAGE = "HTTP/1.1 200 OK|content-type: text/html"
ASKS = 'HTTP/1.1 407 Needed | Proxy-Authenticate: Basic realm="x"'
LOGIN = "HTTP/1.1 302 Found | Location: http://login.example/ | Content-Type: text/html"
STRANGE = f"issuer=CN = Unknown Root|Verify return code: 20 (unable to get local issuer certificate)|{samples.STORE_ANSWER}"


def outside(*lines: str) -> Changes:
    return {"node2": {"origins": "\n".join(lines)}}


def both(connection: str) -> Changes:
    return outside(origin(STORE, connection), origin(HUB, connection))


def of_node2(**changes: Any) -> Changes:
    return {"node2": {"records": PREPARED, "sysctls": {}, **changes}}


def of_node1(**changes: Any) -> Changes:
    return {"node1": {"records": PREPARED, "sysctls": {}, **changes}}


def running_with(pods: str, services: str) -> Changes:
    cni = f'IPv4_SUPPORT=true\nIPv4_CLUSTER_CIDR="{pods}"\nIPv4_SERVICE_CIDR={services}'
    return of_node1(snaps=snaps("1.35/stable"), cni=cni)


def with_route(line: str) -> Changes:
    return {"node2": {"routes": f"{facts('node2')['routes']}\n{line}"}}


THREE_PLANES = "\n".join([node("node1", plane=True), node("p2", plane=True), node("p3", plane=True, ready=False)])

# name of the check, severity, defect in facts, defect in the settings, words of the finding
DEFECTS: list[tuple[str, str, Changes, dict[str, Any], str]] = [
    ("cores", "error", {"node2": {"cores": 1}}, {}, "1 processor"),
    ("cores", "warning", {"node2": {"cores": 3}}, {}, "3 processor"),
    ("memory", "error", {"node1": {"memory_kib": 2 * GIB}}, {}, "2.0 GiB"),
    ("disk", "error", {"node2": {"var": df(95)}}, {}, "95 % full"),
    ("disk", "error", {"node2": {"var": df(10, size_gib=15)}}, {}, "13.5 GiB"),
    ("disk", "warning", {"node2": {"var": df(87)}}, {}, "87 % full"),
    ("disk", "warning", {"node2": {"var": df(10, size_gib=50)}}, {}, "50 GiB in all"),
    ("cpu-flags", "error", {"node3": {"sse4_2": False}}, {}, "SSE4.2"),
    ("data-disks", "error", {"node3": {"data_disks": [{**disk(), "device": "", "lsblk": None}]}}, {}, "no disk"),
    ("data-disks", "error", {"node3": {"data_disks": [disk(fstype="ext4")]}}, {}, "signature (ext4)"),
    ("data-disks", "error", {"node3": {"data_disks": [disk(pttype="gpt")]}}, {}, "partition table (gpt)"),
    ("data-disks", "error", {"node3": {"data_disks": [disk(mountpoint="/srv")]}}, {}, "mounted at /srv"),
    ("data-disks", "error", {"node3": {"data_disks": [disk(type="part")]}}, {}, "type part"),
    ("data-disks", "error", {"node3": {"data_disks": [disk(size=5 * 1024**3)]}}, {}, "5.0 GiB"),
    ("hugepages", "error", {"node3": {"records": PREPARED_STORAGE, "sysctls": {}, "hugepages": 700}}, {}, "700 huge pages"),
    ("hugepages", "error", {"node3": {"memory_kib": 5 * GIB}}, {}, "5.0 GiB of memory"),
    ("swap", "warning", {"node1": {"swaps": "Filename Type\n/dev/dm-1 partition 1 0 -2"}}, {}, "/dev/dm-1"),
    ("os", "error", {"node1": {"os_release": release("arch", "2026")}}, {}, "arch 2026"),
    ("os", "error", {"node1": {"os_release": release("debian", "11")}}, {}, "debian 11"),
    ("os", "warning", {"node1": {"os_release": release("rocky", "10.1", "rhel fedora")}}, {}, "experiment"),
    ("os-family", "error", {}, of_family("redhat"), "family debian; the settings say redhat"),
    ("kernel", "error", {"node3": {"kernel": "5.10.0-30-amd64"}}, {}, "5.10.0"),
    ("cgroup", "error", {"node2": {"cgroup2": False}}, {}, "cgroup v1"),
    ("cgroup", "warning", {"node2": {"cgroup2": False}}, {"channel": "1.34/stable"}, "cgroup v1"),
    ("modules", "error", without("node2", "br_netfilter", "vxlan"), {}, "br_netfilter, vxlan"),
    ("ip-tables", "error", without("node2", "ip_tables"), {"kube_proxy_mode": "iptables"}, "no ip_tables"),
    ("ip-tables", "error", without("node2", "ip_tables", "nf_tables"), {}, "neither"),
    ("ip-tables", "error", without("node2", "nf_tables"), {"kube_proxy_mode": "nftables"}, "no nf_tables"),
    ("nvme-tcp", "error", without("node3", "nvme_tcp"), {}, "no nvme_tcp"),
    ("nvme-multipath", "warning", {"node3": {"nvme_multipath": "N"}}, {}, "multipath is off"),
    ("inotify", "error", {"node2": {"records": PREPARED, "sysctls": {"fs.inotify.max_user_instances": "128"}}}, {}, "= 128"),
    ("time-sync", "warning", {"node2": {"time_synchronised": "no"}}, {}, "nothing synchronises"),
    ("selinux", "warning", {"node2": {"selinux": "1"}}, {}, "enforcing"),
    ("snapd", "error", of_node2(snapd="2.57.6", snaps=snaps("1.35/stable")), {}, "2.57.6"),
    ("host-name", "error", {"node2": {"host_name": "localhost"}}, {}, "'localhost'"),
    ("address", "error", {"node2": {"addresses": "2: eth0    inet 10.9.9.9/24 scope global eth0"}}, {}, "10.9.9.9"),
    ("name-resolution", "error", {"node2": {"names": f"node1 {ADDRESSES['node1']}\nnode3 -"}}, {}, "nothing for node3"),
    ("name-resolution", "error", {"node2": {"names": f"node1 127.0.1.1\nnode3 {ADDRESSES['node3']}"}}, {}, "node1 is 127.0.1.1"),
    ("default-route", "error", {"node2": {"routes": facts("node2")["routes"].splitlines()[1]}}, {}, "no default route"),
    ("ports", "error", {"node1": {"listening": "tcp 22\ntcp 10250\ntcp 19001"}}, {}, "tcp 10250, tcp 19001"),
    ("node-ports", "error", {"node2": {"peers": "\n".join(everywhere("node2")[1:])}}, {}, "node3 (192.0.2.13): TCP 10250"),
    ("firewall", "warning", {"node2": {"firewall": "firewalld"}}, {"firewall": "leave"}, "firewalld runs"),
    ("firewall", "warning", {"node2": {"firewall": "ufw"}}, {}, "ufw is active"),
    ("proxy", "error", both("failed: Connection refused"), {}, "proxy.example:3128: Connection refused"),
    ("proxy-credentials", "error", both(ASKS), {}, "a request without a user"),
    ("proxy-credentials", "error", both(ASKS), {"proxy_user": "svc"}, "to user svc"),
    ("proxy-login-page", "error", both(LOGIN), {}, "http://login.example/"),
    ("proxy-login-page", "error", outside(passed(STORE, answer=PAGE), HUB_ANSWER), {}, STORE),
    ("origins", "error", outside(STORE_LINE, origin(HUB, "HTTP/1.1 403 Forbidden")), {}, "403 Forbidden"),
    ("origins", "error", outside(STORE_LINE), {}, "registry-1.docker.io:443: no answer in time"),
    ("tls-interception", "error", outside(origin(STORE, "HTTP/1.1 200 OK", STRANGE), HUB_ANSWER), {}, "CN = Unknown Root"),
    ("snap-channel", "error", outside(passed(STORE, answer=OLD_STORE), HUB_ANSWER), {}, "1.34/stable"),
    ("routes", "error", with_route("eth1 0000010A 00000000 0001 0 0 0 0000FFFF 0 0 0"), {}, "10.1.0.0/16 is routed to eth1"),
    ("routes", "error", with_route("eth1 C80200C0 00000000 0001 0 0 0 F8FFFFFF 0 0 0"), {}, "loadBalancerRange"),
    ("load-balancer-range", "error", {"node1": {"shared": "192.0.2.205 443 refused"}}, {}, "192.0.2.205"),
    (
        "load-balancer-range",
        "error",
        {"node1": {"neighbours": "IP\n192.0.2.206 0x1 0x2 02:00:00:00:00:01 * eth0"}},
        {},
        "192.0.2.206",
    ),
    ("microk8s", "error", of_node1(snaps=snaps("1.33/stable")), {}, "1.33/stable; the settings say 1.35/stable"),
    ("microk8s", "error", of_node1(snaps=snaps("1.36/stable")), {}, "1.36/stable"),
    ("microk8s", "warning", {"node1": {"snaps": snaps("1.35/stable")}}, {}, "has not installed"),
    ("networks", "error", running_with("10.2.0.0/16", "10.152.183.0/24"), {}, "10.2.0.0/16 for pods"),
    ("networks", "error", running_with("10.1.0.0/16", "10.96.0.0/12"), {}, "the settings say 10.1.0.0/16 and 10.152.183.0/24"),
    ("role", "error", of_node1(snaps=snaps("1.35/stable"), worker=True), {}, "a worker of a cluster"),
    ("role", "error", {"node1": {"nodes": node("node2", plane=True)}}, {}, "the settings say worker"),
    ("role", "error", {"node1": {"nodes": node("node2", labels=STORAGE)}}, {}, "no longer give it the role storage"),
    ("unique-names", "error", {"node2": {"host_name": "node1"}}, {}, "node1 on node1, node2"),
    ("unique-machine-ids", "error", {"node2": {"machine_id": "1" * 32}}, {}, "on node1, node2"),
    ("mtu", "error", {"node2": {"mtu": {"eth0": 9000}}}, {}, "1500 on node1, node3; 9000 on node2"),
    ("capacity", "error", {}, {"demand": Demand(cpu=40)}, "40.0 processors"),
    ("capacity", "error", {}, {"demand": Demand(memory=100 * 1024**3)}, "100.0 GiB"),
    ("pods", "error", {}, {"demand": Demand(pods=400)}, "400 pods"),
    ("lost", "error", {"node1": {"nodes": node("old")}}, {"lost": ("old",)}, "node old is Ready"),
    ("removal", "error", {"node1": {"nodes": node("old"), "volumes": "pv-1\tteam/data\told\n"}}, {}, "pv-1 (claim team/data)"),
    ("removal", "error", {"node1": {"nodes": THREE_PLANES}}, {}, "p2, p3 would go"),
]


IDS = [f"{defect[0]}-{number}" for number, defect in enumerate(DEFECTS)]


@pytest.mark.parametrize(("name", "severity", "changes", "site", "words"), DEFECTS, ids=IDS)
def test_a_defect_is_found_by_its_name(name: str, severity: str, changes: Changes, site: dict[str, Any], words: str) -> None:
    entries = [entry for entry in found(changes, site) if entry.check == name]
    assert any(words in f"{entry.found} {entry.needed}" for entry in entries), found(changes, site)
    assert {entry.severity for entry in entries} == {severity}
    for entry in entries:
        assert all((entry.found, entry.needed, entry.mend)), entry


# A defect that is another check's, too, names both.
TOGETHER = {"unique-names": {"host-name"}, "memory": {"capacity"}, "address": {"mtu"}}


@pytest.mark.parametrize(("name", "severity", "changes", "site", "words"), DEFECTS, ids=IDS)
def test_no_other_defect_is_invented(name: str, severity: str, changes: Changes, site: dict[str, Any], words: str) -> None:
    assert {entry.check for entry in found(changes, site)} - {name} <= TOGETHER.get(name, set())


@pytest.mark.parametrize(
    ("offsets", "words"),
    [
        ({"node1": 0.2, "node2": 300.0, "node3": -1.0}, {"node2"}),
        ({"node1": -300.0, "node2": 0.0, "node3": 0.0}, {"node1"}),
        ({"node1": 300.0, "node2": 301.0, "node3": 299.0}, {""}),
        ({"node1": 3.0, "node2": 0.0, "node3": -3.0}, set()),
    ],
)
def test_clocks_are_judged_against_each_other_and_this_machine(offsets: dict[str, float], words: set[str]) -> None:
    entries = found(clock_offsets=offsets)
    assert {entry.host for entry in entries} == words
    assert {entry.check for entry in entries} <= {"clock"}


def test_a_host_that_runs_our_microk8s_is_not_blamed_for_its_own() -> None:
    running = {
        "node1": {
            "snaps": snaps("1.35/stable"),
            "snapd": "2.63",
            "records": PREPARED,
            "sysctls": {"fs.inotify.max_user_instances": "2280", "fs.inotify.max_user_watches": "1255360"},
            "listening": "tcp 16443\ntcp 10250\ntcp 25000\ntcp 19001",
            "shared": "192.0.2.200 443 open",
            "var": df(50, size_gib=120),
            "data_disks": [disk(fstype="mayastor")],
            "nodes": "\n".join([node("node1", plane=True), node("node2"), node("node3", labels={"openebs.io/engine": "mayastor"})]),
        }
    }
    assert found(running) == []


def test_a_host_that_gets_the_role_storage_later_is_prepared_for_it_first() -> None:
    later: Changes = {"node3": {"records": PREPARED, "sysctls": {}, "os_release": release("rocky", "9.5", "rhel")}}
    assert found(later) == []
    later["node3"].update(without("node3", "nvme_tcp")["node3"])
    assert [(entry.check, entry.severity) for entry in found(later)] == [("nvme-tcp", "warning")]
    later["node3"]["records"] = PREPARED_STORAGE
    assert {(entry.check, entry.severity) for entry in found(later)} == {("nvme-tcp", "error"), ("hugepages", "error")}


def test_a_lost_host_that_is_dead_and_networks_that_stay_are_no_defects() -> None:
    changes = running_with("10.1.0.0/16", "10.152.183.0/24")
    changes["node1"]["nodes"] = "\n".join([node("node1", plane=True), node("node3"), node("old", ready=False)])
    assert found(changes, {"lost": ("old",)}) == []
    changes["node1"]["nodes"] += f"\n{node('dead')}"
    assert [(entry.check, entry.host) for entry in found(changes, {"lost": ("old", "dead")})] == [("lost", "dead")]


def test_networks_are_judged_where_microk8s_is_installed_only() -> None:
    left_behind = {"node1": {"cni": "IPv4_CLUSTER_CIDR=10.9.0.0/16"}}
    assert found(left_behind) == []


def test_a_silent_host_is_not_told_twice() -> None:
    assert found({"node2": {"peers": ""}}, silent=frozenset({"node1", "node3"})) == []


def test_firewalld_is_not_blamed_before_it_is_opened() -> None:
    closed: Changes = {"node1": {"firewall": "firewalld"}, "node2": {"peers": everywhere("node2")[0]}}
    assert found(closed) == []
    assert {entry.check for entry in found(closed, {"firewall": "leave"})} == {"firewall", "node-ports"}


def test_interception_that_the_site_trusts_is_told_and_stops_nothing() -> None:
    notes = [entry for entry in judge(survey()) if entry.severity == "note"]
    assert {entry.check for entry in notes} == {"tls-interception"}
    assert "Example Proxy Root" in notes[0].found


def test_without_a_proxy_a_closed_way_out_is_a_warning() -> None:
    silent = {name: {"origins": origin(STORE, "failed: the name is not known", via="direct")} for name in samples.NAMES}
    entries = found(silent, {"proxy": "", "extra_roots": ()})
    assert {(entry.check, entry.severity) for entry in entries} == {("origins", "warning")}


def test_a_skipped_check_is_listed_with_its_reason() -> None:
    skips = {"skipped": (Skipped(check="swap", host="node1", reason="a trial"), Skipped(check="cores", host=None, reason="small"))}
    swapping: Changes = {name: {"swaps": "Filename\n/dev/dm-1 partition", "cores": 1} for name in ("node1", "node2")}
    seen = survey(swapping, skips)
    result = report(judge(seen), seen.wanted)
    assert [(entry.check, entry.host) for entry in result.findings if entry.severity != "note"] == [("swap", "node2")]
    assert {(entry.check, reason) for entry, reason in result.skipped} == {("swap", "a trial"), ("cores", "small")}


def test_the_settings_know_every_check_and_no_other() -> None:
    assert tuple(CHECKS) == CHECK_NAMES


def test_every_check_that_judges_facts_has_a_defect_in_this_table() -> None:
    judging = {name for name, check in CHECKS.items() if check.scope != "deployer"}
    assert judging - {"clock"} == {defect[0] for defect in DEFECTS}


def test_the_time_of_the_samples_is_used() -> None:
    assert survey().facts["node1"].time == NOW
