"""What prepare leaves on a host, again and again, cut half way, and how it is taken back."""

from __future__ import annotations

import hashlib
import subprocess

import pytest

from mlops.hosts import script_version
from tests.hosts.conftest import HostMaker, PreparedHost, SayingHost
from tests.hosts.fake_host import FakeHost

RECORD = "var/lib/onprem-mlops/deployed/prepare"
# what changes a host; the rest only asks, or says what is so already
ACTS = ("apt-get", "dnf install", "zypper", "update-ca", "systemctl restart", "snap set", "snap unset", "snap install", "swapoff")


def prepare(host: FakeHost, values: dict[str, str], **changes: str) -> subprocess.CompletedProcess[str]:
    done = host.run("prepare", values | changes)
    assert done.returncode == 0, done.stderr
    return done


def acts(host: FakeHost) -> list[str]:
    return [call for call in host.calls if call.startswith(ACTS) or "--add-" in call or "--reload" in call]


@pytest.mark.parametrize("os_name", ["debian-12", "rocky-9", "leap-15.6"])
def test_a_second_run_changes_nothing(make_host: HostMaker, values: dict[str, str], os_name: str) -> None:
    host = make_host(os_name)
    if host.family == "redhat":
        host.know("firewalld", "")
    prepare(host, values, SELINUX="permissive")
    assert acts(host)
    before = host.tree()
    prepare(host, values, SELINUX="permissive")
    assert acts(host) == []
    assert host.tree() == before


@pytest.mark.parametrize(
    ("os_name", "step"),
    [
        ("debian-12", 18),
        ("rocky-9", 42),
        *(pytest.param(name, 6, marks=pytest.mark.long) for name in ("debian-12", "rocky-9")),
    ],
)
def test_a_run_that_is_cut_anywhere_is_taken_up_by_the_next(
    make_host: HostMaker, values: dict[str, str], os_name: str, step: int
) -> None:
    def swapping(folder: str) -> FakeHost:
        host = make_host(os_name, folder)
        host.know("firewalld", "")
        host.write("etc/fstab", "/dev/sda2 none swap sw 0 0\n")
        host.write("proc/swaps", "Filename\n/dev/sda2 partition 1 0 -2\n")
        return host

    whole = swapping("whole")
    prepare(whole, values, SELINUX="permissive")
    known = ("permanent", "runtime", "loaded", "packages", "selinux")

    def end(host: FakeHost) -> tuple[dict[str, str], ...]:
        files = {path: text.replace(str(host.folder), "") for path, text in host.tree().items()}
        # the order of rules and of modules loaded twice says nothing
        facts = {name: str(sorted(set((host.state / name).read_text().split("\n")))) for name in known}
        return {
            path: text for path, text in files.items() if path not in {RECORD, "var/lib/onprem-mlops/snapd-started-with"}
        }, facts

    wanted, calls = end(whole), len(whole.calls)
    assert calls > 30
    for number in range(1, calls + 1, step):
        host = swapping(f"cut{number}")
        assert host.run("prepare", values | {"SELINUX": "permissive"}, cut_at=number).returncode == -9
        assert not (host.root / RECORD).exists()
        prepare(host, values, SELINUX="permissive")
        assert end(host) == wanted, f"cut at {whole.calls[number - 1]}"


def test_what_was_left_is_recorded_as_it_is(prepared_host: PreparedHost, values: dict[str, str]) -> None:
    host = prepared_host("debian-12")
    file = host.root / RECORD
    assert file.stat().st_mode & 0o777 == 0o600
    record = host.record("prepare")
    files = {name.removeprefix(f"{host.root}/"): digests for (kind, name), digests in record.items() if kind == "file"}
    for path, [digest] in files.items():
        assert hashlib.sha256((host.root / path).read_bytes()).hexdigest() == digest, path
    assert {path.split("/")[-1] for path in files if "ca-certificates" not in path} == {
        *("90onprem-mlops-proxy", "onprem-mlops.conf", "90-onprem-mlops.conf")
    }
    assert sum("ca-certificates/onprem-mlops-" in path for path in files) == 2
    block = hashlib.sha256(f"{values['PROXY_ENVIRONMENT']}\n".encode()).hexdigest()
    assert record["block", f"{host.root}/etc/environment"] == [block]
    assert record["unit", "snapd.socket"] == ["enabled"]
    assert record["module", "nvme_tcp"] == []
    assert record["sysctl", "vm.nr_hugepages"] == ["1024"]
    assert record["machine", "0123456789abcdef0123456789abcdef"] == []
    assert record["version", script_version("prepare")] == []
    assert [path.name for path in file.parent.iterdir()] == ["prepare"], "no draft stays"


