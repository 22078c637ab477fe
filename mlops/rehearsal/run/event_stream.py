"""Receives the engine's events while it works: ``--event-log tcp://ADDRESS`` makes it stream them, as its Automation API does.

A file would not do: the engine opens it anew for each phase (preview, update) and cuts off what a reader has not read yet.
"""

from __future__ import annotations

import json
import queue
from collections.abc import Iterator
from concurrent import futures
from types import TracebackType
from typing import Any, Self

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import events_pb2_grpc

Event = dict[str, Any]
PHASE_BEGINS: Event = {}
"""Put in front of the events of each phase: ``up`` with its preview has two."""


class EventStream(events_pb2_grpc.EventsServicer):
    """A server for one run of the engine; a context manager.

    Attributes:
        address: value of ``--event-log``.
    """

    def __init__(self) -> None:
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._server = grpc.server(futures.ThreadPoolExecutor(2), options=[("grpc.max_receive_message_length", -1)])
        events_pb2_grpc.add_EventsServicer_to_server(self, self._server)
        self.address = f"tcp://127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.stop(grace=None)

    def StreamEvents(self, request_iterator: Any, _context: Any) -> empty_pb2.Empty:  # noqa: N802 - the name is the protocol's
        """Takes in the events of one phase; the engine waits for the answer before it ends."""
        self._events.put(PHASE_BEGINS)
        for request in request_iterator:
            self._events.put(json.loads(request.event))
        return empty_pb2.Empty()

    def drain(self, wait_seconds: float) -> Iterator[Event]:
        """Yields what is there, waiting for the first at most so long."""
        try:
            yield self._events.get(timeout=wait_seconds)
            while True:
                yield self._events.get_nowait()
        except queue.Empty:
            return
