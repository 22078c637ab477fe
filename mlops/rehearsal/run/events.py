"""Engine events -> what happened in each layer, and when. The engine is the only book-keeper; nothing is counted beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

_PROJECT_TYPES = "onprem-mlops:"
OTHER_LAYER = "stack"
"""Where resources stand that belong to no layer: the stack itself."""
_UNCHANGED = {"same", "read", "refresh"}


def layer_of(urn: str) -> str:
    """The layer a resource belongs to: the outermost component of ours in its URN.

    >>> layer_of("urn:pulumi:s::p::onprem-mlops:hosts:PreparedHosts$command:remote:Command::hosts-node1-prepare")
    'hosts'
    """
    types = urn.split("::")[2].split("$")
    return next((kind.split(":")[1] for kind in types if kind.startswith(_PROJECT_TYPES)), OTHER_LAYER)


def _is_component(metadata: dict[str, Any]) -> bool:
    """Whether a step is about a component or the stack; a step about a resource of a provider says ``custom``."""
    state = metadata.get("new") or metadata.get("old")
    return state is not None and not state.get("custom", False)


@dataclass
class LayerProgress:
    """One layer during one operation; times in seconds of a monotonic clock, operations by resource.

    Components count as resources, as the engine counts them, but have no time: the engine ends them with the whole program.
    """

    running: dict[str, float] = field(default_factory=dict)
    operations: dict[str, set[str]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    started: float | None = None
    ended: float | None = None

    @property
    def done(self) -> int:
        """Resources that the engine is through with."""
        return len(self.operations)

    @property
    def changed(self) -> int:
        """Resources that were created, updated, replaced or deleted."""
        return sum(not operations <= _UNCHANGED for operations in self.operations.values())

    def seconds(self, now: float) -> float:
        """From the first step begun to the last one ended, or to now while one runs."""
        if self.started is None:
            return 0.0
        return (now if self.running or self.ended is None else self.ended) - self.started


class Progress:
    """What an operation has done so far, by layer, in the order in which the layers began.

    Attributes:
        layers: layer by name.
        errors: URN (empty when an error belongs to no resource) and text of each error.
        steps: seconds and URN of each step that has ended well; without components.
        last: when the last event came.
    """

    def __init__(self) -> None:
        self.layers: dict[str, LayerProgress] = {}
        self.errors: list[tuple[str, str]] = []
        self.steps: list[tuple[float, str]] = []
        self.last = 0.0

    def feed(self, event: dict[str, Any], now: float) -> None:
        """Takes in one engine event (apitype.EngineEvent of the engine's Go module) that arrived now."""
        self.last = now
        if begun := event.get("resourcePreEvent"):
            self._begin(begun["metadata"], now)
        elif done := event.get("resOutputsEvent"):
            self._end(done["metadata"], now, failed=False)
        elif failed := event.get("resOpFailedEvent"):
            self._end(failed["metadata"], now, failed=True)
        elif (diagnostic := event.get("diagnosticEvent")) and diagnostic.get("severity") == "error":
            self.errors.append((diagnostic.get("urn", ""), diagnostic["message"].strip()))

    def _layer(self, urn: str) -> LayerProgress:
        return self.layers.setdefault(layer_of(urn), LayerProgress())

    def _begin(self, metadata: dict[str, Any], now: float) -> None:
        layer = self._layer(metadata["urn"])
        if _is_component(metadata):
            return
        layer.running[metadata["urn"]] = now
        layer.started = now if layer.started is None else layer.started

    def _end(self, metadata: dict[str, Any], now: float, *, failed: bool) -> None:
        urn = metadata["urn"]
        layer = self._layer(urn)
        if not _is_component(metadata):
            begun = layer.running.pop(urn, now)
            layer.started = begun if layer.started is None else layer.started
            layer.ended = now
            if failed:
                layer.failed.append(urn)
            else:
                self.steps.append((now - begun, urn))
        if not failed:
            # a component ends twice in a preview, and a replacement has several steps: a resource counts once
            layer.operations.setdefault(urn, set()).add(metadata["op"])

    @property
    def diagnostics(self) -> list[str]:
        """Texts of the errors."""
        return [text for _, text in self.errors]

    @property
    def changed(self) -> int:
        """Resources that changed, all layers; the stack's own record does not count."""
        return sum(layer.changed for name, layer in self.layers.items() if name != OTHER_LAYER)
