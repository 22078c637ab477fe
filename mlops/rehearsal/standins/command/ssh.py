"""Stand-in ``command`` provider: SSH connections as the official one makes them.

Host key: the given one and its algorithm only; none given, none checked. Any failure to connect, a refused user included, is
tried again up to ``dialErrorLimit`` times. Once connected nothing is tried again. Connections of commands stay open until the
plugin ends. As with the official provider, ``perDialTimeout`` covers the TCP connection, not the handshake.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

from mlops.rehearsal.standins.command.later import asyncssh
from mlops.rehearsal.standins.provider import Call, ProviderError

_FIRST_DELAY, _BACKOFF, _LONGEST_DELAY = 0.1, 1.5, 5.0
_T = TypeVar("_T")
# those of Go's net.Dialer (KeepAliveConfig), by which the official provider gives up 150 s after a host has lost its power
KEEPALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 9),
)


class Loop:
    """An event loop in a thread of its own, for calls that come on many threads."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._calls: set[Future[Any]] = set()
        self._lock = threading.Lock()
        self._cancelled = False
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def call(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine to its end.

        Raises:
            ProviderError: it was cancelled, or failed with that.
        """
        with self._lock:
            if self._cancelled:
                coroutine.close()
                raise ProviderError("context canceled")
            future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
            self._calls.add(future)
        try:
            return future.result()
        except (CancelledError, asyncio.CancelledError):
            raise ProviderError("context canceled") from None
        finally:
            with self._lock:
                self._calls.discard(future)

    def cancel(self) -> None:
        """End every call under way and take no more: the engine is about to end the plugin."""
        with self._lock:
            self._cancelled = True
            calls = tuple(self._calls)
        for call in calls:
            call.cancel()


async def dial(call: Call, connection: Mapping[str, Any]) -> asyncssh.SSHClientConnection:
    """Connect, through the proxy if there is one.

    Args:
        call: for progress.
        connection: the property ``connection``, plain.

    Raises:
        ProviderError: the settings are wrong, or the limit of tries is reached.
    """
    options = _options(connection)
    target = str(connection["host"]), int(connection.get("port", 22))
    proxy = connection.get("proxy")
    if not proxy:
        return await _retry(call, "Dial", connection, lambda: _direct(target, connection, options))
    try:
        proxy_options = _options(proxy)
        hop = str(proxy["host"]), int(proxy.get("port", 22))
        tunnel = await _retry(call, "Dial proxy", proxy, lambda: _direct(hop, proxy, proxy_options))
        return await _retry(
            call,
            "Dial from proxy",
            connection,
            lambda: asyncssh.connect(*target, config=None, tunnel=tunnel, **options),
        )
    except ProviderError as error:
        raise ProviderError(f"proxy: {error}") from error


def _options(connection: Mapping[str, Any]) -> dict[str, Any]:
    """Options for asyncssh: nothing from this user's own SSH configuration, keys or known hosts."""
    options: dict[str, Any] = {
        "username": connection.get("user", "root"),
        "known_hosts": None,
        "client_keys": None,
        "agent_path": None,
        "gss_host": None,
        "login_timeout": 0,
    }
    if connection.get("hostKey"):
        try:
            key = asyncssh.import_public_key(connection["hostKey"])
        except asyncssh.KeyImportError:
            raise ProviderError("failed to parse host key: ssh: no key found") from None
        options |= {"known_hosts": ([key], [], []), "server_host_key_algs": [key.get_algorithm()]}
    if connection.get("privateKey"):
        try:
            options["client_keys"] = [asyncssh.import_private_key(connection["privateKey"], connection.get("privateKeyPassword"))]
        except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError):
            raise ProviderError("ssh: no key found, or its password is missing or wrong") from None
    if connection.get("password"):
        options["password"] = connection["password"]
    agent = connection.get("agentSocketPath") or os.environ.get("SSH_AUTH_SOCK")
    if agent:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(agent)
            except OSError as error:
                raise ProviderError(f"dial unix {agent}: connect: {_reason(error)}") from None
        options["agent_path"] = agent
    return options


async def _direct(
    target: tuple[str, int], connection: Mapping[str, Any], options: Mapping[str, Any]
) -> asyncssh.SSHClientConnection:
    host, port = target
    try:
        async with asyncio.timeout(float(connection.get("perDialTimeout", 15)) or None):
            bare = await _tcp(host, port)
    except TimeoutError:
        raise ProviderError(f"dial tcp {host}:{port}: i/o timeout") from None
    except OSError as error:
        raise ProviderError(f"dial tcp {host}:{port}: connect: {_reason(error)}") from None
    return await asyncssh.run_client(bare, config=None, host=host, port=port, **options)


async def _tcp(host: str, port: int) -> socket.socket:
    """A connected socket; the addresses of the host are tried in turn."""
    loop = asyncio.get_running_loop()
    failure: OSError = OSError("no such host")
    for family, kind, protocol, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        bare = socket.socket(family, kind, protocol)
        bare.setblocking(False)  # noqa: FBT003 - the socket's own method
        for level, option, value in KEEPALIVE:
            bare.setsockopt(level, option, value)
        try:
            await loop.sock_connect(bare, address)
        except OSError as error:
            bare.close()
            failure = error
        except BaseException:
            bare.close()
            raise
        else:
            return bare
    raise failure


async def _retry(
    call: Call, what: str, connection: Mapping[str, Any], attempt: Callable[[], Awaitable[asyncssh.SSHClientConnection]]
) -> asyncssh.SSHClientConnection:
    limit = int(connection.get("dialErrorLimit", 10))
    delay, failed = _FIRST_DELAY, 0
    while True:
        try:
            return await attempt()
        except (ProviderError, asyncssh.Error, OSError) as error:
            text = _words(error)
        if 0 <= limit <= failed:
            raise ProviderError(f"after {failed} failed attempts: {text}")
        failed += 1
        call.log(f"{what} {failed}/{limit if limit >= 0 else 'inf'} failed: retrying", "INFO", True)  # noqa: FBT003 - as above
        await asyncio.sleep(delay)
        delay = min(delay * _BACKOFF, _LONGEST_DELAY)


def _words(error: Exception) -> str:
    """A failure to connect in the words of the official provider's SSH library, so far as there is a counterpart."""
    match error:
        case ProviderError():
            return str(error)
        case asyncssh.ChannelOpenError():
            return f"ssh: rejected: connect failed ({error.reason})"
        case asyncssh.PermissionDenied():
            reason = "ssh: unable to authenticate, no supported methods remain"
        case asyncssh.HostKeyNotVerifiable():
            reason = "ssh: host key mismatch"
        case asyncssh.KeyExchangeFailed():
            reason = f"ssh: no common algorithm; {error.reason}"
        case OSError():
            reason = _reason(error)
        case _:
            reason = str(error)
    return f"ssh: handshake failed: {reason}"


def _reason(error: OSError) -> str:
    """The system's own words for an error, in lower case as Go prints them."""
    return os.strerror(error.errno).lower() if error.errno else str(error)