@pytest.mark.parametrize(("os_name", "packages"), [("debian-12", "apt"), ("rocky-9", "dnf"), ("leap-15.6", "zypper")])
def test_the_password_of_the_proxy_is_in_files_of_root_only_and_in_no_argument(
    hosts_prepared: SayingHost, os_name: str, packages: str
) -> None:
    host, said = hosts_prepared(os_name)
    assert not [call for call in host.calls if "p%40ss" in call or "p@ss" in call]
    assert "p%40ss" not in said
    holding = [path for path in host.root.rglob("*") if path.is_file() and "p%40ss" in path.read_text()]
    assert len(holding) == 2, packages
    assert [path for path in holding if path.stat().st_mode & 0o077] == []


def test_without_a_proxy_nothing_names_one_and_others_lines_stay(
    prepared_host: PreparedHost, make_host: HostMaker, values: dict[str, str]
) -> None:
    no_proxy = dict.fromkeys(
        ("PROXY_ENVIRONMENT", "PLAIN_PROXY", "TLS_PROXY", "DIRECT", "PROXY_PASSWORD", "PROXY_PASSWORD_IN_URL"), ""
    )
    host, never = prepared_host("leap-15.6"), make_host("leap-15.6", "never")
    assert "proxy.example" in host.read("etc/environment")
    prepare(host, values, **no_proxy)
    assert "systemctl restart snapd.service" in host.calls, "snapd's environment has changed"
    prepare(never, values, **no_proxy)
    for path in ("etc/environment", "etc/sysconfig/proxy"):
        assert host.read(path) == never.read(path)
    assert not [path for path in host.tree() if "snapd.service.d" in path]


def test_snapd_reads_the_proxy_from_the_environment_file_on_every_family(prepared_host: PreparedHost) -> None:
    host = prepared_host("rocky-9")
    drop_in = "etc/systemd/system/snapd.service.d/onprem-mlops.conf"
    assert host.read(drop_in) == "[Service]\nEnvironmentFile=-/etc/environment\n"
    assert host.calls.index("systemctl daemon-reload") < host.calls.index("systemctl restart snapd.service")


def test_snapd_is_started_again_when_the_run_that_changed_its_proxy_was_cut(
    prepared_host: PreparedHost, values: dict[str, str]
) -> None:
    host = prepared_host("debian-12")
    changed = {"PROXY_ENVIRONMENT": 'HTTPS_PROXY="http://other.example:3128"'}
    assert host.run("prepare", values | changed, cut_at=2).returncode == -9
    assert "other.example" in host.read("etc/environment")
    assert "systemctl restart snapd.service" not in host.calls
    prepare(host, values, **changed)
    assert "systemctl restart snapd.service" in host.calls
    prepare(host, values, **changed)
    assert "systemctl restart snapd.service" not in host.calls


def test_a_certificate_that_is_no_longer_wanted_goes_from_both_stores(
    prepared_host: PreparedHost, values: dict[str, str], certificates: list[str]
) -> None:
    host = prepared_host("debian-13")
    prepare(host, values, CERTIFICATES=certificates[1])
    assert certificates[2] not in host.read("etc/ssl/certs/ca-certificates.crt")
    for directory in ("usr/local/share/ca-certificates", "var/lib/snapd/ssl/store-certs"):
        assert [path.read_text() for path in (host.root / directory).iterdir()] == [certificates[1]]
    assert "systemctl restart snapd.service" in host.calls


@pytest.mark.parametrize(
    ("os_name", "offline", "before", "after"),
    [
        ("debian-12", "no", "2.57.6", "2.68"),
        ("debian-12", "yes", "2.57.6", "2.57.6"),
        ("rocky-9", "no", "2.58", "2.58"),
        ("rocky-9", "yes", "2.57.6", "2.57.6"),
    ],
)
def test_an_old_snapd_gives_way_to_the_snap(  # noqa: PLR0917 - the table's columns
    make_host: HostMaker, values: dict[str, str], os_name: str, offline: str, before: str, after: str
) -> None:
    host = make_host(os_name)
    host.know("snapd", f"{before}\n")
    prepare(host, values, OFFLINE=offline)
    assert (host.state / "snapd").read_text() == f"{after}\n"


