"""What differs between families: packages, trust store, the package manager's proxy, snapd's source, further modules."""

from __future__ import annotations

import os
from urllib.parse import quote, unquote

import pytest

from mlops.hosts import program
from tests.hosts.conftest import HostMaker, PreparedHost, SayingHost
from tests.hosts.fake_host import OS_RELEASES, FakeHost

TRUST = {
    "debian": ("usr/local/share/ca-certificates", "crt", "etc/ssl/certs/ca-certificates.crt"),
    "redhat": ("etc/pki/ca-trust/source/anchors", "pem", "etc/pki/tls/certs/ca-bundle.crt"),
    "suse": ("etc/pki/trust/anchors", "pem", "etc/ssl/ca-bundle.pem"),
}
SNAPPY = "https://download.opensuse.org/repositories/system:/snappy/openSUSE_Leap_15.6"
PROXY_FILE = {"debian": "etc/apt/apt.conf.d/90onprem-mlops-proxy", "redhat": "etc/dnf/dnf.conf", "suse": "etc/sysconfig/proxy"}


def prepared(host: FakeHost, values: dict[str, str]) -> str:
    done = host.run("prepare", values)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("os_name", OS_RELEASES)
def test_a_host_of_every_family_gets_trust_snapd_and_kernel_settings(
    hosts_prepared: SayingHost, certificates: list[str], os_name: str
) -> None:
    host, said = hosts_prepared(os_name)
    assert ("experiment" in said) is (os_name in {"almalinux-10", "sles-15.6"})
    directory, suffix, bundle = TRUST[host.family]
    files = sorted((host.root / directory).iterdir())
    assert sorted(file.read_text() for file in files) == sorted(certificates[1:])
    assert {file.suffix for file in files} == {f".{suffix}"}
    assert all(certificate in host.read(bundle) for certificate in certificates)
    store = host.root / "var/lib/snapd/ssl/store-certs"
    assert sorted(file.read_text() for file in store.iterdir()) == sorted(certificates[1:])
    assert {file.stem for file in store.iterdir()} == {file.stem for file in files}
    assert {"snapd", "openssl"} <= set((host.state / "packages").read_text().split())
    assert (host.state / "loaded").read_text().split() == ["br_netfilter", "overlay", "nf_conntrack", "vxlan", "nvme_tcp"]
    assert host.read("etc/modules-load.d/onprem-mlops.conf").split() == (host.state / "loaded").read_text().split()
    assert (host.state / "sysctl/fs.inotify.max_user_watches").read_text() == "1255360\n"
    if host.family != "debian":
        assert (host.root / "snap").readlink() == host.root / "var/lib/snapd/snap"


@pytest.mark.parametrize(
    ("os_name", "proxy_lines"),
    [
        (
            "ubuntu-24.04",
            [
                'Acquire::http::Proxy "http://svc:p%40ss@proxy.example:3128";',
                'Acquire::https::Proxy "http://svc:p%40ss@proxy.example:3128";',
                'Acquire::http::Proxy::mirror.example "DIRECT";',
                'Acquire::https::Proxy::192.0.2.11 "DIRECT";',
            ],
        ),
        ("rocky-9", ["[main]", "gpgcheck=1", "proxy=http://svc:p%40ss@proxy.example:3128"]),
        (
            "leap-15.6",
            [
                'PROXY_ENABLED="yes"',
                'HTTPS_PROXY="http://svc:p%40ss@proxy.example:3128"',
                'NO_PROXY="127.0.0.1,localhost,10.1.0.0/16,.svc,node1,192.0.2.11,mirror.example,.mlops.example"',
            ],
        ),
    ],
)
def test_the_package_manager_is_told_the_proxy(prepared_host: PreparedHost, os_name: str, proxy_lines: list[str]) -> None:
    host = prepared_host(os_name)
    lines = host.read(PROXY_FILE[host.family]).splitlines()
    assert [line for line in proxy_lines if line not in lines] == []
    assert not [line for line in lines if "10.1.0.0/16" in line and line.startswith("Acquire")], "apt knows no networks"
    assert (host.root / PROXY_FILE[host.family]).stat().st_mode & 0o777 == 0o600, "a password stands in it"


@pytest.mark.parametrize(
    ("password", "changed"),
    [
        ("plain", False),
        ("p@ss:w/r\"d #?&'%x \\", False),
        ("100%", False),
        ("a%41", True),
        ("a%4%41%2541%ff%", True),
        ("%%25%%2f", True),
    ],
)
def test_libzypp_gets_a_password_that_survives_two_decodings(
    make_host: HostMaker, values: dict[str, str], password: str, changed: bool
) -> None:
    host = make_host("leap-15.6")
    url = f"http://svc:{quote(password, safe='')}@proxy.example:3128"
    show = 'zypper() { say "$http_proxy"; say "$https_proxy"; }; PROXY_MODE=0600; suse_configure_package_proxy; ask_zypper refresh'
    done = host.run("prepare", values | {"PLAIN_PROXY": url, "TLS_PROXY": url.replace("3128", "3129")}, call=show)
    assert done.returncode == 0, done.stderr
    plain, tls = done.stdout.splitlines()
    assert (plain, tls) == (tls.replace("3129", "3128"), plain.replace("3128", "3129"))
    assert unquote(unquote(plain)) == f"http://svc:{password}@proxy.example:3128"
    assert (plain != url) is changed, "what needs no second encoding is as everybody else reads it"
    lines = host.read("etc/sysconfig/proxy").splitlines()
    assert {f'HTTP_PROXY="{plain}"', f'HTTPS_PROXY="{tls}"'} <= set(lines)


