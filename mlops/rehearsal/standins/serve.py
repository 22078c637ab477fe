"""Stand-in plugins: the process around the service, i.e. port, signals, and an end that comes with the engine's.

A plugin prints the port it listens on as its first line and then serves until it is ended. The engine ends its plugins by
a signal; when the engine itself is killed, nobody does, so a stand-in watches its parent and leaves with it.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from collections.abc import Callable
from concurrent import futures

import grpc

# The engine sends whole programs' worth of properties; it lifts the limit on its side too.
_OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
# One slot per call in flight; the engine's --parallel is the real limit. Threads are started as needed.
_CALLS_AT_ONCE = 256


def engine_address() -> str:
    """Address of the engine's own service: the first argument that is no option; empty when started by hand."""
    return next((argument for argument in sys.argv[1:] if not argument.startswith("-")), "")


def serve(register: Callable[[grpc.Server], None], end: Callable[[], None]) -> None:
    """Serve until SIGTERM, SIGINT or the end of the parent process, then call ``end`` and return.

    Args:
        register: adds the service to the server.
        end: stops what the service started (commands, programs); called once, before the server stops.
    """
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    threading.Thread(target=_await_parent, args=(os.getppid(), stopping), daemon=True).start()
    server = grpc.server(futures.ThreadPoolExecutor(_CALLS_AT_ONCE), options=_OPTIONS)
    register(server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    stopping.wait()
    end()
    server.stop(grace=None)
    # Calls that were under way hold threads that a normal exit would wait for; their answers have no reader any more.
    sys.stdout.flush()
    os._exit(0)


def _await_parent(parent: int, stopping: threading.Event) -> None:
    """Set the event when the parent process is gone. A pidfd cannot be confused by a reused process id."""
    try:
        handle = os.pidfd_open(parent)
    except ProcessLookupError:
        stopping.set()
        return
    if os.getppid() == parent:
        select.select([handle], [], [])
    stopping.set()
