from __future__ import annotations

import datetime as dt
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mlops.tools import reachability
from mlops.tools.download import DownloadError, Downloads
from mlops.tools.pins import Pin
from mlops.tools.reachability import Reachability
from tests.tools.conftest import HERE, MakePin, Server, script, serving, sha256, tarball

PROGRAM = script("1.2.3")


def fetch(pin: Pin, into: Path) -> Path:
    into.mkdir(exist_ok=True)
    Downloads(HERE).fetch(pin, into, lambda _: None)
    return into / "hammer"


def fails(pin: Pin, into: Path) -> str:
    with pytest.raises(DownloadError) as caught:
        fetch(pin, into)
    return str(caught.value)


def test_a_plain_program_with_a_pinned_sum(server: Server, make_pin: MakePin, tmp_path: Path) -> None:
    server.files["/v1.2.3/linux/x64"] = PROGRAM
    pin = make_pin(url=server.url + "/v{version}/{os}/{arch}", arch={"amd64": "x64"}, sha256={"linux-amd64": sha256(PROGRAM)})
    program = fetch(pin, tmp_path / "got")
    assert program.read_bytes() == PROGRAM
    assert program.stat().st_mode & 0o777 == 0o755
    assert [file.name for file in program.parent.iterdir()] == ["hammer"]


@pytest.mark.parametrize(
    "sums", ["{sum}  other.txt\n{right}  hammer\n", "{right} *./hammer\n", "{right}\n", "# sums\n{RIGHT}  hammer\n"]
)
def test_a_sum_published_with_the_release(server: Server, make_pin: MakePin, tmp_path: Path, sums: str) -> None:
    server.files["/hammer"] = PROGRAM
    right = sha256(PROGRAM)
    server.files["/sums"] = sums.format(sum="0" * 64, right=right, RIGHT=right.upper()).encode()
    assert fetch(make_pin(url=server.url + "/hammer", checksums=server.url + "/sums"), tmp_path / "got").is_file()


def test_a_pinned_sum_goes_before_a_published_one(server: Server, make_pin: MakePin, tmp_path: Path) -> None:
    server.files |= {"/hammer": PROGRAM, "/sums": sha256(PROGRAM).encode()}
    pin = make_pin(url=server.url + "/hammer", sha256={"linux-amd64": "0" * 64}, checksums=server.url + "/sums")
    assert (
        fails(pin, tmp_path / "got") == f"{server.url}/hammer has the wrong checksum: sha256 {sha256(PROGRAM)}, expected {'0' * 64}"
    )
    assert not (tmp_path / "got" / "hammer").exists()
    assert server.asked == ["/hammer"]


def test_a_release_without_any_sum_is_not_fetched(server: Server, make_pin: MakePin, tmp_path: Path) -> None:
    server.files["/sums"] = b"<html>not here</html>"
    assert (
        fails(make_pin(url=server.url + "/hammer", checksums=server.url + "/sums"), tmp_path / "got")
        == f"{server.url}/sums lists no sha256 of hammer"
    )
    assert fails(make_pin(url=server.url + "/hammer"), tmp_path / "got") == "no checksum is pinned for linux-amd64"
    assert server.asked == ["/sums"]


def test_a_transfer_that_breaks_off(server: Server, make_pin: MakePin, tmp_path: Path) -> None:
    server.files["/hammer"] = PROGRAM
    server.cut.add("/hammer")
    pin = make_pin(url=server.url + "/hammer", sha256={"linux-amd64": sha256(PROGRAM)})
    assert fails(pin, tmp_path / "got").startswith(f"{server.url}/hammer broke off after 5 ")


def test_a_missing_release(server: Server, make_pin: MakePin, tmp_path: Path) -> None:
    pin = make_pin(url=server.url + "/hammer", sha256={"linux-amd64": "0" * 64})
    assert fails(pin, tmp_path / "got") == f"{server.url}/hammer answers 404 Not Found"


def archived(server: Server, make_pin: MakePin, archive: bytes, **download: object) -> Pin:
    server.files["/hammer.tar.gz"] = archive
    sums = {"linux-amd64": sha256(archive)}
    return make_pin(url=server.url + "/hammer.tar.gz", **{"member": "{os}/hammer", "sha256": sums} | download)


def test_a_program_and_its_companions_from_an_archive(server: Server, make_pin: MakePin, tmp_path: Path) -> None:
    archive = tarball({"linux/hammer": PROGRAM, "linux/nail": b"nail", "linux/README": b"", "../../evil": b"evil"})
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    program = fetch(archived(server, make_pin, archive, companions=["linux/nail"]), inner / "got")
    assert program.read_bytes() == PROGRAM
    assert sorted(file.name for file in program.parent.iterdir()) == ["hammer", "nail"]
    assert not list(tmp_path.rglob("evil")), "names inside an archive never become paths"


@pytest.mark.parametrize("member", ["../hammer", "/tmp/hammer"])  # noqa: S108 - a name inside an archive
def test_a_member_outside_lands_inside(server: Server, make_pin: MakePin, tmp_path: Path, member: str) -> None:
    program = fetch(archived(server, make_pin, tarball({member: PROGRAM}), member=member), tmp_path / "got")
    assert program.read_bytes() == PROGRAM


