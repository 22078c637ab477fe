"""What the stand-ins for proxy, name server, store and snapd's settings answer: no site needed."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from mlops.rehearsal.site import interception
from mlops.rehearsal.site.daemon import Call
from mlops.rehearsal.site.journal import mask
from mlops.rehearsal.site.origins import LOGIN, NAMES, REGISTRIES, STORE, Origins, has_channel
from mlops.rehearsal.site.pki import Authority
from mlops.rehearsal.site.resolver import Resolver
from mlops.rehearsal.site.snapd import Snapd
from mlops.rehearsal.site.snapfiles import read_assertions, read_snap, write_assertions, write_snap
from mlops.rehearsal.site.spec import ProxySpec, SiteSpec
from mlops.rehearsal.site.store import proxy_for, read_environment, spared
from tests.rehearsal.site.site_for_tests import make_site

AUTHORITY = Authority("test root")
ENVIRONMENT = {
    "HTTPS_PROXY": "http://upper:1",
    "https_proxy": "http://lower:1",
    "http_proxy": "http://plain:1",
    "NO_PROXY": ".site.example",
}


@pytest.fixture
def origins(tmp_path: Path) -> Origins:
    return Origins(tmp_path, AUTHORITY)


@pytest.fixture
def snapd() -> Snapd:
    return Snapd(lambda track: f"v{track}.4", lambda *_: None, lambda *_: None, lambda *_: None)


def run(snapd: Snapd, *words: str, user: int = 0) -> tuple[int, str]:
    reply = snapd.handle(Call("node1", ("snap", *words), user))
    return reply.code, reply.out + reply.err


@pytest.mark.parametrize(
    ("url", "settings", "proxy"),
    [
        ("https://api.snapcraft.io/", {}, "http://upper:1"),
        ("http://api.snapcraft.io/", {}, "http://plain:1"),
        ("https://store.site.example/", {}, ""),
        # its own setting is taken for every name: overlord/configstate/proxyconf/proxy.go does not look at NO_PROXY
        ("https://store.site.example/", {"proxy.https": "http://own:1", "proxy.no-proxy": "store.site.example"}, "http://own:1"),
        ("https://api.snapcraft.io/", {"proxy.http": "http://own:1"}, "http://upper:1"),
    ],
)
def test_which_proxy_snapd_takes(url: str, settings: dict[str, str], proxy: str) -> None:
    assert proxy_for(url, settings, ENVIRONMENT) == proxy


@pytest.mark.parametrize(
    ("name", "no_proxy", "is_spared"),
    [
        ("a.example.org", "example.org", True),
        ("example.org", "example.org", True),
        ("a.example.org", ".example.org", True),
        ("example.org", ".example.org", False),
        ("badexample.org", "example.org", False),
        ("10.1.2.3", "localhost, 10.1.0.0/16", True),
        ("10.2.2.3", "10.1.0.0/16", False),
        ("api.snapcraft.io", "10.1.0.0/16,*", True),
        ("api.snapcraft.io", "", False),
    ],
)
def test_what_goes_without_a_proxy(name: str, no_proxy: str, is_spared: bool) -> None:
    assert spared(name, no_proxy) is is_spared


def test_an_environment_file_as_systemd_reads_it() -> None:
    text = "# onprem-mlops: begin\nHTTP_PROXY=\"http://a:b%22@c:1\"\nexport no_proxy='x,y'\nnonsense\n"
    assert read_environment(text) == {"HTTP_PROXY": "http://a:b%22@c:1", "no_proxy": "x,y"}


def question(name: str, kind: int = 1) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return b"\x12\x34" + struct.pack(">HHHHH", 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", kind, 1)


@pytest.mark.parametrize(
    ("query", "code", "records"),
    [
        (question("Proxy.Corporate.example"), 0, 1),
        (question("proxy.corporate.example", 28), 0, 0),
        (question("api.snapcraft.io"), 3, 0),
    ],
)
def test_the_resolver_knows_the_proxy_only(query: bytes, code: int, records: int) -> None:
    answer = Resolver({"proxy.corporate.example": "172.16.20.1"}, ()).answer(query)
    identity, flags, _, count = struct.unpack(">HHHH", answer[:8])
    assert (identity, flags & 0xF, count) == (0x1234, code, records)
    assert answer.endswith(b"\xac\x10\x14\x01") is (records == 1)


@pytest.mark.parametrize("garbage", [b"", b"\0" * 12, b"\0" * 12 + b"\x05ab"])
def test_the_resolver_is_silent_about_garbage(garbage: bytes) -> None:
    assert Resolver({}, ()).answer(garbage) == b""


@pytest.mark.parametrize(
    ("name", "method", "path", "body", "status", "says"),
    [
        (
            STORE,
            "POST",
            "/v2/snaps/refresh",
            '{"actions": [{"name": "microk8s", "channel": "1.35/stable"}]}',
            200,
            "snapcraftcontent.com",
        ),
        (
            STORE,
            "POST",
            "/v2/snaps/refresh",
            '{"actions": [{"name": "microk8s", "channel": "1.33/edge"}]}',
            200,
            "revision-not-found",
        ),
        (STORE, "POST", "/v2/snaps/refresh", '{"actions": [{"name": "other"}]}', 200, "name-not-found"),
        (STORE, "POST", "/v2/snaps/refresh", "<html>", 400, "bad request"),
        (STORE, "GET", "/v2/snaps/info/microk8s?fields=channel-map", "", 200, '"name": "1.35/stable"'),
        (STORE, "GET", "/elsewhere", "", 404, "resource-not-found"),
        (LOGIN, "GET", "/", "", 200, "<!DOCTYPE html>"),
        ("registry-1.docker.io", "GET", "/v2/", "", 401, "UNAUTHORIZED"),
        ("registry.k8s.io", "GET", "/v2/pause/manifests/3.10", "", 200, "/v2/pause/manifests/3.10"),
        ("deb.debian.org", "GET", "/", "", 200, "stand-in for deb.debian.org"),
        ("deb.debian.org", "GET", "/debian/other", "", 404, ""),
        ("deb.debian.org", "GET", "/debian/dists/Release", "", 200, "the file"),
        ("deb.debian.org", "GET", "/debian/../secret", "", 404, ""),
        ("unknown.example", "GET", "/", "", 421, ""),
    ],
)
def test_what_origins_answer(
    *, origins: Origins, tmp_path: Path, name: str, method: str, path: str, body: str, status: int, says: str
) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "mirror/dists").mkdir(parents=True)
    (tmp_path / "mirror/dists/Release").write_text("the file")
    origins.serve("deb.debian.org", "/debian", tmp_path / "mirror")
    answer = origins.answer(name, method, path, body.encode())
    assert answer.status == status
    assert says in answer.body.decode()


def test_a_closed_channel_is_not_in_the_channel_map(origins: Origins) -> None:
    origins.closed.add("1.35/stable")
    channels = json.loads(origins.answer(STORE, "GET", "/v2/snaps/info/microk8s", b"").body)["channel-map"]
    names = [entry["channel"]["name"] for entry in channels]
    assert "1.35/candidate" in names
    assert "1.35/stable" not in names
    assert has_channel("1.35/stable")
    assert not has_channel("1.35/best")


def test_only_known_names_may_have_a_mirror(origins: Origins) -> None:
    assert set(REGISTRIES) < set(NAMES)
    with pytest.raises(ValueError, match=r"no origin mirror\.example"):
        origins.serve("mirror.example", "/", Path())


def test_a_snap_file_and_its_assertion() -> None:
    content = write_snap("microk8s", "v1.35.4")
    (assertion,) = read_assertions(write_assertions("microk8s", "8612", content))
    assert (assertion.name, assertion.revision, len(assertion.digest)) == ("microk8s", "8612", 64)
    assert read_snap(content).version == "v1.35.4"
    assert read_snap(b"hsqs, a real one").name == ""
    with pytest.raises(ValueError, match="not a snap"):
        read_snap(b"\x89PNG")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nothing", "signature separator not found"),
        ("type: snap-revision\nsnap-sha3-384: x\nsnap-id: unknown\nsnap-revision: 1\n", "cannot resolve prerequisite"),
    ],
)
def test_what_is_no_assertion(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        read_assertions(text)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("set", "system", "proxy.socks=x"), 'cannot set "core.proxy.socks": unsupported system option'),
        (("set", "system", "store-certs.a b=x"), "must only contain word characters or a dash"),
        (("set", "system", "store-certs.a=nonsense"), 'cannot decode pem certificate "a"'),
        (("set", "microk8s", "config=x"), "no configuration"),
        (("get", "system", "proxy.http"), 'no "proxy.http" configuration option'),
        (("get", "-d", "system", "store-certs"), 'no "store-certs" configuration option'),
    ],
)
def test_settings_that_snapd_refuses(snapd: Snapd, words: tuple[str, ...], says: str) -> None:
    code, text = run(snapd, *words)
    assert code == 1
    assert says in text


def test_settings_are_set_all_or_none_and_unset(snapd: Snapd) -> None:
    pem = AUTHORITY.pair.certificate
    assert run(snapd, "set", "system", "proxy.http=http://p:1", "bad=1")[0] == 1
    assert run(snapd, "get", "system", "proxy.http")[0] == 1
    assert run(snapd, "set", "system", "proxy.http=http://p:1", "proxy.no-proxy=a,b", f"store-certs.onprem-mlops-1={pem}")[0] == 0
    assert run(snapd, "get", "system", "proxy.http") == (0, "http://p:1\n")
    assert json.loads(run(snapd, "get", "-d", "system", "proxy")[1]) == {"proxy": {"http": "http://p:1", "no-proxy": "a,b"}}
    assert json.loads(run(snapd, "get", "-d", "system", "proxy.http")[1]) == {"proxy": {"http": "http://p:1"}}
    assert json.loads(run(snapd, "get", "-d", "system", "store-certs")[1]) == {"store-certs": {"onprem-mlops-1": pem}}
    assert run(snapd, "unset", "system", "proxy.no-proxy") == (0, "")
    assert run(snapd, "set", "system", "proxy.http!") == (0, "")
    assert run(snapd, "get", "-d", "system", "proxy")[0] == 1
    assert "access denied" in run(snapd, "get", "system", "proxy.http", user=1000)[1]


def test_the_journal_masks_what_snap_is_told_of_the_proxy() -> None:
    argv = ["snap", "set", "system", "proxy.https=http://user:secret@proxy:3128", "store-certs.a=-----BEGIN"]
    assert "secret" not in str(mask(argv))


def test_a_specification_with_a_proxy_survives_writing(tmp_path: Path) -> None:
    plain = make_site().spec
    proxy = ProxySpec(("http://proxy.example:3128", "http://10.9.9.9:8080"), AUTHORITY.pair, "user", "password")
    spec = SiteSpec(plain.name, plain.domain, plain.hosts, plain.node_subnet, proxy=proxy)
    spec.save(tmp_path / "spec.json")
    assert SiteSpec.load(tmp_path / "spec.json") == spec
    # by name it is the router, by address itself
    router = str(spec.router(spec.networks[0]).ip)
    assert spec.proxy_addresses == {"proxy.example": router, "10.9.9.9": "10.9.9.9"}
    assert proxy.ports == (3128, 8080)


@pytest.mark.parametrize(
    ("there", "urls", "credentials", "says"),
    [
        ((), (), False, "apt-get install squid-openssl"),
        (("squid",), (), False, "apt-get install squid-openssl"),
        (("squid", "security_file_certgen"), ("https://proxy.example:3129",), False, "no stand-in for such a proxy"),
        (("squid", "security_file_certgen"), (), True, "apt-get install openssl"),
    ],
)
def test_what_the_machine_lacks_is_named(
    *, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: tuple[str, ...], urls: tuple[str, ...], credentials: bool, says: str
) -> None:
    for name in there:
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setattr(interception, "search_path", lambda: str(tmp_path))
    monkeypatch.setattr(interception, "_HELPERS", (str(tmp_path),))
    (problem,) = interception.find_problems(urls, credentials=credentials)
    assert says in problem.mend
