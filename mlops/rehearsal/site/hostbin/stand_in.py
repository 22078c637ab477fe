#!/usr/bin/python3 -IS
"""Stand-in for a program that a namespace cannot have; it asks the site's daemon what to print and how to end.

One file under many names (snap, microk8s, systemctl, ...). The daemon records every call. Runs on the host's own minimal Python.
Protocol, both ways: number of fields, then each field with its length in front, all 32 bit big endian.
"""

# Each of a hundred calls pays for what is imported here: only what is needed, no site packages.
import os
import signal
import socket
import struct
import sys

SOCKET = "/run/site/daemon.sock"


def send(connection: socket.socket, fields: list[bytes]) -> None:
    """Sends byte strings."""
    parts = [struct.pack(">I", len(fields))]
    for field in fields:
        parts += [struct.pack(">I", len(field)), field]
    connection.sendall(b"".join(parts))


def exactly(connection: socket.socket, size: int) -> bytes:
    """Receives that many bytes."""
    data = b""
    while len(data) < size:
        chunk = connection.recv(size - len(data))
        if not chunk:
            sys.exit("stand-in: the site's daemon went away")
        data += chunk
    return data


def receive(connection: socket.socket) -> list[bytes]:
    """Receives byte strings."""
    (count,) = struct.unpack(">I", exactly(connection, 4))
    return [exactly(connection, struct.unpack(">I", exactly(connection, 4))[0]) for _ in range(count)]


def main() -> int:
    """Sends name and arguments; prints what comes back, or runs it."""
    name = sys.argv[0].rpartition("/")[2]
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(SOCKET)
        send(connection, [name.encode(), *(os.fsencode(argument) for argument in sys.argv[1:])])
        kind, *fields = receive(connection)
        if kind == b"run":
            # the real program, on this host, with this terminal; its exit code is told to the daemon
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            code = os.waitstatus_to_exitcode(os.waitpid(os.posix_spawnp(fields[0], fields, os.environ), 0)[1])
            send(connection, [str(code).encode()])
            return code if code >= 0 else 128 - code
    exit_code, out, err = fields
    sys.stdout.buffer.write(out)
    sys.stdout.flush()
    sys.stderr.buffer.write(err)
    sys.stderr.flush()
    return int(exit_code)


sys.exit(main())
