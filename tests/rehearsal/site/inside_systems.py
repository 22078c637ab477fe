"""Runs inside a frame (test_prepare_on_hosts.py starts it): hosts of other systems, with their real package managers."""

from __future__ import annotations

import pytest

from mlops.rehearsal.site.facts import MODULES
from mlops.rehearsal.site.pki import Authority
from mlops.rehearsal.site.site import ThrowAwaySite

HOSTS = {"debian": "node1", "redhat": "node2", "suse": "node3", "ubuntu": "bastion"}


@pytest.fixture(scope="module", autouse=True)
def fresh(inside_site: ThrowAwaySite) -> None:
    """As the systems are installed, whatever was done to the hosts before."""
    for name in HOSTS.values():
        inside_site.reinstall(name)


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
