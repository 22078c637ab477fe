"""Relays TCP connections; stands in for the API server of a further control-plane node and for a worker's apiserver-proxy.

Usage: ``python relay.py LISTEN_ADDRESS PORT TARGET_ADDRESS TARGET_PORT READY_FILE``, in the network namespace of the node.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable
from pathlib import Path


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()


async def relay(listen: str, port: int, target: str, target_port: int, listening: Callable[[], None]) -> None:
    """Serves until it is killed; calls ``listening`` once it does."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            onward_reader, onward_writer = await asyncio.open_connection(target, target_port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_pump(reader, onward_writer), _pump(onward_reader, writer))

    server = await asyncio.start_server(connected, listen, port)
    listening()
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(relay(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), Path(sys.argv[5]).touch))
