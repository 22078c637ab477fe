"""Runs inside a frame (test_interception.py starts it): hosts behind a proxy that opens TLS and asks for a user."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from components.proxy import environment_lines
from mlops.hosts import compose
from mlops.rehearsal.site import consumers
from mlops.rehearsal.site.host import Host
from mlops.rehearsal.site.interception import Interception, Mode
from mlops.rehearsal.site.pki import Authority
from mlops.rehearsal.site.rooted import inside
from mlops.rehearsal.site.site import ThrowAwaySite
from mlops.rehearsal.site.spec import ProxySpec
from tests.rehearsal.site.machine import until

SITE_ROOT = Authority("site root").pair.certificate
NODES = ("node1", "node2", "node3")
DIRECT = ("127.0.0.1", "localhost", "192.168.50.0/24", "node1", "node2", "node3", ".svc", ".cluster.local", ".mlops.example")


def proxy_spec(site: ThrowAwaySite) -> ProxySpec:
    assert site.spec.proxy is not None
    return site.spec.proxy


def interception(site: ThrowAwaySite) -> Interception:
    assert site.proxy is not None
    return site.proxy


def environment(site: ThrowAwaySite) -> dict[str, str]:
    proxy = proxy_spec(site)
    url = f"http://{proxy.username}:{quote(proxy.password, safe='')}@{proxy.urls[0].removeprefix('http://')}"
    variables = {"HTTP_PROXY": url, "HTTPS_PROXY": url, "NO_PROXY": ",".join(DIRECT)}
    return variables | {name.lower(): value for name, value in variables.items()}


def prepare(site: ThrowAwaySite, name: str, call: str = 'main "$@"') -> str:
    """Runs the real step on a host, or a function of it; returns what it said."""
    proxy, variables = proxy_spec(site), environment(site)
    assert proxy.authority is not None
    values = {
        "HOST_NAME": name,
        "ADDRESS": site.spec.host(name).address,
        "OS_FAMILY": "auto",
        "EPOCH": "1",
        "STORAGE": "no",
        "CERTIFICATES": proxy.authority.certificate + SITE_ROOT,
        "PROXY_ENVIRONMENT": environment_lines(variables),
        "PLAIN_PROXY": variables["HTTP_PROXY"],
        "TLS_PROXY": variables["HTTPS_PROXY"],
        "DIRECT": variables["NO_PROXY"],
        "OFFLINE": "no",
        "FIREWALL": "leave",
        "FIREWALL_SOURCES": "",
        "SELINUX": "leave",
        "PROXY_PASSWORD": proxy.password,
        "PROXY_PASSWORD_IN_URL": quote(proxy.password, safe=""),
    }
    script = compose("prepare", values=values, secrets=("PROXY_PASSWORD", "PROXY_PASSWORD_IN_URL")).replace('main "$@"', call)
    done = site.hosts[name].run(["bash", "-s", "--", "apply"], stdin=script)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def before(host: Host, tls: bool = True) -> str:
    """What a host that nobody has prepared gets when it tries by itself."""
    url = "https://registry.k8s.io/v2/" if tls else "http://deb.debian.org/"
    return host.run(["curl", "--silent", "--show-error", "--max-time", "5", url]).stderr


@pytest.fixture(scope="module", autouse=True)
def mirrors(inside_site: ThrowAwaySite) -> None:
    consumers.serve_packages(interception(inside_site).origins, inside_site.hosts.values())


@pytest.fixture
def mode(inside_site: ThrowAwaySite) -> Iterator[Interception]:
    """The proxy, which is made the usual one again afterwards."""
    yield interception(inside_site)
    interception(inside_site).set_mode("intercept")


def test_a_host_that_knows_no_proxy_gets_nowhere_at_once(inside_site: ThrowAwaySite) -> None:
    host = inside_site.hosts["node1"]
    assert "Could not resolve host" in before(host)
    done = host.run(["bash", "-c", "exec 3<>/dev/tcp/93.184.215.14/443"])
    assert "Connection refused" in done.stderr
    assert interception(inside_site).origins.requests == ()


def test_the_site_resolves_its_proxy_and_nothing_outside(inside_site: ThrowAwaySite) -> None:
    host = inside_site.hosts["node1"]
    assert host.run(["getent", "hosts", "proxy.corporate.example"]).stdout.split()[0] == inside_site.address
    assert host.run(["getent", "hosts", "api.snapcraft.io"]).returncode == 2


def test_nobody_reaches_an_origin_by_its_address(inside_site: ThrowAwaySite) -> None:
    """Not even from the router's side of the wire."""
    for address in (inside_site.address, "127.0.0.2"):
        done = inside_site.hosts["node1"].run(["curl", "--silent", "--insecure", f"https://{address}/"])
        assert done.returncode == 7, done.stderr