def test_only_libzypp_reads_its_proxy(prepared_host: PreparedHost) -> None:
    """Log-in shells want yes before an address, systemd's helper ends at the first no; for libzypp the last one counts."""
    lines = prepared_host("leap-15.6").read("etc/sysconfig/proxy").splitlines()
    ours = [line.partition("=")[::2] for line in lines if "=" in line][-5:]
    assert (ours[0], ours[-1]) == (("PROXY_ENABLED", '"no"'), ("PROXY_ENABLED", '"yes"'))
    assert [name for name, _ in ours[1:-1]] == ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"]


@pytest.mark.parametrize("url", ["http://proxy.example:3128", "http://[fd00::1%25ab]:3128", ""])
def test_a_proxy_without_credentials_stays_as_it_is(make_host: HostMaker, values: dict[str, str], url: str) -> None:
    done = make_host("leap-15.6").run("prepare", values | {"PLAIN_PROXY": url}, call='url_for_libzypp "$PLAIN_PROXY"')
    assert done.stdout == url


@pytest.mark.parametrize(
    ("before", "header"), [("[main]\ngpgcheck=1\n", False), ("[main]\na=1\n\n[extra]\nb=2\n", True), (None, True)]
)
def test_the_proxy_of_dnf_stands_in_its_section_main(
    make_host: HostMaker, values: dict[str, str], before: str | None, header: bool
) -> None:
    host = make_host("rocky-9")
    file = host.root / "etc/dnf/dnf.conf"
    file.unlink()
    if before is not None:
        file.write_text(before)
    for _ in range(2):
        prepared(host, values)
        assert ("begin\n[main]\nproxy=" in file.read_text()) is header
    assert file.read_text().startswith(before or "# onprem-mlops")


@pytest.mark.parametrize(
    ("os_name", "calls", "not_called"),
    [
        ("debian-13", ["apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=300 snapd"], "snap install"),
        ("rocky-9", ["dnf -q list snapd", "dnf install -y epel-release", "dnf install -y snapd"], "subscription-manager"),
        (
            "rhel-9",
            [
                "subscription-manager identity",
                "dnf install -y https://dl.fedoraproject.org/pub/epel/epel-release-latest-9.noarch.rpm",
                "dnf install -y snapd",
            ],
            "subscription-manager repos",
        ),
        (
            "leap-15.6",
            [
                f"zypper --non-interactive addrepo --refresh {SNAPPY} snappy",
                "zypper --non-interactive --gpg-auto-import-keys refresh snappy",
                "zypper --non-interactive install --no-recommends snapd",
                "systemctl enable --now snapd.apparmor.service",
            ],
            "dup",
        ),
    ],
)
def test_snapd_comes_from_where_the_family_has_it(
    prepared_host: PreparedHost, os_name: str, calls: list[str], not_called: str
) -> None:
    host = prepared_host(os_name)
    assert [call for call in host.calls if call in calls] == calls
    assert not [call for call in host.calls if call.startswith(not_called)]


def test_a_subscribed_host_gets_codeready_builder(make_host: HostMaker, values: dict[str, str]) -> None:
    host = make_host("rhel-9")
    host.know("subscribed", "")
    prepared(host, values)
    assert "subscription-manager repos --enable codeready-builder-for-rhel-9-x86_64-rpms" in host.calls


