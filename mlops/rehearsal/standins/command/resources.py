"""Stand-in ``command`` provider: its resources and functions, as the official schema 1.2.1 declares them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mlops.rehearsal.standins.command import local, remote
from mlops.rehearsal.standins.command.ssh import Loop
from mlops.rehearsal.standins.command.transfer import Copier, fingerprint
from mlops.rehearsal.standins.provider import Call, Function, Input, Provider, Resource
from mlops.rehearsal.standins.values import ASSET, SIGNATURE, UNKNOWN, Properties

_LOGGING = ("stdout", "stderr", "stdoutAndStderr", "none")
_HOP = {
    "host": Input(required=True),
    "user": Input(),
    "port": Input("number"),
    "privateKey": Input(secret=True),
    "privateKeyPassword": Input(secret=True),
    "password": Input(secret=True),
    "agentSocketPath": Input(),
    "dialErrorLimit": Input("integer"),
    "perDialTimeout": Input("integer"),
    "hostKey": Input(),
}
CONNECTION = _HOP | {"proxy": Input("object", fields=_HOP)}
_CONNECTION = Input("object", required=True, secret=True, fields=CONNECTION)
_TRIGGERS = Input("array", replaces=True)
_COMMAND = {
    "create": Input(),
    "update": Input(),
    "delete": Input(),
    "stdin": Input(),
    "logging": Input(allowed=_LOGGING),
    "environment": Input("object"),
    "addPreviousOutputInEnv": Input("boolean"),
    "triggers": _TRIGGERS,
}
_LOCAL = {
    "interpreter": Input("array"),
    "dir": Input(),
    "assetPaths": Input("array"),
    "archivePaths": Input("array"),
}
_RESULTS = {"stdout": False, "stderr": False}

Run = Callable[[Call, str, Mapping[str, Any], Mapping[str, Any]], dict[str, object]]


@dataclass
class Command(Resource):
    """``local.Command`` and ``remote.Command``: a change of any input runs ``update``, or ``create`` without one."""

    run: Run = lambda _call, _command, _properties, _old: {}
    strict_secrets: bool = True

    def create(self, call: Call, inputs: Properties) -> tuple[str, Properties]:
        """Run ``create``."""
        identity = remote.new_id(call.name)
        if "create" not in inputs:
            return identity, {"stdout": "", "stderr": ""}
        return identity, self.run(call, inputs["create"], inputs, {})

    def update(self, call: Call, inputs: Properties, old: Properties) -> Properties:
        """Run ``update`` or ``create``."""
        command = inputs.get("update", inputs.get("create"))
        if command is None:
            return super().update(call, inputs, old)
        return self.run(call, command, inputs, old)

    def delete(self, call: Call, state: Properties) -> None:
        """Run ``delete``."""
        if state.get("delete") is not None:
            self.run(call, state["delete"], state, state)

    def previews(self, inputs: Properties, old: Properties | None) -> dict[str, object]:
        """The streams are unknown; files only where they are asked for."""
        del old
        asked = {"assets": "assetPaths" in inputs, "archive": "archivePaths" in inputs}
        return {name: UNKNOWN for name in self.computed if asked.get(name, True)}


@dataclass
class CopyToRemote(Resource):
    """``remote.CopyToRemote``: copies again when the content or the path changes."""

    copier: Copier | None = None
    strict_secrets: bool = True

    def check(self, inputs: Properties) -> list[tuple[str, str]]:
        """The source must be an asset or an archive."""
        source = inputs.get("source")
        if source is not None and not (isinstance(source, dict) and SIGNATURE in source):
            return [("asset", "either asset or archive must be set")]
        return []

    def create(self, call: Call, inputs: Properties) -> tuple[str, Properties]:
        """Copy."""
        self._copy(call, inputs)
        return remote.new_id(), {}

    def update(self, call: Call, inputs: Properties, old: Properties) -> Properties:
        """Copy again if the content or the path changed."""
        if fingerprint(inputs["source"]) != fingerprint(old["source"]) or inputs["remotePath"] != old["remotePath"]:
            self._copy(call, inputs)
        return {}

    def _copy(self, call: Call, inputs: Properties) -> None:
        if self.copier is not None:
            self.copier.copy(call, inputs["connection"], inputs["source"], inputs["remotePath"])


@dataclass
class CopyFile(CopyToRemote):
    """``remote.CopyFile``, deprecated: copies one file; every change replaces."""

    updates: bool = False

    def check(self, inputs: Properties) -> list[tuple[str, str]]:
        """Nothing more than names and types."""
        del inputs
        return []

    def create(self, call: Call, inputs: Properties) -> tuple[str, Properties]:
        """Copy."""
        source = {SIGNATURE: ASSET, "path": inputs["localPath"]}
        if self.copier is not None:
            self.copier.write(call, inputs["connection"], source, inputs["remotePath"])
        return remote.new_id(), {}


def provider() -> Provider:
    """The provider with its own event loop for SSH."""
    loop = Loop()
    here, there, copier = local.Runner(), remote.Runner(loop), Copier(loop)
    copied = {"connection": _CONNECTION, "remotePath": Input(required=True), "triggers": _TRIGGERS}

    def run(call: Call, arguments: Properties) -> Properties:
        return {**arguments, **here.run(call, arguments["command"], arguments, {})}

    def cancel() -> None:
        loop.cancel()
        here.cancel()

    return Provider(
        "command",
        "1.2.1",
        [
            Command("command:local:Command", _COMMAND | _LOCAL, _RESULTS | {"assets": False, "archive": False}, run=here.run),
            Command("command:remote:Command", _COMMAND | {"connection": _CONNECTION}, _RESULTS, run=there.run),
            CopyToRemote("command:remote:CopyToRemote", copied | {"source": Input("any", required=True)}, {}, copier=copier),
            CopyFile("command:remote:CopyFile", copied | {"localPath": Input(required=True)}, {}, copier=copier),
        ],
        {"command:local:run": Function(run)},
        cancel,
    )
