"""Runs inside a frame (test_doctor_on_a_site.py starts it): probes of real SSH hosts, clean and with seeded defects."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from mlops.hosts import compose
from mlops.hosts.checks import Finding
from mlops.hosts.examination import Question, examine
from mlops.rehearsal.site.facts import Disk, HostFacts
from mlops.rehearsal.site.pki import Authority
from mlops.rehearsal.site.site import ThrowAwaySite
from tests.hosts.doctor.site_file import DISK
from tests.hosts.values import values_of

FOLDER = Path(os.environ.get("SITE_TEST_KEYS", "."))
# Found on the machine that runs the tests, which has no engine, and no way out.
ELSEWHERE = {"passphrase", "state-backend", "origins"}


def findings(name: str = "test", **changes: Any) -> list[Finding]:
    question = Question(FOLDER / f"Pulumi.{name}.yaml", name, lambda _: None, against_records=False, hosts=())
    return [entry for entry in examine(question, lambda *_: None).findings if entry.check not in ELSEWHERE]


@contextmanager
def seeded(site: ThrowAwaySite, host: str, **facts: Any) -> Iterator[None]:
    before = {name: getattr(site.hosts[host].facts, name) for name in facts}
    site.hosts[host].set_fact(**facts)
    try:
        yield
    finally:
        site.hosts[host].set_fact(**before)


def test_clean_hosts_have_no_finding(inside_site: ThrowAwaySite) -> None:
    assert findings() == []


def test_they_are_reached_through_the_bastion(inside_site: ThrowAwaySite) -> None:
    assert findings("jump") == []


PLAIN = HostFacts().disks
STOCK = HostFacts().modules
Defects = dict[str, tuple[str, Any]]
# host -> check -> fact that is changed; what can be seen at once is changed at once, as each examination takes seconds
SEEDED: list[dict[str, Defects]] = [
    {
        "node2": {
            "cores": ("cores", 1),
            "memory": ("memory_kib", 1024 * 1024),
            "disk": ("var_used_percent", 95),
            "cgroup": ("cgroup", 1),
            "swap": ("swaps", ("/dev/vdc",)),
            "time-sync": ("ntp_synchronized", False),
            "clock": ("clock_offset", 300),
            "selinux": ("selinux", "enforcing"),
            "modules": ("modules", tuple(name for name in STOCK if name != "br_netfilter")),
        },
        "node3": {
            "cpu-flags": ("cpu_flags", ("fpu", "avx")),
            "data-disks": ("disks", PLAIN),
            "nvme-tcp": ("modules", tuple(name for name in STOCK if name != "nvme_tcp")),
        },
    },
    {
        "node1": {"ip-tables": ("modules", tuple(name for name in STOCK if name not in {"ip_tables", "nf_tables"}))},
        "node2": {"mtu": ("mtu", 1400), "host-name": ("host_name", "other"), "clock": ("clock_offset", -300)},
        "node3": {"data-disks": ("disks", (*PLAIN, Disk("vdb", by_id=Path(DISK).name, fstype="LVM2_member")))},
    },
    {"node3": {"data-disks": ("disks", (*PLAIN, Disk("vdb", by_id=Path(DISK).name, partitions=("ext4",))))}},
]


@pytest.mark.parametrize("seeds", SEEDED, ids=["machines", "systems", "partitions"])
def test_seeded_defects_are_found_and_no_other(inside_site: ThrowAwaySite, seeds: dict[str, Defects]) -> None:
    with ExitStack() as stack:
        for host, defects in seeds.items():
            stack.enter_context(seeded(inside_site, host, **dict(defects.values())))
        found = findings()
    # of the whole site, and so of no host
    told = {(entry.check, "" if entry.check == "mtu" else entry.host) for entry in found}
    assert told == {(check, "" if check == "mtu" else host) for host, defects in seeds.items() for check in defects}


def test_a_host_without_power_is_one_finding(inside_site: ThrowAwaySite) -> None:
    inside_site.power_off("node2")
    began = time.monotonic()
    found = findings()
    inside_site.power_on("node2")
    assert [(entry.check, entry.host) for entry in found] == [("reachable", "node2")]
    assert time.monotonic() - began < 30


def test_a_host_whose_sudo_asks_and_a_network_that_is_routed_already(inside_site: ThrowAwaySite) -> None:
    node1, node2 = inside_site.hosts["node1"], inside_site.hosts["node2"]
    route = ["ip", "route", "add", "10.1.0.0/16", "dev", "eth0"]
    assert node1.run(route).returncode == 0
    assert node2.run(["mv", "/etc/sudoers.d/site", "/root/site"]).returncode == 0
    found = findings()
    assert node2.run(["mv", "/root/site", "/etc/sudoers.d/site"]).returncode == 0
    assert node1.run([word.replace("add", "del") for word in route]).returncode == 0
    assert {(entry.check, entry.host) for entry in found} == {("routes", "node1"), ("sudo", "node2")}
    assert "NOPASSWD" in next(entry.mend for entry in found if entry.check == "sudo")


def test_a_bastion_that_is_down_is_told_as_that(inside_site: ThrowAwaySite) -> None:
    inside_site.power_off("bastion")
    found = findings("jump")
    inside_site.power_on("bastion")
    assert {entry.check for entry in found} == {"reachable"}
    assert all(entry.found.startswith("bastion jump@192.168.60.2") for entry in found)


def drifted() -> list[tuple[str, str, str]]:
    question = Question(FOLDER / "Pulumi.test.yaml", "test", lambda _: None, against_records=True, hosts=())
    return [(entry.check, entry.host, entry.found) for entry in examine(question, lambda *_: None).findings]


def test_hosts_that_nobody_has_prepared_have_no_record(inside_site: ThrowAwaySite) -> None:
    assert {(check, host) for check, host, _ in drifted()} == {("record", host.name) for host in inside_site.spec.hosts}


def test_prepared_hosts_have_no_drift_until_somebody_changes_them(inside_site: ThrowAwaySite) -> None:
    roots = (Authority("root of the site").pair.certificate,)
    for host in inside_site.spec.hosts:
        script = compose("prepare", values=values_of(host.name, host.address, roots), secrets=("PROXY_PASSWORD",))
        done = inside_site.hosts[host.name].run(["bash", "-s", "--", "apply"], stdin=script)
        assert done.returncode == 0, done.stdout + done.stderr
    assert drifted() == []
    changes = {
        "node1": "sed -i s/proxy.example/other.example/ /etc/environment; systemctl disable snapd.socket",
        "node2": "sysctl -w fs.inotify.max_user_watches=1000",
        "node3": "rm /etc/sysctl.d/90-onprem-mlops.conf",
    }
    for name, command in changes.items():
        done = inside_site.hosts[name].run(["bash", "-ec", command])
        assert done.returncode == 0, done.stderr
    inside_site.hosts["node3"].set_fact(machine_id="f" * 32)
    found = {(check, host) for check, host, _ in drifted()}
    assert found == {("block", "node1"), ("unit", "node1"), ("sysctl", "node2"), ("file", "node3"), ("machine-id", "node3")}