@pytest.mark.parametrize("name", NODES)
def test_prepared_hosts_get_out_by_every_configuration(inside_site: ThrowAwaySite, name: str) -> None:
    host = inside_site.hosts[name]
    assert consumers.failures(host), "a host that is not prepared yet must not get out"
    prepare(inside_site, name)
    # configure.sh puts the same lines there on a cluster
    file = inside(host.root, "/var/snap/microk8s/current/args/containerd-env")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(environment_lines(environment(inside_site)))
    assert consumers.failures(host) == []
    done = host.run(["snap", "install", "core22"])
    assert done.returncode == 0, done.stderr
    wanted = {
        "https://api.snapcraft.io/v2/snaps/refresh",
        "https://canonical-lgw01.cdn.snapcraftcontent.com/",
        "https://registry.k8s.io/v2/",
        "https://registry-1.docker.io/v2/",
    }

    def not_asked() -> set[str]:
        asked = [record.url for record in interception(inside_site).log() if record.client == host.spec.address]
        return {start for start in wanted if not any(url.startswith(start) for url in asked)}

    # squid writes a request down when it is over, which may be after the client has its answer
    until(lambda: not not_asked(), "not every one was asked")
    assert interception(inside_site).bypassed() == ()
    inside(host.root, "/var/snap/microk8s").joinpath("current/args/containerd-env").unlink()


def test_zypper_of_the_step_gets_out_where_a_log_in_has_set_the_variables(inside_site: ThrowAwaySite) -> None:
    """libproxy asks the environment first, and what stands there does not survive libzypp's two decodings of this password."""
    log_in = "set -a; . /etc/environment; set +a; "
    add = "zypper --quiet addrepo --refresh --no-gpgcheck https://download.opensuse.org/stand-in/ outside; "
    begun = len(interception(inside_site).log())
    by_hand = inside_site.hosts["node3"].run(["bash", "-c", f"{log_in}{add}zypper --non-interactive refresh outside"])
    assert by_hand.returncode != 0
    assert {record.status for record in interception(inside_site).log()[begun:]} == {407}
    said = prepare(inside_site, "node3", f"{log_in}ask_zypper refresh outside; ask_zypper removerepo outside")
    assert "Repository 'outside' has been removed" in said


def test_the_proxys_password_is_in_no_log(inside_site: ThrowAwaySite) -> None:
    password = proxy_spec(inside_site).password
    texts = [file.read_text(errors="replace") for file in (inside_site.workdir / "proxy").glob("*.log")]
    texts += [str(record.argv) for name in NODES for record in inside_site.journal(name).records]
    assert texts
    assert not [text for text in texts if password in text or quote(password, safe="") in text]


@pytest.mark.parametrize(
    ("breaks", "says"),
    [
        ("rm /etc/apt/apt.conf.d/90onprem-mlops-proxy", "packages"),
        (r"sed -i s/svc-mlops:[^@]*@// /etc/environment", "/etc/environment"),
        ("rm /usr/local/share/ca-certificates/onprem-mlops-*; update-ca-certificates --fresh >&2", "packages"),
    ],
)
def test_what_a_host_lacks_is_seen(inside_site: ThrowAwaySite, breaks: str, says: str) -> None:
    host = inside_site.hosts["node1"]
    assert host.run(["bash", "-ec", breaks]).returncode == 0
    found = consumers.failures(host, ("/etc/environment", "packages"))
    assert any(f"configuration of {says}" in sentence for sentence in found), found
    prepare(inside_site, "node1")
    assert consumers.failures(host, ("/etc/environment", "packages")) == []