@pytest.mark.parametrize(
    ("archive", "said"),
    [
        (tarball({"linux/other": b""}), "the archive cannot be used: \"filename 'linux/hammer' not found\""),
        (tarball({}, {"linux/hammer": "/etc/passwd"}), "linux/hammer in the archive is not a plain file"),
        (
            tarball({"linux/hammer": bytes(100_000)})[:-40],
            "the archive cannot be used: Compressed file ended before the end-of-stream marker was reached",
        ),
        (b"<html>", "the archive cannot be used: not a gzip file"),
    ],
    ids=["lacking", "link", "cut", "no archive"],
)
def test_archives_that_cannot_be_used(server: Server, make_pin: MakePin, tmp_path: Path, archive: bytes, said: str) -> None:
    assert fails(archived(server, make_pin, archive), tmp_path / "got") == said


def test_servers_out_of_reach_are_asked_once_and_together(
    monkeypatch: pytest.MonkeyPatch, make_pin: MakePin, tmp_path: Path
) -> None:
    asked: list[tuple[str, int]] = []

    def no_network(server: tuple[str, int], timeout: float) -> socket.socket:
        asked.append(server)
        raise OSError(-2, "Name or service not known")

    monkeypatch.setattr(socket, "create_connection", no_network)
    monkeypatch.setattr("urllib.request.getproxies", dict)
    downloads = Downloads(HERE)
    pins = [make_pin(url=f"https://{name}.invalid/hammer", sha256={"linux-amd64": "0" * 64}) for name in ("a", "a", "b")]
    downloads.prepare(pins)
    for pin in pins:
        with pytest.raises(DownloadError, match=r"^[ab]\.invalid cannot be reached: Name or service not known$"):
            downloads.fetch(pin, tmp_path, lambda _: None)
    assert sorted(asked) == [("a.invalid", 443), ("b.invalid", 443)]


def test_a_server_that_does_not_answer_costs_no_more_than_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reachability, "_DEADLINE", 0.2)
    monkeypatch.setattr("urllib.request.getproxies", dict)
    end = threading.Event()

    def packets_vanish(*_: object, **__: object) -> socket.socket:
        end.wait(5)
        raise OSError

    monkeypatch.setattr(socket, "create_connection", packets_vanish)
    known = Reachability()
    began = time.monotonic()
    known.check(f"https://{number}.invalid/" for number in range(20))
    assert time.monotonic() - began < 1
    end.set()
    assert known.reason("https://3.invalid/x") == "no answer within 0 s"


def test_behind_a_proxy_it_is_the_proxy_that_must_answer(
    server: Server, make_pin: MakePin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    server.files["http://releases.invalid/hammer"] = PROGRAM
    pin = make_pin(url="http://releases.invalid/hammer", sha256={"linux-amd64": sha256(PROGRAM)})
    assert fetch(pin, tmp_path / "got").read_bytes() == PROGRAM
    assert server.asked == ["http://releases.invalid/hammer"]


def test_a_server_that_breaks_the_connection_is_asked_once(make_pin: MakePin, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepted: list[bool] = []

        def break_off() -> None:
            while True:
                try:
                    listener.accept()[0].close()
                except OSError:
                    return
                accepted.append(True)

        thread = threading.Thread(target=break_off)
        thread.start()
        pin = make_pin(url=f"http://127.0.0.1:{listener.getsockname()[1]}/hammer", sha256={"linux-amd64": "0" * 64})
        downloads = Downloads(HERE)
        for _ in range(3):
            with pytest.raises(DownloadError, match=r"cannot be reached: .*(reset|closed)"):
                downloads.fetch(pin, tmp_path, lambda _: None)
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert len(accepted) == 2, "one look whether it answers, one request"


@pytest.fixture
def secure(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An https server in front of the release server's files, whose certificate only SSL_CERT_FILE makes trusted."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "server.pem"
    encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    pem.write_bytes(certificate.public_bytes(encoding) + key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    with serving(server, context) as port:
        monkeypatch.setenv("SSL_CERT_FILE", str(pem))
        yield f"https://localhost:{port}"


def test_certificates_of_the_environment_are_trusted(server: Server, secure: str, make_pin: MakePin, tmp_path: Path) -> None:
    server.files["/hammer"] = PROGRAM
    pin = make_pin(url=f"{secure}/hammer", sha256={"linux-amd64": sha256(PROGRAM)})
    assert fetch(pin, tmp_path / "got").read_bytes() == PROGRAM


def test_a_certificate_nobody_vouches_for(
    server: Server, secure: str, make_pin: MakePin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    pin = make_pin(url=f"{secure}/hammer", sha256={"linux-amd64": sha256(PROGRAM)})
    assert "certificate verify failed" in fails(pin, tmp_path / "got")
    assert not server.asked


def test_no_redirect_leads_out_of_encryption(server: Server, secure: str, make_pin: MakePin, tmp_path: Path) -> None:
    server.redirects["/hammer"] = f"{server.url}/plain"
    server.files["/plain"] = PROGRAM
    pin = make_pin(url=f"{secure}/hammer", sha256={"linux-amd64": sha256(PROGRAM)})
    assert "unknown url type: http" in fails(pin, tmp_path / "got")
    assert server.asked == ["/hammer"]
