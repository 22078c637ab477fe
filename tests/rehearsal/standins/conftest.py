"""Fixtures: a provider called as the engine calls it, a real sshd on this machine, the real engine with the stand-ins."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import asyncssh
import grpc
import pytest
from pulumi.runtime.proto import provider_pb2

from mlops.rehearsal.standins.provider import Provider
from mlops.rehearsal.standins.values import from_struct, to_struct

SSHD = Path("/usr/sbin/sshd")
SFTP_SERVER = Path("/usr/lib/openssh/sftp-server")
PRIVILEGE_SEPARATION = Path("/run/sshd")


class AbortedError(Exception):
    """What a call that fails ends with."""


class Context:
    def abort(self, code: grpc.StatusCode, details: str) -> NoReturn:
        raise AbortedError(details) from RuntimeError(code)


@dataclass
class Client:
    """Calls a provider's service without the wire."""

    provider: Provider
    logged: list[tuple[str, str]] = field(default_factory=list)
    aborted: type[Exception] = AbortedError

    def __post_init__(self) -> None:
        client = self

        class Engine:
            def Log(self, request: Any) -> None:  # noqa: N802 - the protocol's name
                client.logged.append((str(request.severity), request.message))

        self.provider._engine = Engine()

    @staticmethod
    def urn(token: str, name: str) -> str:
        return f"urn:pulumi:dev::tiny::{token}::{name}"

    def check(self, token: str, inputs: dict[str, Any]) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        request = provider_pb2.CheckRequest(urn=self.urn(token, "it"), news=to_struct(inputs))
        answer = self.provider.Check(request, Context())
        return from_struct(answer.inputs), [(failure.property, failure.reason) for failure in answer.failures]

    def diff(self, token: str, old: dict[str, Any], new: dict[str, Any], state: dict[str, Any] | None = None) -> Any:
        request = provider_pb2.DiffRequest(
            urn=self.urn(token, "it"), id="id", old_inputs=to_struct(old), news=to_struct(new), olds=to_struct(state or old)
        )
        return self.provider.Diff(request, Context())

    def create(self, token: str, inputs: dict[str, Any], *, preview: bool = False) -> tuple[str, dict[str, Any]]:
        checked, failures = self.check(token, inputs)
        assert failures == []
        request = provider_pb2.CreateRequest(urn=self.urn(token, "it"), properties=to_struct(checked), preview=preview)
        answer = self.provider.Create(request, Context())
        return answer.id, from_struct(answer.properties)

    def update(self, token: str, state: dict[str, Any], inputs: dict[str, Any], *, preview: bool = False) -> dict[str, Any]:
        checked, failures = self.check(token, inputs)
        assert failures == []
        request = provider_pb2.UpdateRequest(
            urn=self.urn(token, "it"), id="id", olds=to_struct(state), news=to_struct(checked), preview=preview
        )
        return from_struct(self.provider.Update(request, Context()).properties)

    def delete(self, token: str, state: dict[str, Any]) -> None:
        self.provider.Delete(provider_pb2.DeleteRequest(urn=self.urn(token, "it"), id="id", properties=to_struct(state)), Context())

    def read(self, token: str, state: dict[str, Any]) -> dict[str, Any]:
        request = provider_pb2.ReadRequest(urn=self.urn(token, "it"), id="id", properties=to_struct(state))
        return from_struct(self.provider.Read(request, Context()).properties)

    def invoke(self, token: str, arguments: dict[str, Any]) -> dict[str, Any]:
        answer = self.provider.Invoke(provider_pb2.InvokeRequest(tok=token, args=to_struct(arguments)), Context())
        return from_struct(getattr(answer, "return"))


@pytest.fixture
def client() -> Callable[[Provider], Client]:
    return Client


@dataclass
class Server:
    """A real sshd for the user who runs the tests.

    Attributes:
        directory: its own folder: keys, configuration, log.
        port: where it listens on 127.0.0.1.
        host_key: its public key, one line.
        private_key: what the user logs in with, PEM.
    """

    directory: Path
    port: int
    host_key: str
    private_key: str
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [str(SSHD), "-D", "-e", "-f", str(self.directory / "config")]
        if os.getuid() == 0 and not PRIVILEGE_SEPARATION.is_dir():
            # As root sshd wants that directory; it gets it in a mount namespace of its own, the machine stays as it is.
            make = f"mount -t tmpfs tmpfs /run && mkdir -m 755 {PRIVILEGE_SEPARATION} && exec "
            command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", make + shlex.join(command)]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            assert self.process.poll() is None, "sshd ended at once"
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        pytest.fail("sshd does not listen")

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(10)

    def connection(self, **changed: object) -> dict[str, Any]:
        given = {
            "host": "127.0.0.1",
            "port": self.port,
            "user": getpass.getuser(),
            "privateKey": self.private_key,
            "hostKey": self.host_key,
            "dialErrorLimit": 0,
        }
        return {key: value for key, value in (given | changed).items() if value is not None}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def make_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Server]]:
    if not SSHD.exists() or not SFTP_SERVER.exists():
        pytest.skip(f"no {SSHD} or {SFTP_SERVER} on this machine (package openssh-server)")
    lacking = os.getuid() == 0 and not PRIVILEGE_SEPARATION.is_dir()
    if lacking and subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True).returncode:
        pytest.skip(f"sshd as root needs {PRIVILEGE_SEPARATION}, and no mount namespace can be made to provide it")
    servers = []

    def make() -> Server:
        directory = tmp_path_factory.mktemp("sshd")
        port = _free_port()
        host, user = asyncssh.generate_private_key("ssh-ed25519"), asyncssh.generate_private_key("ssh-ed25519")
        for key, name in ((host, "host"), (user, "user")):
            (directory / name).touch(0o600)
            key.write_private_key(directory / name)
        user.write_public_key(directory / "authorized")
        (directory / "config").write_text(
            f"ListenAddress 127.0.0.1:{port}\nHostKey {directory}/host\nAuthorizedKeysFile {directory}/authorized\n"
            f"PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
            f"PermitRootLogin prohibit-password\nAcceptEnv ALLOWED PULUMI_COMMAND_STDOUT\nSubsystem sftp {SFTP_SERVER}\n"
            # Away from the start-up files of whoever runs the tests.
            f"SetEnv HOME={directory}\nMaxStartups 100\nLogLevel VERBOSE\n"
        )
        server = Server(directory, port, host.export_public_key().decode().strip(), user.export_private_key("openssh").decode())
        servers.append(server)
        return server

    yield make
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def sshd(make_server: Callable[[], Server]) -> Server:
    server = make_server()
    server.start()
    return server


@pytest.fixture(autouse=True)
def _no_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent of the person who runs the tests has no part in them."""
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


@pytest.fixture(scope="session")
def pulumi() -> Path:
    found = shutil.which("pulumi")
    if found is None:
        pytest.skip("no pulumi on PATH")
    return Path(found)
