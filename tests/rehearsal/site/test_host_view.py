"""What a throw-away host sees of hardware and kernel, and the stand-ins that change it; without a host that runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlops.rehearsal.site import devices, kernel
from mlops.rehearsal.site.daemon import Call, Reply
from mlops.rehearsal.site.facts import GIB, Disk, HostFacts
from mlops.rehearsal.site.host import Host
from mlops.rehearsal.site.network import Network
from mlops.rehearsal.site.rooted import inside
from mlops.rehearsal.site.spec import SiteSpec
from tests.rehearsal.site.site_for_tests import make_site

DATA = Disk("vdb", 500 * GIB, by_id="nvme-data")
USED = Disk("vdc", 10 * GIB, by_id="nvme-used", partitions=("xfs", ""))


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A host whose disk is there, but which does not run."""
    spec = make_site().spec
    made = Host(spec.host("node1"), tmp_path / "node1", Network(spec, tmp_path / "netns"))
    for path in (made.shared, made.root / "etc"):
        path.mkdir(parents=True)
    made.view.boot(made.facts)
    return made


def read(host: Host, name: str) -> str:
    return (host.view.directory / name).read_text()


def call(line: str, user: int = 0) -> Call:
    return Call("node1", tuple(line.split()), user)


def test_the_usual_facts_are_those_of_a_suitable_machine(host: Host) -> None:
    assert read(host, "proc/cpuinfo").count("processor\t:") == 16
    assert "sse4_2" in read(host, "proc/cpuinfo")
    assert "MemTotal:       67108864 kB" in read(host, "proc/meminfo")
    assert read(host, "proc/swaps").count("\n") == 1
    assert "memory" in read(host, "sys/fs/cgroup/cgroup.controllers")
    assert read(host, "proc-sys/fs/inotify/max_user_instances") == "128\n"
    assert read(host, "proc-sys/kernel/osrelease") == "6.1.0-31-amd64\n"
    assert (host.shared / "var").read_text() == "209715200 20971520 188743680 10%\n"