def test_snapd_reads_its_environment_when_it_starts(inside_site: ThrowAwaySite) -> None:
    host = inside_site.hosts["node1"]
    environment_file = inside(host.root, "/etc/environment")
    kept = environment_file.read_text()
    environment_file.write_text("")
    try:
        assert host.run(["snap", "refresh", "core22"]).returncode == 0
        host.run(["systemctl", "restart", "snapd.service"])
        done = host.run(["snap", "refresh", "core22"])
        assert "lookup api.snapcraft.io: no such host" in done.stderr, done.stdout
    finally:
        environment_file.write_text(kept)
        inside_site.reboot("node1")
    assert host.run(["snap", "refresh", "core22"]).returncode == 0


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ("refuse", "Proxy Authentication Required"),
        ("login-page", "invalid character '<' looking for beginning of value"),
    ],
)
def test_a_proxy_that_does_not_let_snapd_through(inside_site: ThrowAwaySite, mode: Interception, other: Mode, says: str) -> None:
    mode.set_mode(other)
    done = inside_site.hosts["node1"].run(["snap", "refresh", "core22"])
    assert done.returncode == 1
    assert says in done.stderr


def test_a_login_page_is_html_with_status_200(inside_site: ThrowAwaySite, mode: Interception) -> None:
    mode.set_mode("login-page")
    text = "set -a; . /etc/environment; exec curl -sS -L -w '%{http_code}' "
    for url in ("https://api.snapcraft.io/", "http://deb.debian.org/"):
        done = inside_site.hosts["node1"].run(["bash", "-c", text + url])
        assert done.stdout.startswith("<!DOCTYPE html>"), done.stderr
        assert done.stdout.endswith("200")


def test_a_proxy_that_opens_nothing_shows_the_public_authority(inside_site: ThrowAwaySite, mode: Interception) -> None:
    issuer = "set -a; . /etc/environment; curl -svo /dev/null https://registry.k8s.io/v2/ 2>&1 | grep -i issuer"
    host = inside_site.hosts["node1"]
    assert "proxy root" in host.run(["bash", "-c", issuer]).stdout
    mode.set_mode("tunnel")
    assert "stand-in public root" in host.run(["bash", "-c", issuer]).stdout
    assert consumers.failures(host, ("/etc/environment", "packages")) == []


def test_the_proxy_trusts_public_authorities_only(inside_site: ThrowAwaySite) -> None:
    """A client that offers a certificate of the proxy's own is no origin: squid verifies what it passes on."""
    conf = (inside_site.workdir / "proxy" / "squid.conf").read_text()
    assert "tls_outgoing_options default-ca=off cafile=public.pem" in conf
    with pytest.raises(ssl.SSLCertVerificationError):
        ssl.create_default_context().wrap_socket(socket.create_connection(("127.0.0.2", 443)), server_hostname="registry.k8s.io")


def test_offline_a_snap_comes_from_a_file_with_its_assertion(inside_site: ThrowAwaySite) -> None:
    host = inside_site.hosts["node3"]
    text = "set -a; . /etc/environment; snap download snapd --target-directory=/root"
    assert host.run(["bash", "-c", text]).returncode == 0
    file = "/root/snapd_25202"
    assert "cannot find signatures" in host.run(["snap", "install", f"{file}.snap"]).stderr
    assert host.run(["snap", "ack", f"{file}.assert"]).returncode == 0
    assert host.run(["snap", "install", f"{file}.snap"]).returncode == 0
    assert "snapd     2.72   25202   -" in host.run(["snap", "list"]).stdout


def test_a_channel_that_the_mirror_does_not_have(inside_site: ThrowAwaySite) -> None:
    origins = interception(inside_site).origins
    origins.closed.add("1.34/stable")
    done = inside_site.hosts["node1"].run(["snap", "install", "microk8s", "--classic", "--channel=1.34/stable"])
    assert "not available on 1.34/stable" in done.stderr
