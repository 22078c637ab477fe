"""Runs inside a frame (test_prepare_on_hosts.py starts it): step prepare on hosts of every family, over SSH, as a user with sudo.

Real: the scripts, apt, dnf, zypper, rpm, update-ca-certificates of Debian, openssl, sudo, sshd. Stand-ins: snap, systemctl,
modprobe, sysctl, swapoff, firewall-cmd, SELinux, and the trust tools of the other families.
"""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path

import pytest

from mlops.hosts import LAUNCHER, compose
from mlops.rehearsal.site.host import Host
from mlops.rehearsal.site.pki import Authority
from mlops.rehearsal.site.site import ThrowAwaySite
from tests.host.run import run_suites
from tests.hosts.values import values_of

KEYS = Path(os.environ.get("SITE_TEST_KEYS", "."))
HOSTS = ("node1", "node2", "node3", "bastion")
DAMAGED = "node1"
"""A host of Debian's family."""
BUNDLE = {
    "debian": "/etc/ssl/certs/ca-certificates.crt",
    "redhat": "/etc/pki/tls/certs/ca-bundle.crt",
    "suse": "/etc/ssl/ca-bundle.pem",
}


@cache
def roots() -> tuple[str, ...]:
    return tuple(Authority(name).pair.certificate.strip() + "\n" for name in ("root of the site", "proxy"))


def over_ssh(host: Host, script: str) -> subprocess.CompletedProcess[str]:
    options = ["-F", "none", "-i", str(KEYS / "id"), "-o", "BatchMode=yes", "-o", f"UserKnownHostsFile={KEYS}/known_hosts"]
    argv = ["ssh", *options, f"{host.spec.user}@{host.spec.address}", LAUNCHER]
    return subprocess.run(argv, input=script, capture_output=True, text=True, check=False, timeout=120)


def prepare(host: Host, **changes: str) -> subprocess.CompletedProcess[str]:
    values = values_of(host.name, host.spec.address, roots()) | changes
    return over_ssh(host, compose("prepare", values=values, secrets=("PROXY_PASSWORD", "PROXY_PASSWORD_IN_URL")))


def shell(host: Host, command: str) -> str:
    done = host.run(["bash", "-ec", command])
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", HOSTS)
def test_a_host_is_prepared_twice_and_the_second_time_nothing_changes(inside_site: ThrowAwaySite, name: str) -> None:
    host = inside_site.hosts[name]
    done = prepare(host)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith(f"host {name} is prepared\n")
    assert "p%40ss" not in done.stdout + done.stderr
    everything = "find /etc /usr/local/share /var/lib/onprem-mlops -newer /run/before -type f ! -name onprem-mlops.lock"
    shell(host, "touch /run/before")
    again = prepare(host)
    assert again.returncode == 0, again.stderr
    assert shell(host, everything).split() == ["/var/lib/onprem-mlops/deployed/prepare"]


@pytest.mark.parametrize("name", HOSTS)
def test_the_host_trusts_the_sites_certificates_by_its_own_store(inside_site: ThrowAwaySite, name: str) -> None:
    host = inside_site.hosts[name]
    bundle = shell(host, f"cat {BUNDLE[host.system.family]}")
    assert [root for root in roots() if root.strip() not in bundle] == []
    assert shell(host, "ls /var/lib/snapd/ssl/store-certs").count("onprem-mlops-") == 2


@pytest.mark.parametrize("name", HOSTS)
def test_what_the_record_says_is_so(inside_site: ThrowAwaySite, name: str) -> None:
    host = inside_site.hosts[name]
    record = [line.split("\t") for line in shell(host, "cat /var/lib/onprem-mlops/deployed/prepare").splitlines()]
    for kind, thing, *values in record:
        if kind == "file":
            assert shell(host, f"sha256sum <{thing}").split()[0] == values[0]
        elif kind == "sysctl":
            assert shell(host, f"sysctl -n {thing}").strip() == values[0]
        elif kind == "module":
            assert shell(host, f"ls -d /sys/module/{thing}").strip()
        elif kind == "machine":
            assert thing == host.machine_id
    assert {kind for kind, *_ in record} == {"file", "block", "sysctl", "module", "unit", "machine", "version"}


@pytest.mark.parametrize("name", HOSTS)
def test_the_package_manager_reads_what_was_written(inside_site: ThrowAwaySite, name: str) -> None:
    host = inside_site.hosts[name]
    asked = {
        "debian": ("apt-config dump Acquire::http::Proxy", 'Acquire::http::Proxy::mirror.example "DIRECT";'),
        "redhat": (
            "dnf config-manager --dump 2>/dev/null || dnf --version >/dev/null && cat /etc/dnf/dnf.conf",
            "proxy=http://svc:p%40ss@",
        ),
        "suse": (
            '. /etc/sysconfig/proxy; printf "%s %s\\n" "$PROXY_ENABLED" "$HTTPS_PROXY"',
            "yes http://svc:p%40ss@proxy.example:3128",
        ),
    }
    command, answer = asked[host.system.family]
    assert answer in shell(host, command)