@pytest.mark.parametrize(
    ("facts", "file", "text"),
    [
        ({"cores": 2}, "sys/devices/system/cpu/online", "0-1\n"),
        ({"cpu_flags": ("fpu",)}, "proc/cpuinfo", "flags\t\t: fpu\n"),
        ({"memory_kib": 8 * 1024**2}, "proc/meminfo", "MemTotal:        8388608 kB"),
        ({"swaps": ("/dev/vda3",)}, "proc/swaps", "/dev/vda3"),
        ({"nvme_multipath": "N"}, "sys/module/nvme_core/parameters/multipath", "N\n"),
        ({"selinux": "enforcing"}, "sys/fs/selinux/enforce", "1\n"),
        ({"kernel": "4.18.0-553.el8"}, "proc/version", "4.18.0-553.el8"),
        ({"sysctls": {"fs.inotify.max_user_watches": "8192"}}, "proc-sys/fs/inotify/max_user_watches", "8192\n"),
        ({"mtu": 9000}, "sys/class/net/eth0/mtu", "9000\n"),
        ({"disks": (DATA,)}, "sys/block/vdb/size", str(500 * GIB // 512)),
        ({"host_name": "other"}, "proc-sys/kernel/hostname", "other\n"),
    ],
)
def test_a_fact_shows_where_scripts_look_also_when_it_changes(host: Host, facts: dict[str, object], file: str, text: str) -> None:
    path = host.view.directory / file
    before = path.read_text() if path.exists() else ""
    assert text not in before
    hold = path.open() if before else None
    host.view.change(HostFacts(**facts))  # type: ignore[arg-type] # a table of them
    assert text in path.read_text()
    if hold:
        with hold:
            assert text in hold.read(), "the file that is mounted would be another one"


def test_what_the_facts_no_longer_say_is_gone(host: Host) -> None:
    host.view.change(HostFacts(selinux="enforcing", firewalld="running"))
    assert sorted(path.name for path in (host.view.directory / "bin").iterdir()) == [
        "firewall-cmd",
        "getenforce",
        "sestatus",
        "setenforce",
    ]
    host.view.change(HostFacts(cgroup=1))
    assert list((host.view.directory / "bin").iterdir()) == []
    assert not (host.view.directory / "sys/fs/cgroup/cgroup.controllers").exists()
    assert not (host.view.directory / "sys/fs/selinux").exists()


@pytest.mark.parametrize(
    ("line", "user", "code", "says"),
    [
        ("sysctl -n fs.inotify.max_user_instances", 1000, 0, "128\n"),
        ("sysctl fs.inotify.max_user_instances", 1000, 0, "fs.inotify.max_user_instances = 128\n"),
        ("sysctl -w fs.inotify.max_user_instances=2280", 0, 0, "fs.inotify.max_user_instances = 2280\n"),
        ("sysctl -q -w fs.inotify.max_user_instances=2280", 0, 0, ""),
        ("sysctl -w fs.inotify.max_user_instances=2280", 1000, 1, 'permission denied on key "fs.inotify.max_user_instances"'),
        ("sysctl -w fs.inotify.max_user_instances=many", 0, 1, "Invalid argument"),
        ("sysctl -n net.bridge.bridge-nf-call-iptables", 0, 1, "cannot stat /proc/sys/net/bridge/bridge-nf-call-iptables"),
        ("sysctl -e -n net.bridge.bridge-nf-call-iptables", 0, 0, ""),
        ("modprobe -nq nvme_tcp", 1000, 0, ""),
        ("modprobe -n -q -a nvme_tcp no_such", 1000, 1, ""),
        ("modprobe no-such", 0, 1, "Module no-such not found in directory /lib/modules/6.1.0-31-amd64"),
        ("modprobe nvme_tcp", 1000, 1, "Operation not permitted"),
        ("swapoff -a", 1000, 1, "Operation not permitted"),
        ("swapoff /dev/none", 0, 4, "Invalid argument"),
    ],
)
def test_what_the_kernels_programs_answer(host: Host, line: str, user: int, code: int, says: str) -> None:
    programs = {"sysctl": kernel.sysctl, "modprobe": kernel.modprobe, "swapoff": kernel.swapoff}
    reply = programs[line.split(maxsplit=1)[0]](host, call(line, user))
    assert reply.code == code
    assert says in (reply.out + reply.err)
    assert says or not (reply.out + reply.err)


def test_hugepages_are_no_more_than_the_kernel_can_give(host: Host) -> None:
    host.view.change(HostFacts(hugepages_available=700))
    kernel.sysctl(host, call("sysctl -w vm.nr_hugepages=1024"))
    assert kernel.sysctl(host, call("sysctl -n vm.nr_hugepages")).out == "700\n"
    assert "HugePages_Total:     700" in read(host, "proc/meminfo")
    assert host.view.written == {"vm.nr_hugepages": "700"}


def test_a_module_brings_what_it_needs_and_its_settings(host: Host) -> None:
    host.view.change(HostFacts(loaded=()))
    assert not (host.view.directory / "sys/module/nvme_core").exists()
    assert kernel.modprobe(host, call("modprobe -a nvme-tcp br_netfilter")).code == 0
    assert read(host, "sys/module/nvme_core/parameters/multipath") == "Y\n"
    assert kernel.sysctl(host, call("sysctl -n net.bridge.bridge-nf-call-iptables")).out == "1\n"
    assert kernel.modprobe(host, call("modprobe -r nvme_tcp")).code == 0
    assert not (host.view.directory / "sys/module/nvme_tcp").exists()


def test_a_package_can_bring_a_module(host: Host) -> None:
    host.view.change(HostFacts(modules=()))
    assert kernel.modprobe(host, call("modprobe -nq nvme_tcp")).code == 1
    extra = host.root / "lib/modules/6.1.0-31-amd64/extra"
    extra.mkdir(parents=True)
    (extra / "nvme-tcp.ko").touch()
    assert kernel.modprobe(host, call("modprobe -nq nvme_tcp")).code == 0


def test_what_is_not_written_down_is_gone_after_a_boot(host: Host) -> None:
    (host.root / "etc/fstab").write_text("/dev/vda1 / ext4 defaults 0 1\n/dev/vda3 none swap sw 0 0\n#/dev/vda4 none swap sw 0 0\n")
    host.view.boot(host.facts)
    assert host.view.swaps == ("/dev/vda3",)
    kernel.swapoff(host, call("swapoff -a"))
    kernel.modprobe(host, call("modprobe vxlan"))
    kernel.modprobe(host, call("modprobe nvme_tcp"))
    kernel.sysctl(host, call("sysctl -w fs.aio-max-nr=1048576"))
    kernel.sysctl(host, call("sysctl -w vm.swappiness=1"))
    for name, text in (("modules-load.d/a.conf", "# ours\nnvme_tcp\n"), ("sysctl.d/90-a.conf", "fs.aio-max-nr = 1048576\n")):
        (host.root / "etc" / name).parent.mkdir()
        (host.root / "etc" / name).write_text(text)
    assert "/dev/vda3" not in read(host, "proc/swaps")
    host.view.boot(host.facts)
    assert "/dev/vda3" in read(host, "proc/swaps")
    assert (host.view.directory / "sys/module/nvme_tcp").is_dir()
    assert not (host.view.directory / "sys/module/vxlan").exists()
    assert read(host, "proc-sys/fs/aio-max-nr") == "1048576\n"
    assert read(host, "proc-sys/vm/swappiness") == "60\n"


def test_all_files_of_settings_are_read(host: Host) -> None:
    (host.root / "etc/sysctl.d").mkdir()
    (host.root / "etc/sysctl.d/90-a.conf").write_text("; ours\nfs.inotify.max_user_instances=2280\n")
    (host.root / "etc/sysctl.conf").write_text("vm.max_map_count=262144\n")
    assert kernel.sysctl(host, call("sysctl --system")).code == 0
    assert host.view.written == {"fs.inotify.max_user_instances": "2280", "vm.max_map_count": "262144"}


def test_lsblk_and_blkid_tell_an_empty_disk_from_a_used_one() -> None:
    facts = HostFacts(disks=(DATA, USED))

    def tree(path: str) -> dict[str, object]:
        reply = devices.lsblk(facts, call(f"lsblk -J -b -o PATH,TYPE,SIZE,FSTYPE,PTTYPE,MOUNTPOINT {path}"))
        (found,) = json.loads(reply.out)["blockdevices"]
        assert isinstance(found, dict)
        return found

    empty = {"path": "/dev/vdb", "type": "disk", "size": 500 * GIB, "fstype": None, "pttype": None, "mountpoint": None}
    assert tree("/dev/disk/by-id/nvme-data") == empty
    used = tree("/dev/vdc")
    assert used["pttype"] == "gpt"
    assert used["children"] == [
        {"path": f"/dev/vdc{n}", "type": "part", "size": 5 * GIB, "fstype": fstype, "pttype": "gpt", "mountpoint": None}
        for n, fstype in ((1, "xfs"), (2, None))
    ]
    assert devices.blkid(facts, call("blkid -p /dev/vdb")) == Reply(2)
    assert devices.blkid(facts, call("blkid -o value -s TYPE /dev/vdc1")).out == "xfs\n"
    assert devices.blkid(facts, call("blkid -p -s PTTYPE -o value /dev/disk/by-id/nvme-used")).out == "gpt\n"


@pytest.mark.parametrize(
    ("line", "code", "out"),
    [
        ("lsblk -dno NAME", 0, "vda\nvdb\n"),
        ("lsblk -n -d -b -o NAME,SIZE /dev/vdb", 0, f"vdb {500 * GIB}\n"),
        ("lsblk -d -o NAME,SIZE /dev/vdb", 0, "NAME SIZE\nvdb 500G\n"),
        ("lsblk -nrpo NAME,MOUNTPOINT /dev/vda", 0, "/dev/vda\n/dev/vda1 /\n"),
        ("lsblk -P -d -o NAME,FSTYPE /dev/vdb", 0, 'NAME="vdb" FSTYPE=""\n'),
        ("lsblk /dev/vdz", 32, ""),
        ("lsblk -o NONE", 1, ""),
    ],
)
def test_ways_of_asking_lsblk(line: str, code: int, out: str) -> None:
    facts = HostFacts(disks=(*HostFacts().disks, DATA))
    reply = devices.lsblk(facts, call(line))
    assert (reply.code, reply.out) == (code, out)
    assert bool(reply.err) == bool(code)


@pytest.mark.parametrize(
    ("links", "path", "found"),
    [
        ({}, "/etc/a", "etc/a"),
        ({"snap": "/var/lib/snapd/snap"}, "/snap/bin/microk8s", "var/lib/snapd/snap/bin/microk8s"),
        ({"a": "../../b"}, "/a/c", "b/c"),
        ({"a": "/b", "b": "c"}, "/a/../d", "d"),
    ],
)
def test_links_of_a_host_stay_on_it(tmp_path: Path, links: dict[str, str], path: str, found: str) -> None:
    for name, target in links.items():
        (tmp_path / name).symlink_to(target)
    assert inside(tmp_path, path) == tmp_path / found


def test_links_in_a_circle_are_told(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="too many links"):
        inside(tmp_path, "/a")


def test_facts_and_systems_are_saved_with_the_site(tmp_path: Path) -> None:
    facts = HostFacts(disks=(DATA, USED), sysctls={"vm.swappiness": "1"}, swaps=("/dev/vda3",), cgroup=1)
    site = make_site(systems={"node2": "rocky-9-stand-in"}, facts={"node3": facts})
    loaded = SiteSpec.load(site.write(tmp_path))
    assert loaded == site.spec
    assert loaded.host("node3").facts == facts
    assert loaded.systems == ("debian-12", "rocky-9-stand-in")