@pytest.mark.parametrize(("os_name", "known"), [("rocky-9", "packages"), ("leap-15.6", "snappy-refreshed")])
def test_a_source_of_the_site_that_has_snapd_is_enough(
    make_host: HostMaker, values: dict[str, str], os_name: str, known: str
) -> None:
    host = make_host(os_name)
    host.know(known, "epel-release\n")
    prepared(host, values)
    assert not [call for call in host.calls if "epel-release" in call or "addrepo" in call]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ID=debian\nVERSION_ID=11\nPRETTY_NAME='Debian 11'\n", "Debian 11"),
        ("ID=ubuntu\nVERSION_ID='20.04'\nPRETTY_NAME='Ubuntu 20.04'\n", "Ubuntu 20.04"),
        ("ID=rocky\nVERSION_ID='8.10'\nPRETTY_NAME='Rocky Linux 8.10'\n", "Rocky Linux 8.10"),
        ("ID=opensuse-leap\nVERSION_ID='16.0'\nPRETTY_NAME='openSUSE Leap 16.0'\n", "openSUSE Leap 16.0"),
        ("ID=sles\nVERSION_ID='15.5'\nPRETTY_NAME='SLES 15 SP5'\n", "SLES 15 SP5"),
        ("ID=arch\nPRETTY_NAME='Arch Linux'\n", "Arch Linux"),
        ("ID=linuxmint\nID_LIKE='ubuntu debian'\nVERSION_ID=22\nPRETTY_NAME='Linux Mint 22'\n", "Linux Mint 22"),
    ],
)
def test_another_release_is_refused_with_the_list(make_host: HostMaker, values: dict[str, str], text: str, found: str) -> None:
    host = make_host("debian-12")
    host.write("etc/os-release", text)
    before = host.tree()
    done = host.run("prepare", values)
    assert done.returncode == 1
    assert f"found: operating system '{found}'" in done.stderr
    for part in ("Ubuntu 22.04, 24.04, 26.04", "Debian 12, 13", "Rocky Linux", "openSUSE Leap 15.6", "mend: install one of these"):
        assert part in done.stderr
    assert host.tree() == before
    assert host.calls == []


def test_another_family_than_the_file_says_is_refused(make_host: HostMaker, values: dict[str, str]) -> None:
    host = make_host("rocky-9")
    done = host.run("prepare", values | {"OS_FAMILY": "debian"})
    assert done.returncode == 1
    assert "found: operating system family 'redhat'" in done.stderr
    assert "set osFamily of this host to auto or 'redhat'" in done.stderr
    assert host.calls == []
    assert host.run("prepare", values | {"OS_FAMILY": "redhat"}).returncode == 0


@pytest.mark.parametrize(
    ("os_name", "packages"),
    [
        ("ubuntu-24.04", ["linux-modules-extra-5.14.0-427-x86_64", "linux-modules-extra-x86_64"]),
        ("almalinux-10", ["kernel-modules-5.14.0-427-x86_64", "kernel-modules-extra-5.14.0-427-x86_64"]),
        ("leap-15.6", ["kernel-default"]),
    ],
)
def test_modules_that_are_missing_come_with_packages_of_the_running_kernel(
    make_host: HostMaker, values: dict[str, str], os_name: str, packages: list[str]
) -> None:
    host = make_host(os_name)
    host.know("no-modules", "br_netfilter\nnvme_tcp\n")
    prepared(host, values)
    assert set(packages) <= set((host.state / "packages").read_text().split())
    assert "nvme_tcp" in (host.state / "loaded").read_text()


@pytest.mark.parametrize(
    ("os_name", "told"),
    [("debian-12", []), ("ubuntu-22.04", ["packages with further kernel modules cannot be installed"])],
)
def test_modules_that_cannot_be_had_are_told_one_by_one(
    make_host: HostMaker, values: dict[str, str], os_name: str, told: list[str]
) -> None:
    host = make_host(os_name)
    host.know("no-modules", "vxlan\nnvme_tcp\n")
    host.know("absent", "linux-modules-extra\n")
    done = host.run("prepare", values)
    assert done.returncode == 1
    for part in (*told, "cannot load module vxlan", "cannot load module nvme_tcp", "mend: install the complete kernel"):
        assert part in done.stderr
    assert "br_netfilter" in (host.state / "loaded").read_text(), "the others are loaded"
    assert not (host.root / "var/lib/onprem-mlops/deployed/prepare").exists(), "no record of a step that failed"


@pytest.mark.parametrize(("holder", "says"), [(0, "waits"), (1, "goes on"), (None, "goes on")])
def test_apt_waits_for_a_program_that_reads_the_package_lists(make_host: HostMaker, holder: int | None, says: str) -> None:
    host = make_host("debian-12")
    host.write("var/lib/apt/lists/lock", "")
    file = (host.root / "var/lib/apt/lists/lock").stat()
    device = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}"
    # as the kernel tells of locks; another file may have the same number on another disk
    held = "" if holder is None else f"1: POSIX  ADVISORY  WRITE 7 {'ff:01' if holder else device}:{file.st_ino} 0 EOF\n"
    host.write("proc/locks", held)
    call = 'until_true() { if "${@:3}"; then say "goes on"; else say waits; fi; }; use_family auto; debian_read_lists'
    done = host.run("prepare", {"HOST_NAME": "node1", "OS_FAMILY": "auto"}, call=call)
    assert (done.returncode, done.stdout.strip()) == (0, says), done.stderr
    assert host.calls[-1].strip() == "apt-get update"


def test_every_family_defines_every_function_that_family_sh_hands_on() -> None:
    text = program("prepare")
    names = {line.split("${FAMILY}_")[1].split('"')[0] for line in text.splitlines() if '"${FAMILY}_' in line}
    assert len(names) >= 7
    for family in ("debian", "redhat", "suse"):
        assert [name for name in names if f"\n{family}_{name}() {{" not in text] == []
