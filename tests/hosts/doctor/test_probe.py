"""The probe itself, run by bash on this machine: it prints facts, changes nothing, and tells what a proxy does.

The proxy is a stand-in of a few lines; that the real one is told in the same words is tested on a throw-away site.
"""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mlops.hosts import LAUNCHER
from mlops.hosts.checks import judge
from mlops.hosts.checks.check import Survey
from mlops.hosts.facts import Facts
from mlops.rehearsal.site.pki import Authority
from tests.hosts.doctor import samples
from tests.hosts.doctor.samples import STORE
from tests.hosts.unpacked import CALL, unpacked

VALUES = {
    **dict.fromkeys(("OTHERS", "PEERS", "SHARED_ADDRESSES", "DATA_DISKS", "ORIGINS", "EXTRA_ROOTS", "PROXY"), ""),
    **dict.fromkeys(("PROXY_USER", "PROXY_PASSWORD", "NO_PROXY", "ASK_CLUSTER", "ASK_RECORDS"), ""),
    "HOST_NAME": "node1",
    "ASK_SECONDS": "4",
}
OUTSIDE = {"proxy", "proxy-credentials", "proxy-login-page", "origins", "tls-interception", "snap-channel"}
PASSWORD = "s3cret: of the proxy"
CHANNELS = '{"channel-map": [{"channel": {"name": "1.35/stable", "track": "1.35"}}]}'