def test_an_old_snapd_is_told_where_the_snap_cannot_take_its_place(make_host: HostMaker, values: dict[str, str]) -> None:
    host = make_host("rocky-9")
    host.know("snapd", "2.57.6\n")
    done = host.run("prepare", values)
    assert done.returncode == 1
    for part in ("found: snapd 2.57.6", "allowed: 2.58 or newer", "mend: update the package snapd"):
        assert part in done.stderr


@pytest.mark.parametrize(
    ("key", "there", "ends"),
    [
        ("fs.inotify.max_user_watches", "8192", "1255360"),
        ("fs.inotify.max_user_watches", "4000000", "4000000"),
        ("vm.nr_hugepages", "2048", "2048"),
        ("net.ipv4.ip_forward", "0", "1"),
    ],
)
def test_a_setting_that_is_larger_already_stays(
    make_host: HostMaker, values: dict[str, str], key: str, there: str, ends: str
) -> None:
    host = make_host("debian-12")
    host.know(f"sysctl/{key}", f"{there}\n")
    prepare(host, values)
    assert f"{key} = {ends}\n" in host.read("etc/sysctl.d/90-onprem-mlops.conf")
    assert host.record("prepare")["sysctl", key] == [ends]


def test_a_setting_that_reads_otherwise_is_a_problem(make_host: HostMaker, values: dict[str, str]) -> None:
    host = make_host("debian-12")
    host.write("etc/sysctl.d/99-hardening.conf", "net.ipv4.ip_forward = 0\n")
    host.know("few-hugepages", "700\n")
    done = host.run("prepare", values)
    assert done.returncode == 1
    for part in (
        "sysctl net.ipv4.ip_forward reads 0",
        "grep -r 'net.ipv4.ip_forward'",
        "700 hugepages of 2 MiB",
        "reboot the host",
    ):
        assert part in done.stderr


def test_only_storage_hosts_get_hugepages_and_nvme(make_host: HostMaker, values: dict[str, str]) -> None:
    host = make_host("debian-12")
    prepare(host, values, STORAGE="no")
    assert "hugepages" not in host.read("etc/sysctl.d/90-onprem-mlops.conf")
    assert "nvme" not in host.read("etc/modules-load.d/onprem-mlops.conf")


def test_pages_of_another_size_are_not_counted_in_thousands(make_host: HostMaker, values: dict[str, str]) -> None:
    host = make_host("debian-12")
    host.write("proc/meminfo", "MemTotal: 64 kB\nHugepagesize:    1048576 kB\n")
    done = host.run("prepare", values)
    assert done.returncode == 1
    assert "found: huge pages of 1048576 kB by default" in done.stderr
    assert "nr_hugepages" not in host.read("etc/sysctl.d/90-onprem-mlops.conf")
    prepare(host, values, STORAGE="no")
    host.write("proc/meminfo", "MemTotal: 64 kB\nHugepagesize:       2048 kB\n")
    prepare(host, values)
    assert "vm.nr_hugepages = 1024\n" in host.read("etc/sysctl.d/90-onprem-mlops.conf")


FSTAB = (
    "UUID=1 / ext4 defaults 0 1\n# /dev/sdb1 none swap sw 0 0\n/swap.img\tnone\tswap\tsw\t0\t0\n"
    "UUID=2 swap swap defaults 0 0\nUUID=3 /swap ext4 defaults 0 2\n"
)


def test_swap_goes_now_and_for_the_next_boot_and_comes_back(make_host: HostMaker, values: dict[str, str]) -> None:
    host = make_host("debian-12")
    host.write("etc/fstab", FSTAB)
    (host.root / "etc/fstab").chmod(0o600)
    host.write("proc/swaps", "Filename Type\n/swap.img file\n")
    done = prepare(host, values)
    assert (host.root / "etc/fstab").stat().st_mode & 0o777 == 0o600
    mark = "# onprem-mlops: swap is off: "
    lines = host.read("etc/fstab").splitlines()
    assert [line for line in lines if line.startswith(mark)] == [
        f"{mark}/swap.img\tnone\tswap\tsw\t0\t0",
        f"{mark}UUID=2 swap swap defaults 0 0",
    ]
    assert "swap is taken out of" in done.stdout
    assert "swap is switched off" in done.stdout
    assert host.run("depart", {"HOST_NAME": "node1"}, call="unprepare").returncode == 0
    assert host.read("etc/fstab") == FSTAB


def test_swap_that_stays_is_a_problem(make_host: HostMaker, values: dict[str, str]) -> None:
    host = make_host("debian-12")
    host.write("proc/swaps", "Filename Type\n/dev/zram0 partition\n")
    host.know("stubborn-swap", "")
    done = host.run("prepare", values)
    assert done.returncode == 1
    assert "found: swap on /dev/zram0" in done.stderr


