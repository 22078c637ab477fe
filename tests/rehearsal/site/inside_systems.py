"""Runs inside a frame (test_site_hosts.py starts it): hosts of other systems, with their real package managers."""

from __future__ import annotations

import pytest

from mlops.hosts import compose
from mlops.rehearsal.site.facts import MODULES
from mlops.rehearsal.site.pki import Authority
from mlops.rehearsal.site.site import ThrowAwaySite
from tests.host.run import run_suites
from tests.hosts.values import values_of

HOSTS = {"debian": "node1", "redhat": "node2", "suse": "node3", "ubuntu": "bastion"}


def on(site: ThrowAwaySite, system: str, script: str, stdin: str = "") -> str:
    result = site.hosts[HOSTS[system]].run(["bash", "-ec", script], stdin=stdin)
    assert result.returncode == 0, f"{script}\n{result.stdout}{result.stderr}"
    return result.stdout


@pytest.mark.parametrize(
    ("system", "names"),
    [
        ("debian", "debian 13"),
        ("redhat", "rocky 9.5"),
        ("suse", "opensuse-leap 15.6"),
        ("ubuntu", "ubuntu 24.04"),
    ],
)
def test_each_tells_its_name_and_that_it_stands_in(inside_site: ThrowAwaySite, system: str, names: str) -> None:
    script = '. /etc/os-release; echo "$ID $VERSION_ID"; echo "$VARIANT"; uname -r'
    name, variant, release = on(inside_site, system, script).splitlines()
    assert name == names
    assert variant == ("" if system == "debian" else "stand-in of a throw-away site, Debian underneath")
    assert release == inside_site.hosts[HOSTS[system]].system.kernel


@pytest.mark.parametrize(
    ("system", "install"),
    [
        ("debian", "apt-get update; apt-get install -y snapd"),
        (
            "redhat",
            "! dnf -q list snapd; dnf install -y epel-release; dnf -q list snapd; dnf install -y snapd; rpm -q snapd-selinux",
        ),
        ("suse", "zypper --non-interactive --gpg-auto-import-keys refresh; zypper --non-interactive install --no-recommends snapd"),
    ],
)
def test_snapd_comes_by_the_systems_own_package_manager(inside_site: ThrowAwaySite, system: str, install: str) -> None:
    host = inside_site.hosts[HOSTS[system]]
    assert host.run(["sh", "-c", "command -v snap"]).returncode != 0
    on(
        inside_site,
        system,
        f"({install}) >/dev/null; snap version >/dev/null; systemctl enable --now snapd.socket; systemctl is-active snapd.socket",
    )
    assert f"VERSION={host.system.snapd}\n" == on(inside_site, system, "cat /usr/lib/snapd/info")


@pytest.mark.parametrize("system", ["redhat", "suse"])
def test_debians_package_manager_is_not_there(inside_site: ThrowAwaySite, system: str) -> None:
    assert on(inside_site, system, "for p in apt-get dpkg-query; do ! command -v $p; done") == ""


@pytest.mark.parametrize(
    ("system", "install"),
    [
        ("ubuntu", "apt-get update; apt-get install -y linux-modules-extra-$(uname -r)"),
        ("redhat", "dnf install -y kernel-modules-extra-$(uname -r)"),
    ],
)
def test_a_module_comes_by_a_package_for_the_running_kernel(inside_site: ThrowAwaySite, system: str, install: str) -> None:
    host = inside_site.hosts[HOSTS[system]]
    host.set_fact(modules=())
    assert host.run(["modprobe", "-nq", "nvme_tcp"]).returncode == 1
    on(inside_site, system, f"({install}) >/dev/null; modprobe nvme_tcp; ls -d /sys/module/nvme_tcp")
    host.set_fact(modules=MODULES)


@pytest.mark.parametrize(
    ("system", "directory", "update", "bundle"),
    [
        ("debian", "/usr/local/share/ca-certificates", "update-ca-certificates", "/etc/ssl/certs/ca-certificates.crt"),
        ("redhat", "/etc/pki/ca-trust/source/anchors", "update-ca-trust extract", "/etc/pki/tls/certs/ca-bundle.crt"),
        ("suse", "/etc/pki/trust/anchors", "update-ca-certificates", "/etc/ssl/ca-bundle.pem"),
    ],
)
def test_a_root_is_trusted_once_it_is_in_the_systems_store(
    inside_site: ThrowAwaySite, system: str, directory: str, update: str, bundle: str
) -> None:
    authority = Authority("test root")
    leaf = authority.server("leaf", ["leaf.example"])
    verify = f"openssl verify -CAfile {bundle} /tmp/leaf.pem"
    on(inside_site, system, "cat > /tmp/leaf.pem", stdin=leaf.certificate)
    host = inside_site.hosts[HOSTS[system]]
    assert host.run(["bash", "-c", verify]).returncode != 0
    before = int(on(inside_site, system, f"grep -c BEGIN {bundle}"))
    on(inside_site, system, f"cat > {directory}/test.crt; {update}", stdin=authority.pair.certificate)
    on(inside_site, system, verify)
    assert int(on(inside_site, system, f"grep -c BEGIN {bundle}")) == before + 1 > 50
    on(inside_site, system, f"rm {directory}/test.crt; {update}{' --fresh' if system == 'debian' else ''}")
    assert host.run(["bash", "-c", verify]).returncode != 0


def prepare(site: ThrowAwaySite, system: str) -> None:
    """Prepares a host by the real step, as behind a proxy with a password."""
    host = site.hosts[HOSTS[system]]
    root = Authority("root of the suites").pair.certificate
    values = values_of(host.name, host.spec.address, [root])
    script = compose("prepare", values=values, secrets=("PROXY_PASSWORD", "PROXY_PASSWORD_IN_URL"))
    done = host.run(["bash", "-s", "--", "apply"], stdin=script)
    assert done.returncode == 0, done.stdout + done.stderr


def suites(site: ThrowAwaySite, system: str) -> tuple[int, set[str], str]:
    """Runs the suites on a host; returns exit code, names of the tests that failed, and everything that they said."""
    host = site.hosts[HOSTS[system]]
    done = run_suites(host.command(["sh", "-c"]), host=host.name, steps=["prepare"])
    failed = {line.split(" ", 3)[3] for line in done.stdout.splitlines() if line.startswith("not ok ")}
    return done.returncode, failed, done.stdout + done.stderr


@pytest.mark.parametrize("system", HOSTS)
def test_a_prepared_host_passes_the_suites_also_after_a_reboot(inside_site: ThrowAwaySite, system: str) -> None:
    prepare(inside_site, system)
    code, failed, text = suites(inside_site, system)
    assert (code, failed) == (0, set()), text
    assert "ok 25 " in text
    assert text.count("# skip") < 10, text
    inside_site.reboot(HOSTS[system])
    code, failed, text = suites(inside_site, system)
    assert (code, failed) == (0, set()), text


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
    inside_site.reinstall(HOSTS["debian"])
    prepare(inside_site, "debian")
    expected = {name for names in DAMAGES[round_].values() for name in names}
    for damage in DAMAGES[round_]:
        on(inside_site, "debian", damage)
    code, failed, text = suites(inside_site, "debian")
    assert (code, failed) == (1, expected), text
