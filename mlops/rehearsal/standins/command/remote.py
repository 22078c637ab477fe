"""Stand-in ``command`` provider: ``remote.Command``."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections.abc import Mapping
from typing import Any

from mlops.rehearsal.standins.command.later import asyncssh
from mlops.rehearsal.standins.command.output import Output
from mlops.rehearsal.standins.command.ssh import Loop, dial
from mlops.rehearsal.standins.provider import Call, ProviderError

_SETENV_HELP = (
    "Unable to set '{}'. This only works if your SSH server is configured to accept these variables via AcceptEnv. "
    "Alternatively, if a Bash-like shell runs the command on the remote host, you could prefix the command itself with the "
    "variables in the form 'VAR=value command'"
)


class Runner:
    """Runs commands on remote hosts; keeps each command's connection until the plugin ends, as the official provider does."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._connections: list[asyncssh.SSHClientConnection] = []

    def run(self, call: Call, command: str, properties: Mapping[str, Any], old: Mapping[str, Any]) -> dict[str, object]:
        """Run one command; return ``stdout`` and ``stderr``.

        Args:
            call: for the log.
            command: shell text for the remote user's shell.
            properties: inputs of the resource.
            old: outputs of the command before, for ``addPreviousOutputInEnv``.

        Raises:
            ProviderError: no connection, a refused variable, an exit status that is not 0, or an end without one.
        """
        return self._loop.call(self._run(call, command, properties, old))

    async def _run(self, call: Call, command: str, properties: Mapping[str, Any], old: Mapping[str, Any]) -> dict[str, object]:
        connection = await dial(call, properties["connection"])
        self._connections.append(connection)
        environment = await _environment(call, connection, properties, old)
        output = Output(call, properties.get("logging"))
        try:
            process = await connection.create_process(command, env=environment, encoding=None)
        except asyncssh.Error as error:
            raise ProviderError(f"ssh: {error.reason}") from error
        try:
            given = str(properties.get("stdin") or "").encode()
            streams = (_drain(process.stdout, "stdout", output), _drain(process.stderr, "stderr", output))
            await asyncio.gather(_feed(process, given), *streams)
            await process.wait_closed()
        except BaseException:  # a line too long or the engine's cancel: the command must not go on unseen
            connection.abort()
            raise
        output.end()
        problem = _end_of(process)
        if problem:
            raise ProviderError(f"{problem}: running {json.dumps(command, ensure_ascii=False)}:\n{output.both()}")
        return output.results()


async def _environment(
    call: Call, connection: asyncssh.SSHClientConnection, properties: Mapping[str, Any], old: Mapping[str, Any]
) -> dict[str, str]:
    """Variables for the command, each proven to be accepted.

    The official provider asks the server for an answer to each variable; asyncssh does not, so a first session looks which
    ones arrive.
    """
    wanted = {name: str(value) for name, value in (properties.get("environment") or {}).items()}
    extra = {}
    if properties.get("addPreviousOutputInEnv", True):
        extra = {f"PULUMI_COMMAND_{name.upper()}": str(old[name]) for name in ("stdout", "stderr") if old.get(name)}
    if not wanted and not extra:
        return {}
    answer = await connection.run("env", env={**wanted, **extra})
    arrived = set(re.findall(r"^(\w+)=", str(answer.stdout or ""), re.MULTILINE))
    for name in extra.keys() - arrived:
        call.log(_SETENV_HELP.format(name), "WARNING", False)  # noqa: FBT003 - the engine's own field
    for name in sorted(wanted.keys() - arrived):
        call.log(_SETENV_HELP.format(name), "ERROR", False)  # noqa: FBT003 - the engine's own field
        raise ProviderError(f'could not set environment variable "{name}": ssh: setenv failed')
    return wanted | {name: value for name, value in extra.items() if name in arrived}


async def _feed(process: asyncssh.SSHClientProcess[bytes], data: bytes) -> None:
    try:
        process.stdin.write(data)
        await process.stdin.drain()
        process.stdin.write_eof()
    except (ConnectionError, asyncssh.Error):
        return  # a command may end without reading all of it; a lost connection shows in how the command ended


async def _drain(stream: asyncssh.SSHReader[bytes], name: str, output: Output) -> None:
    while True:
        try:
            data = await stream.read(32 * 1024)
        except (ConnectionError, asyncssh.Error):
            return  # as above
        if not data:
            return
        output.write(name, data)


def _end_of(process: asyncssh.SSHClientProcess[bytes]) -> str:
    """How the command failed, in the words of the official provider's SSH library; empty when it did not."""
    if process.exit_signal:
        name = process.exit_signal[0]
        status = 128 + {
            "HUP": 1,
            "INT": 2,
            "QUIT": 3,
            "ILL": 4,
            "ABRT": 6,
            "FPE": 8,
            "KILL": 9,
            "SEGV": 11,
            "PIPE": 13,
            "TERM": 15,
        }.get(name, 0)
        return f"Process exited with status {status} from signal {name}"
    if process.exit_status is None:
        return "wait: remote command exited without exit status or exit signal"
    return f"Process exited with status {process.exit_status}" if process.exit_status else ""


def new_id(name: str = "") -> str:
    """A resource id: the name and eight hexadecimal digits."""
    return name + secrets.token_hex(4)