RULES = (
    *("trusted source=10.1.0.0/16", "trusted source=10.152.183.0/24", "trusted source=192.0.2.11", "trusted source=192.0.2.12"),
    *(
        "trusted interface=vxlan.calico",
        "trusted interface=cali+",
        "public masquerade",
        "public port=16443/tcp",
        "public port=80/tcp",
    ),
    *("public port=443/tcp", "public port=30000-32767/tcp", "public port=30000-32767/udp"),
)


def test_a_running_firewalld_lets_the_cluster_through_now_and_after_a_boot(make_host: HostMaker, values: dict[str, str]) -> None:
    host = make_host("rocky-9")
    host.know("firewalld", "")
    prepare(host, values)
    for kept in ("permanent", "runtime"):
        assert (host.state / kept).read_text().splitlines() == list(RULES)
    prepare(host, values, FIREWALL_SOURCES="10.1.0.0/16 10.152.183.0/24 192.0.2.11 192.0.2.13")
    for kept in ("permanent", "runtime"):
        rules = (host.state / kept).read_text().splitlines()
        assert "trusted source=192.0.2.12" not in rules, "a host that is no more"
        assert "trusted source=192.0.2.13" in rules


def test_only_the_rules_that_were_added_are_taken_away(make_host: HostMaker, values: dict[str, str]) -> None:
    host = make_host("rocky-9")
    host.know("firewalld", "")
    for kept in ("permanent", "runtime"):
        host.know(kept, "public port=443/tcp\npublic port=22/tcp\n")
    prepare(host, values)
    assert host.run("depart", {"HOST_NAME": "node1"}, call="unprepare").returncode == 0
    for kept in ("permanent", "runtime"):
        assert (host.state / kept).read_text() == "public port=443/tcp\npublic port=22/tcp\n"


def test_rules_that_others_have_set_until_the_next_boot_stay(make_host: HostMaker, values: dict[str, str]) -> None:
    host = make_host("rocky-9")
    host.know("firewalld", "")
    host.know("runtime", "public port=9999/tcp\n")
    prepare(host, values)
    assert (host.state / "runtime").read_text().splitlines() == ["public port=9999/tcp", *RULES]
    assert (host.state / "permanent").read_text().splitlines() == list(RULES)


@pytest.mark.parametrize(("runs", "setting"), [(True, "leave"), (False, "open")])
def test_the_firewall_is_left_alone(make_host: HostMaker, values: dict[str, str], runs: bool, setting: str) -> None:
    host = make_host("rocky-9")
    if runs:
        host.know("firewalld", "")
    prepare(host, values, FIREWALL=setting)
    assert not [call for call in host.calls if call.startswith("firewall-cmd") and "--state" not in call]


@pytest.mark.parametrize(
    ("setting", "now", "file"), [("leave", "Enforcing", "enforcing"), ("permissive", "Permissive", "permissive")]
)
def test_selinux_is_touched_only_when_asked(
    make_host: HostMaker, values: dict[str, str], setting: str, now: str, file: str
) -> None:
    host = make_host("rocky-9")
    prepare(host, values, SELINUX=setting)
    assert (host.state / "selinux").read_text() == f"{now}\n"
    assert f"\nSELINUX={file}\n" in host.read("etc/selinux/config")
    assert host.run("depart", {"HOST_NAME": "node1"}, call="unprepare").returncode == 0
    assert (host.state / "selinux").read_text() == "Enforcing\n"
    assert "\nSELINUX=enforcing\n" in host.read("etc/selinux/config")


@pytest.mark.parametrize("os_name", ["debian-12", "rocky-9", "leap-15.6"])
def test_a_removed_host_gets_back_what_it_had(make_host: HostMaker, values: dict[str, str], os_name: str) -> None:
    host = make_host(os_name)
    if host.family == "redhat":
        host.know("firewalld", "")
    host.write("etc/fstab", FSTAB)
    before = host.tree()
    prepare(host, values, SELINUX="permissive")
    for _ in range(2):
        done = host.run("depart", {"HOST_NAME": "node1"}, call="unprepare")
        assert done.returncode == 0, done.stderr
    after = host.tree()
    for bundle in ("etc/ssl/certs/ca-certificates.crt", "etc/pki/tls/certs/ca-bundle.crt", "etc/ssl/ca-bundle.pem"):
        after.pop(bundle, None)
    after.pop("var/lib/onprem-mlops/deployed/.depart", None)
    assert after == before