def test_the_firewall_is_opened_swap_is_off_and_selinux_stays(inside_site: ThrowAwaySite) -> None:
    rocky, leap = inside_site.hosts["node2"], inside_site.hosts["node3"]
    for kept in ("", "--permanent"):
        assert "192.0.2.12" in shell(rocky, f"firewall-cmd {kept} --zone=trusted --list-sources")
        assert "16443/tcp" in shell(rocky, f"firewall-cmd {kept} --list-ports")
    assert shell(rocky, "getenforce") == "Enforcing\n"
    assert shell(leap, "wc -l </proc/swaps") == "1\n"
    assert "# onprem-mlops: swap is off: " in shell(leap, "cat /etc/fstab")


def test_snapd_is_there_and_new_enough(inside_site: ThrowAwaySite) -> None:
    for name in HOSTS:
        host = inside_site.hosts[name]
        version = shell(host, "snap version | awk '$1 == \"snapd\" {print $2}'").strip()
        assert [int(part) for part in version.split(".")[:2]] >= [2, 58], name
        if host.system.family != "debian":
            assert shell(host, "readlink /snap") == "/var/lib/snapd/snap\n"


def suites(host: Host) -> tuple[int, set[str], str]:
    """Runs the suites for nodes on a host; returns exit code, names of the tests that failed, and everything that they said."""
    done = run_suites(host.command(["sh", "-c"]), host=host.name, steps=["prepare"])
    failed = {line.split(" ", 3)[3] for line in done.stdout.splitlines() if line.startswith("not ok ")}
    return done.returncode, failed, done.stdout + done.stderr


@pytest.mark.parametrize("name", HOSTS)
def test_a_prepared_host_passes_the_suites_also_after_a_reboot(inside_site: ThrowAwaySite, name: str) -> None:
    code, failed, text = suites(inside_site.hosts[name])
    assert (code, failed) == (0, set()), text
    assert "ok 25 " in text
    assert text.count("# skip") < 10, text
    inside_site.reboot(name)
    code, failed, text = suites(inside_site.hosts[name])
    assert (code, failed) == (0, set()), text


@pytest.mark.parametrize("name", HOSTS)
def test_unprepare_leaves_the_files_as_they_were(inside_site: ThrowAwaySite, name: str) -> None:
    host = inside_site.hosts[name]
    script = compose("depart", values={"HOST_NAME": name, "RESET": "reset"})
    done = over_ssh(host, script.replace('main "$@"', "unprepare"))
    assert done.returncode == 0, done.stderr
    left = host.run(["sh", "-c", "grep -rIl onprem-mlops /etc /usr/local/share /var/lib; find /etc -name '*onprem-mlops*'"])
    assert left.stdout == "", name
    bundle = shell(host, f"cat {BUNDLE[host.system.family]}")
    assert [root for root in roots() if root.strip() in bundle] == []


DAMAGES = {
    "everywhere": {
        "rm /usr/local/share/ca-certificates/onprem*; update-ca-certificates --fresh": (
            "recorded files are as they were written",
            "the site's certificates lie in the drop directory, one a file",
            "each of them is trusted by the system's bundle",
        ),
        "modprobe -r vxlan": ("recorded modules are loaded",),
        "sysctl -w fs.inotify.max_user_watches=8192": (
            "recorded settings are in force",
            "enough inotify watches and instances for Kubeflow",
        ),
        "echo fs.aio-max-nr=1 > /etc/sysctl.d/99-other.conf": ("recorded settings are in force after a boot",),
        "sed -i s/.svc,// /etc/environment": (
            "recorded blocks are as they were written",
            "the host itself, this machine and the cluster are reached without it",
        ),
        "chmod 644 /etc/environment": ("a password in it is for root only",),
        "echo /dev/vda3 none swap sw 0 0 >> /etc/fstab": ("no swap is in use, nor after a boot",),
        "systemctl disable --now snapd.socket": ("recorded units are as they were left",),
        "echo 0 > /etc/machine-id": ("records are of this machine",),
        "chmod 644 /var/lib/onprem-mlops/deployed/prepare": ("every step that writes has a record, for root only",),
        "touch /var/lib/onprem-mlops/deployed/.prepare": ("no record is half written",),
    },
    "again": {
        "swapon /dev/vda3": ("no swap is in use, nor after a boot",),
        "rm /etc/modules-load.d/onprem*": ("recorded modules are loaded at boot", "recorded files are as they were written"),
        "rm /etc/apt/apt.conf.d/*onprem*": ("the package manager goes through it",),
        "sed -i s/http_proxy=.*/http_proxy=x/ /etc/environment": (
            "upper and lower case say the same",
            "recorded blocks are as they were written",
        ),
        "rm /etc/ssl/certs/ca-certificates.crt": (
            "each of them is trusted by the system's bundle",
            "public authorities are still trusted beside them",
        ),
    },
}
"""What is done to a prepared host, in two rounds, and which tests of the suites find it."""


@pytest.mark.parametrize("round_", DAMAGES)
def test_the_suites_find_what_is_no_longer_so(inside_site: ThrowAwaySite, round_: str) -> None:
    if round_ == "again":
        inside_site.reinstall(DAMAGED)
    host = inside_site.hosts[DAMAGED]
    done = prepare(host)
    assert done.returncode == 0, f"a host that was given back, or installed anew: {done.stderr}"
    for damage in DAMAGES[round_]:
        shell(host, damage)
    code, failed, text = suites(host)
    assert (code, failed) == (1, {name for names in DAMAGES[round_].values() for name in names}), text
