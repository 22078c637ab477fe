"""The site's daemon: answers the stand-ins of every host over a socket of that host's own, and lets tests make calls fail."""

from __future__ import annotations

import os
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from mlops.rehearsal.site.journal import Journal

SOCKET = "daemon.sock"


@dataclass(frozen=True, slots=True)
class Call:
    """A stand-in was called.

    Attributes:
        host: name of the host.
        argv: program name (without directory) and arguments.
        user: user id of the caller.
    """

    host: str
    argv: tuple[str, ...]
    user: int

    @property
    def root(self) -> bool:
        """Whether root called."""
        return self.user == 0


@dataclass(frozen=True, slots=True)
class Reply:
    """What the stand-in prints, and its exit code."""

    code: int = 0
    out: str = ""
    err: str = ""


@dataclass(frozen=True, slots=True)
class Execute:
    """A real program that the stand-in runs on its host instead, on its own standard streams."""

    argv: tuple[str, ...]


Handler = Callable[[Call], Reply | Execute]


@dataclass(slots=True)
class Fault:
    """Makes calls go wrong.

    Attributes:
        command: start of the arguments that it is for, e.g. ``("snap", "install")``.
        host: name of the host, or None for each.
        action: ``fail``: nothing happens and the call fails. ``fail-after``: it happens, but the call fails, as when its caller
            is killed half way. ``reboot``: the host loses power during the call, before anything happens; it boots again at once.
            ``delay``: it happens, ``seconds`` later.
        times: how many calls it is for.
        reply: what the failing call prints and ends with.
        seconds: of the delay.
        rebooted: set once the host that lost power is there again.
    """

    command: tuple[str, ...]
    host: str | None = None
    action: Literal["fail", "fail-after", "reboot", "delay"] = "fail"
    times: int = 1
    reply: Reply = field(default_factory=lambda: Reply(1, err="error: fault injected by the rehearsal\n"))
    seconds: float = 0.0
    rebooted: threading.Event = field(default_factory=threading.Event, compare=False)


class Daemon:
    """One listener per host.

    Args:
        handler: answers a call; runs in a thread of its own, one call of a host at a time does not hold for `run` replies.
        reboot: makes a host lose power and boot again; for the fault of that name.
    """

    def __init__(self, handler: Handler, reboot: Callable[[str], None]) -> None:
        self._handler = handler
        self._reboot = reboot
        self._servers: list[socketserver.BaseServer] = []
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self.journals: dict[str, Journal] = {}

    def inject(self, fault: Fault) -> None:
        """Makes the next matching calls go wrong."""
        with self._lock:
            self._faults.append(fault)

    def listen(self, host: str, directory: Path) -> None:
        """Serves a host's stand-ins; ``directory`` is what the host sees as ``/run/site``."""
        journal = self.journals[host] = Journal(host, directory.parent / "journal.jsonl")
        daemon = self

        class Connection(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                daemon.serve(host, journal, self.request)

        descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            # by descriptor: a socket's own path may have 107 characters at most, and the cache may stand deep
            server = _Server(f"/proc/self/fd/{descriptor}/{SOCKET}", Connection)
        finally:
            os.close(descriptor)
        (directory / SOCKET).chmod(
            0o666
        )  # a normal user of the host may run a stand-in too; what it may do is the stand-in's to say
        threading.Thread(target=server.serve_forever, name=f"daemon-{host}", daemon=True, kwargs={"poll_interval": 0.1}).start()
        self._servers.append(server)

    def stop(self) -> None:
        """Stops serving."""
        for server in self._servers:
            server.shutdown()
            server.server_close()
        self._servers.clear()

    def serve(self, host: str, journal: Journal, connection: socket.socket) -> None:
        """Answers one call and records it."""
        started = time.time()
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        _, user, _ = struct.unpack("3i", credentials)
        argv = [field.decode(errors="replace") for field in receive(connection)]
        if not argv:
            return
        answer = self.answer(Call(host, tuple(argv), user))
        try:
            if isinstance(answer, Execute):
                send(connection, [b"run", *(argument.encode() for argument in answer.argv)])
                code = int((receive(connection) or [b"-9"])[0])  # no answer: the stand-in was killed
            else:
                code = answer.code
                send(connection, [b"exit", str(code).encode(), answer.out.encode(), answer.err.encode()])
        except OSError:
            code = -9
        journal.add(argv, user=user, started=started, code=code)

    def answer(self, call: Call) -> Reply | Execute:
        """The answer to one call, with the faults that were injected for it."""
        fault = self._fault(call)
        if fault is None:
            return self._handler(call)
        if fault.action == "delay":
            time.sleep(fault.seconds)
            return self._handler(call)
        if fault.action == "reboot":
            self._reboot(call.host)
            fault.rebooted.set()
        if fault.action == "fail-after":
            self._handler(call)
        return fault.reply

    def _fault(self, call: Call) -> Fault | None:
        with self._lock:
            for fault in self._faults:
                if fault.times > 0 and fault.host in (None, call.host) and call.argv[: len(fault.command)] == fault.command:
                    fault.times -= 1
                    return fault
        return None


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 64


def send(connection: socket.socket, fields: Sequence[bytes]) -> None:
    """Sends byte strings: their number, then each with its length in front, 32 bit big endian."""
    parts = [struct.pack(">I", len(fields))]
    for entry in fields:
        parts += [struct.pack(">I", len(entry)), entry]
    connection.sendall(b"".join(parts))


def receive(connection: socket.socket) -> list[bytes]:
    """Receives what :func:`send` sent; empty when the other side has gone."""
    try:
        (count,) = struct.unpack(">I", _exactly(connection, 4))
        return [_exactly(connection, struct.unpack(">I", _exactly(connection, 4))[0]) for _ in range(count)]
    except EOFError:
        return []


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = connection.recv(size - len(data))
        if not chunk:
            raise EOFError
        data += chunk
    return data
