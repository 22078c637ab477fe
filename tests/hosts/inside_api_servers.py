"""Runs inside namespaces of its own (test_api_server_files.py starts it): two real API servers on one etcd, with rendered files.

One of them is started anew with the next key for Secrets, the other one is not yet.
"""

from __future__ import annotations

import base64
import http.client
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlops.hosts.apiserver import KEY_BYTES, api_server
from mlops.rehearsal.site.api import ApiClient, ApiError
from mlops.rehearsal.site.pki import Authority, signing_key
from mlops.rehearsal.site.process import Program
from mlops.settings import Audit, Authentication
from mlops.tools import resolve

PORTS = {"one": 16443, "two": 16444}
ETCD = 12379
ADDRESS = "192.0.2.1"
READY_SECONDS = 120.0
KEYS = {number: base64.b64encode(bytes([number]) * KEY_BYTES).decode() for number in (1, 2, 3)}
VALUE = base64.b64encode(b"a secret value").decode()


class Servers:
    """The programs and their files, in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tools = {name: tool.path for name, tool in resolve(["etcd", "kube-apiserver"]).items()}
        self.authority = Authority("test")
        tokens = signing_key()
        pairs = {
            "ca": self.authority.pair,
            "server": self.authority.server("kube-apiserver", ["127.0.0.1"]),
            "admin": self.authority.client("admin", "system:masters"),
            "tokens": tokens,
        }
        for name, pair in pairs.items():
            (folder / f"{name}.crt").write_text(pair.certificate)
            (folder / f"{name}.key").write_text(pair.key)
        listen = f"http://127.0.0.1:{ETCD}"
        urls = [f"--listen-client-urls={listen}", f"--advertise-client-urls={listen}", "--listen-peer-urls=http://127.0.0.1:12380"]
        self.etcd = Program(
            "etcd", [str(self._tools["etcd"]), f"--data-dir={folder}/etcd", *urls, "--unsafe-no-fsync"], folder / "etcd.log"
        )
        self.running: dict[str, Program] = {}

    def start(self, name: str, epoch: int) -> None:
        """Starts an API server with the files of an epoch, in place of the one that runs."""
        if name in self.running:
            self.running[name].kill()
        args = self._folder / name / "args"
        args.mkdir(parents=True, exist_ok=True)
        made = api_server(
            audit=Audit(level="Request"),
            authentication=Authentication(issuerUrl="https://id.example", audiences=("platform",)),
            trusted=self.authority.pair.certificate,
            encryption_keys={number: KEYS[number] for number in range(1, epoch + 2)},
            minor=(1, 35),
        )
        for file, text in {**made.restarting, **made.reloaded}.items():
            (args / file).write_text(text)
        places = {"${SNAP_DATA}": str(self._folder / name), "${SNAP_COMMON}": str(self._folder / name)}
        rendered = [f"{key}={value}" for key, value in made.arguments.items()]
        for variable, place in places.items():
            rendered = [text.replace(variable, place) for text in rendered]
        flags = [
            f"--secure-port={PORTS[name]}",
            f"--advertise-address={ADDRESS}",  # there is no default route to take it from
            f"--etcd-servers=http://127.0.0.1:{ETCD}",
            f"--tls-cert-file={self._folder}/server.crt",
            f"--tls-private-key-file={self._folder}/server.key",
            f"--client-ca-file={self._folder}/ca.crt",
            "--service-cluster-ip-range=10.96.0.0/24",
            "--authorization-mode=RBAC,Node",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self._folder}/tokens.crt",
            f"--service-account-signing-key-file={self._folder}/tokens.key",
        ]
        argv = [str(self._tools["kube-apiserver"]), *flags, *rendered]
        self.running[name] = Program(name, argv, self._folder / f"{name}.log")
        self.running[name].start()
        self.until(name, lambda: self.client(name).request("GET", "/readyz"))

    def client(self, name: str) -> ApiClient:
        """An administrator's client of one of them."""
        folder = self._folder
        files = {"authority": folder / "ca.crt", "certificate": folder / "admin.crt", "key": folder / "admin.key"}
        return ApiClient("127.0.0.1", PORTS[name], **files)

    def until(self, name: str, ask: Callable[[], object]) -> None:
        """Asks until there is an answer."""
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                ask()
            except (ApiError, OSError) as error:
                program = self.running[name]
                if program.ended or time.monotonic() > deadline:
                    raise RuntimeError(f"{error}\n{program.tail(30)}") from error
                time.sleep(0.1)
            else:
                return

    def stored(self, secret: str) -> str:
        """How etcd has a Secret begin."""
        connection = http.client.HTTPConnection("127.0.0.1", ETCD, timeout=10)
        key = base64.b64encode(f"/registry/secrets/default/{secret}".encode()).decode()
        connection.request("POST", "/v3/kv/range", json.dumps({"key": key}))
        value = json.loads(connection.getresponse().read())["kvs"][0]["value"]
        return base64.b64decode(value)[:40].split(b":", 5)[4].decode() if value else ""

    def write(self, server: str, secret: str) -> None:
        """Makes a Secret."""
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret}, "data": {"key": VALUE}}
        self.until(server, lambda: self.client(server).request("POST", "/api/v1/namespaces/default/secrets", body))

    def read(self, server: str) -> dict[str, bool]:
        """Secret to whether its value is read; a single one that cannot be read fails the whole list."""
        items = self.client(server).request("GET", "/api/v1/namespaces/default/secrets")["items"]
        return {item["metadata"]["name"]: item["data"]["key"] == VALUE for item in items}


@contextmanager
def servers(folder: Path) -> Iterator[Servers]:
    """All of them, ended in the end."""
    found = Servers(folder)
    try:
        yield found
    finally:
        for program in (*found.running.values(), found.etcd):
            program.kill()


def play(folder: Path) -> dict[str, Any]:
    """What came of it."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    result: dict[str, Any] = {}
    with servers(folder) as all_of_them:
        all_of_them.etcd.start()
        for name in PORTS:
            all_of_them.start(name, 1)
        all_of_them.write("one", "first")
        all_of_them.start("one", 2)
        all_of_them.write("one", "second")
        result["stored"] = {name: all_of_them.stored(name) for name in ("first", "second")}
        result["read"] = {name: all_of_them.read(name) for name in PORTS}
        log = "".join(path.read_text() for path in folder.rglob("audit*.log"))
        events = [json.loads(line) for line in log.splitlines()]
        result["audited"] = sorted({event["verb"] for event in events if event.get("objectRef", {}).get("resource") == "secrets"})
        result["values in the audit log"] = VALUE in log
    return result


if __name__ == "__main__":
    target = Path(sys.argv[1])
    (target / "result.json").write_text(json.dumps(play(target)))