def probe(**values: str) -> Facts:
    """Facts of this machine; head and root's rights are left out, as this is no host."""
    body = unpacked("probe", {**VALUES, **values}, secrets=("PROXY_PASSWORD",))
    done = subprocess.run(["sh", "-c", LAUNCHER], input=body, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    return Facts.parse(done.stdout)


def test_it_prints_what_this_machine_is() -> None:
    facts = probe()
    assert facts.cores == os.cpu_count()
    assert facts.host_name == os.uname().nodename
    assert facts.kernel == os.uname().release
    assert abs(facts.time - time.time()) < 60
    assert facts.var_size_kib > 0


def test_texts_of_any_kind_stay_one_json_object() -> None:
    name = 'odd "name" \\ with\ttab and ü'
    assert probe(HOST_NAME="node1", DATA_DISKS=f"/dev/{name}").disks[0].path == f"/dev/{name}"


def test_connections_are_open_refused_or_not_answered() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_server(("127.0.0.1", 0)) as closed:
        open_port, closed_port = server.getsockname()[1], closed.getsockname()[1]
        closed.close()
        facts = probe(PEERS=f"127.0.0.1 {open_port}\n127.0.0.1 {closed_port}")
    assert facts.connections == {("127.0.0.1", open_port): "open", ("127.0.0.1", closed_port): "refused"}
    assert f"tcp {open_port}" in facts.ports


def test_names_are_resolved_and_what_has_no_address_says_so() -> None:
    facts = probe(OTHERS="localhost 127.0.0.1\nnobody.invalid 192.0.2.1", ASK_SECONDS="2")
    assert "127.0.0.1" in facts.resolved["localhost"]
    assert not facts.resolved.get("nobody.invalid")


def probe_with(lines: str) -> Facts:
    """Facts where these lines of shell stand before the call: places that are not on this machine."""
    body = unpacked("probe", VALUES, call=f"{lines}\n{CALL}")
    done = subprocess.run(["bash", "-s", "--", "apply"], input=body, capture_output=True, text=True, check=True)
    return Facts.parse(done.stdout)


def test_the_networks_that_microk8s_runs_with_are_told(tmp_path: Path) -> None:
    file = tmp_path / "cni-env"
    assert probe_with(f"CNI_FILE={file}").networks == ("", "")
    file.write_text('IPv4_SUPPORT=true\nIPv4_CLUSTER_CIDR="10.1.0.0/16"\nIPv4_SERVICE_CIDR=10.152.183.0/24\n')
    assert probe_with(f"CNI_FILE={file}").networks == ("10.1.0.0/16", "10.152.183.0/24")


@pytest.mark.parametrize("storage", [False, True])
def test_a_probe_tells_which_machine_was_prepared_and_whether_for_volumes(tmp_path: Path, storage: bool) -> None:
    lines = ["file\t/etc/a\t00", *(["sysctl\tvm.nr_hugepages\t1024"] if storage else []), "machine\tabc"]
    (tmp_path / "prepare").write_text("".join(f"{line}\n" for line in lines))
    facts = probe_with(f"RECORDS={tmp_path}")
    assert facts.prepared_for_storage is storage
    assert {entry.kind for entry in facts.recorded} == {"machine", *(["sysctl"] if storage else [])}


def test_records_are_compared_by_kind(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content\n")
    (tmp_path / "environment").write_text("PATH=/bin\n# onprem-mlops: begin\nA=1\nB=2\n# onprem-mlops: end\n")
    record = 'record() { mkdir -p "$RECORDS"; (IFS=$\'\\t\'; printf "%s\\n" "$*") >>"$RECORDS/prepare"; }'
    library = "\n".join(
        [
            f"RECORDS={tmp_path}/deployed",
            record,
            f'record file {tmp_path}/file "$(digest <{tmp_path}/file)"',
            f"record file {tmp_path}/gone 00",
            f"record block {tmp_path}/environment \"$(digest <<<$'A=1\\nB=2')\"",
            "record sysctl kernel.ostype Linux",
            "record machine abc",
            CALL,
        ]
    )
    body = unpacked("probe", {**VALUES, "ASK_RECORDS": "yes"}, call=library)
    done = subprocess.run(["bash", "-s", "--", "apply"], input=body, capture_output=True, text=True, check=True)
    facts = Facts.parse(done.stdout)
    same = {entry.name for entry in facts.recorded if facts.present.get((entry.kind, entry.name)) == entry.value}
    assert same == {f"{tmp_path}/file", f"{tmp_path}/environment", "kernel.ostype"}
    assert ("file", f"{tmp_path}/gone") not in facts.present


class Proxy:
    """Stand-in for a proxy that answers every CONNECT in one way.

    Args:
        reply: status line and headers.
        authority: signs for whatever is asked for, when the reply lets it through.
        answer: what is answered inside TLS.
    """

    def __init__(self, reply: str, authority: Authority | None = None, answer: str = "") -> None:
        self.asked: list[str] = []
        self._reply, self._authority, self._answer = reply, authority, answer
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        with connection:
            request = b""
            while b"\r\n\r\n" not in request:
                request += connection.recv(4096) or b"\r\n\r\n"
            self.asked.append(request.decode())
            connection.sendall(f"{self._reply}\r\n\r\n".encode())
            if self._authority is None or " 200" not in self._reply:
                return
            name = request.split()[1].decode().partition(":")[0]
            pair = self._authority.server(name, [name])
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            with _files(pair.certificate, pair.key) as (certificate, key):
                context.load_cert_chain(certificate, key)
            try:
                with context.wrap_socket(connection, server_side=True) as inner:
                    inner.recv(4096)
                    inner.sendall(self._answer.encode())
            except OSError:
                return  # who asks may hang up

    def close(self) -> None:
        self._server.close()


@contextmanager
def _files(*texts: str) -> Iterator[tuple[str, ...]]:
    import tempfile  # noqa: PLC0415 - here alone

    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / str(number) for number in range(len(texts))]
        for path, text in zip(paths, texts, strict=True):
            path.write_text(text)
        yield tuple(map(str, paths))


AUTHORITY = Authority("Example Proxy Root")
LET_THROUGH = "HTTP/1.1 200 Connection established"


def json_answer(text: str) -> str:
    return f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{text}"


@pytest.mark.parametrize(
    ("proxy", "trusted", "checks"),
    [
        (lambda: Proxy(LET_THROUGH, AUTHORITY, json_answer(CHANNELS)), True, set()),
        (lambda: Proxy(LET_THROUGH, AUTHORITY, json_answer(CHANNELS)), False, {"tls-interception"}),
        (lambda: Proxy(LET_THROUGH, AUTHORITY, json_answer(CHANNELS.replace("1.35", "1.34"))), True, {"snap-channel"}),
        (
            lambda: Proxy(LET_THROUGH, AUTHORITY, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<form>"),
            True,
            {"proxy-login-page"},
        ),
        (lambda: Proxy('HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm="x"'), True, {"proxy-credentials"}),
        (lambda: Proxy("HTTP/1.1 302 Found\r\nLocation: http://login.example/"), True, {"proxy-login-page"}),
        (lambda: Proxy("HTTP/1.1 403 Forbidden\r\nContent-Type: text/html"), True, {"origins"}),
        (None, True, {"proxy"}),
    ],
    ids=["lets through", "opens TLS", "old mirror", "login page inside", "asks for a user", "login page", "forbids", "is down"],
)
def test_what_a_proxy_does_is_told(proxy: Any, trusted: bool, checks: set[str]) -> None:
    played = proxy() if proxy else None
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = played.port if played else unused.getsockname()[1]
    facts = probe(
        PROXY=f"127.0.0.1 {port}",
        PROXY_USER="svc",
        PROXY_PASSWORD=PASSWORD,
        ORIGINS=f"{STORE} 443 /v2/snaps/info/microk8s",
        EXTRA_ROOTS=AUTHORITY.pair.certificate if trusted else "",
    )
    # this machine's own package sources are asked as well, and do not count here
    only = "\n".join(line for line in facts.origins.splitlines() if line.startswith(STORE))
    wanted = samples.wanted(origins=((STORE, 443, "/"),), extra_roots=("CN=Example Proxy Root",))
    judged = facts.model_copy(update={"host": "node1", "origins": only})
    found = {entry.check for entry in judge(Survey(wanted, {"node1": judged})) if entry.severity != "note"}
    assert found & OUTSIDE == checks, facts.origins
    if played:
        assert any("Proxy-Authorization: Basic" in request for request in played.asked)
        played.close()


def test_what_bypasses_the_proxy_is_asked_directly() -> None:
    facts = probe(
        PROXY="127.0.0.1 1",
        NO_PROXY=".example.invalid,plain.invalid",
        ORIGINS="a.example.invalid 443 /\nplain.invalid 443 /\nother.invalid 443 /",
    )
    ways = {entry.origin.partition(":")[0]: entry.by_proxy for entry in facts.asked}
    assert {name: ways[name] for name in ("a.example.invalid", "plain.invalid", "other.invalid")} == {
        "a.example.invalid": False,
        "plain.invalid": False,
        "other.invalid": True,
    }
