"""Stand-in providers: the ResourceProvider service over a table of resource kinds.

A stand-in declares each resource as a :class:`Resource` (inputs, computed outputs, which are secret, which force replacement)
and implements what is special to it; the protocol is here, once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, plugin_pb2, provider_pb2, provider_pb2_grpc

from mlops.rehearsal.standins import serve
from mlops.rehearsal.standins.values import (
    UNKNOWN,
    Empty,
    Properties,
    changes,
    contains,
    from_struct,
    is_secret,
    is_unknown,
    reveal,
    secret,
    to_struct,
)

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


class ProviderError(Exception):
    """An operation failed; the text is what the user sees, in the official provider's words where it has some."""


@dataclass(frozen=True)
class Input:
    """One input property.

    Attributes:
        kind: JSON type, ``any`` for a value that is not checked (assets).
        required: the official schema requires it.
        replaces: a change replaces the resource.
        secret: marked secret even if the program did not.
        default: value the official provider reports in the outputs when the input is absent.
        allowed: the only values allowed, empty for no limit.
        fields: properties of an ``object``, for the defaults and the check of unknown names; None when it is free-form.
        mirrored: the value appears among the outputs (a write-only input does not).
    """

    kind: str = "string"
    required: bool = False
    replaces: bool = False
    secret: bool = False
    default: object = None
    allowed: tuple[object, ...] = ()
    fields: Mapping[str, Input] | None = None
    mirrored: bool = True


@dataclass(frozen=True)
class Call:
    """What an operation knows of its resource besides the properties, and its way to report progress.

    Attributes:
        urn: the engine's name of the resource.
        log: sends one line of progress to the engine: text, severity (``INFO``, ``WARNING``, ``ERROR``), whether it is only
            shown while the operation runs.
    """

    urn: str
    log: Callable[[str, str, bool], None] = lambda _text, _severity, _ephemeral: None

    @property
    def name(self) -> str:
        """Name the program gave the resource."""
        return self.urn.rpartition("::")[2]


@dataclass
class Resource:
    """One kind of resource. Subclasses override what they do; properties they get are plain (no secret wrappers).

    Attributes:
        token: type token, e.g. ``command:remote:Command``.
        inputs: the official input properties.
        computed: outputs that are no input -> whether they are secret.
        updates: has an update; without one every change replaces.
        one_of: groups of inputs of which exactly one must be given.
        strict_secrets: a change of secretness alone is a change (code-first providers); bridged ones do not see it.
    """

    token: str
    inputs: Mapping[str, Input]
    computed: Mapping[str, bool]
    updates: bool = True
    one_of: Sequence[tuple[str, ...]] = ()
    strict_secrets: bool = False

    def check(self, inputs: Properties) -> list[tuple[str, str]]:  # noqa: ARG002 - for subclasses
        """Further checks of known inputs: pairs of property and reason."""
        return []

    def create(self, call: Call, inputs: Properties) -> tuple[str, Properties]:
        """Make it; return the id and the computed outputs."""
        raise NotImplementedError

    def update(self, call: Call, inputs: Properties, old: Properties) -> Properties:  # noqa: ARG002
        """Change it; return the computed outputs."""
        return {name: old[name] for name in self.computed if name in old}

    def delete(self, call: Call, state: Properties) -> None:
        """Delete it."""

    def refresh(self, state: Properties) -> Properties:
        """Read it: what changed among the computed outputs."""
        del state
        return {}

    def drift(self, state: Properties) -> dict[str, str]:
        """Changes that come from the state alone, e.g. an expired certificate: property -> kind of change, replacing."""
        del state
        return {}

    def previews(self, inputs: Properties, old: Properties | None) -> dict[str, object]:
        """Computed outputs shown in a preview that changes something: unknown, all of them."""
        del inputs, old
        return dict.fromkeys(self.computed, UNKNOWN)


@dataclass
class Function:
    """One function (``invoke``): plain arguments in, results out; the secret ones named."""

    run: Callable[[Call, Properties], Properties]
    secret: frozenset[str] = field(default_factory=frozenset)


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """The service for one plugin.

    Args:
        name: package name, e.g. ``random``.
        version: version of the official plugin whose behaviour is followed.
        resources: what can be made.
        functions: what can be invoked, by token.
        cancel: ends operations under way.
    """

    def __init__(
        self,
        name: str,
        version: str,
        resources: Sequence[Resource],
        functions: Mapping[str, Function] | None = None,
        cancel: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = name
        self.version = version
        self.resources = {resource.token: resource for resource in resources}
        self.functions = dict(functions or {})
        self.cancel = cancel
        self._engine: Any = None
        self._attach(serve.engine_address())

    def _attach(self, address: str) -> None:
        if address:
            self._engine = engine_pb2_grpc.EngineStub(grpc.insecure_channel(address))

    def _call(self, urn: str) -> Call:
        def log(text: str, severity: str, ephemeral: bool) -> None:  # noqa: FBT001 - the engine's own field
            if self._engine is not None:
                level = engine_pb2.LogSeverity.Value(severity)
                self._engine.Log(engine_pb2.LogRequest(severity=level, message=text, urn=urn, ephemeral=ephemeral))

        return Call(urn, log)

    def _resource(self, urn: str, context: grpc.ServicerContext) -> Resource:
        token = urn.split("::")[2].rpartition("$")[2]
        if token not in self.resources:
            _fail(context, grpc.StatusCode.UNIMPLEMENTED, f"the stand-in for the {self.name} provider has no {token}")
        return self.resources[token]

    def run(self) -> None:
        """Serve this provider as a plugin process."""
        serve.serve(lambda server: provider_pb2_grpc.add_ResourceProviderServicer_to_server(self, server), self.cancel)

    # --- the protocol -------------------------------------------------------------------------------------------------------

    def Handshake(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802, ARG002
        """Exchange of addresses and abilities."""
        self._attach(request.engine_address)
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True, accept_resources=True)

    def Attach(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802, ARG002
        """Late engine address."""
        self._attach(request.address)
        return Empty()

    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802, ARG002
        """Version."""
        return plugin_pb2.PluginInfo(version=self.version)

    def GetSchema(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802, ARG002
        """The least that is a schema."""
        return provider_pb2.GetSchemaResponse(schema=f'{{"name": "{self.name}", "version": "{self.version}"}}')

    def CheckConfig(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802, ARG002
        """Provider configuration: none is needed."""
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802, ARG002
        """Provider configuration never replaces anything."""
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802, ARG002
        """Abilities."""
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True, acceptResources=True)

    def Check(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Inputs as the program gave them: names, types, what is required; marks secrets."""
        resource = self._resource(request.urn, context)
        inputs = from_struct(request.news)
        failures = check_fields(resource.inputs, inputs, "")
        for group in resource.one_of:
            if len([name for name in group if name in inputs]) != 1:
                failures.append((group[0], f"exactly one of {' and '.join(group)} must be given"))
        if not failures:
            known = {key: value for key, value in reveal(inputs).items() if not contains(value, is_unknown)}
            failures = resource.check(known)
        return provider_pb2.CheckResponse(
            inputs=to_struct(inputs),
            failures=[provider_pb2.CheckFailure(property=name, reason=reason) for name, reason in failures],
        )

    def Diff(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Old inputs against new ones."""
        resource = self._resource(request.urn, context)
        old, new = (with_defaults(resource, from_struct(side)) for side in (request.old_inputs, request.news))
        if not resource.strict_secrets:
            old, new = reveal(old), reveal(new)
        ignored = {name for name, given in resource.inputs.items() if not given.mirrored}
        found = {path: kind for path, kind in changes(old, new).items() if _root(path) not in ignored}
        replacing = {path for path in found if not resource.updates or resource.inputs[_root(path)].replaces}
        drift = resource.drift(reveal(from_struct(request.olds)))
        replacing |= set(drift)
        found |= drift
        kinds = provider_pb2.PropertyDiff.Kind
        detailed = {
            path: provider_pb2.PropertyDiff(
                kind=kinds.Value(kind.upper() + ("_REPLACE" if path in replacing else "")), inputDiff=path not in drift
            )
            for path, kind in found.items()
        }
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME if found else provider_pb2.DiffResponse.DIFF_NONE,
            replaces=sorted({_root(path) for path in replacing}),
            diffs=sorted({_root(path) for path in found}),
            detailedDiff=detailed,
            hasDetailedDiff=True,
        )

    def Create(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Create, or say what it would give."""
        resource = self._resource(request.urn, context)
        inputs = from_struct(request.properties)
        if request.preview:
            outputs = outputs_of(resource, inputs, resource.previews(reveal(inputs), None))
            return provider_pb2.CreateResponse(id="", properties=to_struct(outputs))
        plain = reveal(with_defaults(resource, inputs))
        identity, computed = _attempt(context, lambda: resource.create(self._call(request.urn), plain))
        return provider_pb2.CreateResponse(id=identity, properties=to_struct(outputs_of(resource, inputs, computed)))

    def Read(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """What a refresh finds; nothing of what the stand-ins make changes by itself but the time to renew."""
        resource = self._resource(request.urn, context)
        state = from_struct(request.properties)
        state |= resource.refresh(reveal(state))
        return provider_pb2.ReadResponse(id=request.id, properties=to_struct(state), inputs=request.inputs)

    def Update(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Update in place, or say what it would give."""
        resource = self._resource(request.urn, context)
        inputs, old = from_struct(request.news), reveal(from_struct(request.olds))
        plain = reveal(with_defaults(resource, inputs))
        if request.preview:
            computed: Properties = {name: old[name] for name in resource.computed if name in old}
            computed |= resource.previews(plain, old)
        else:
            computed = _attempt(context, lambda: resource.update(self._call(request.urn), plain, old))
        return provider_pb2.UpdateResponse(properties=to_struct(outputs_of(resource, inputs, computed)))

    def Delete(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Delete."""
        resource = self._resource(request.urn, context)
        state = reveal(from_struct(request.properties))
        _attempt(context, lambda: resource.delete(self._call(request.urn), state))
        return Empty()

    def Invoke(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Call a function."""
        function = self.functions.get(request.tok)
        if function is None:
            _fail(context, grpc.StatusCode.UNIMPLEMENTED, f"the stand-in for the {self.name} provider has no {request.tok}")
        results = _attempt(context, lambda: function.run(self._call(""), reveal(from_struct(request.args))))
        marked = {name: secret(value) if name in function.secret else value for name, value in results.items()}
        return provider_pb2.InvokeResponse(**{"return": to_struct(marked)})

    def Cancel(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802, ARG002
        """End what is under way; does not wait for it."""
        threading.Thread(target=self.cancel, daemon=True).start()
        return Empty()


def check_fields(fields: Mapping[str, Input], given: Properties, path: str) -> list[tuple[str, str]]:
    """Check names, presence and types at every depth, and mark what is always secret (``given`` is changed)."""
    failures = [(path + name, "unrecognized property") for name in given if name not in fields and name != "__defaults"]
    for name, expected in fields.items():
        value = given.get(name)
        if value is None:
            if expected.required:
                failures.append((path + name, f"missing required property {path + name!r}"))
            continue
        inner = value["value"] if is_secret(value) else value
        plain = reveal(inner)
        if not is_unknown(plain) and expected.kind != "any":
            right = isinstance(plain, _TYPES[expected.kind]) and (expected.kind == "boolean" or not isinstance(plain, bool))
            if not right:
                failures.append((path + name, f"expected {expected.kind}, got {type(plain).__name__}"))
            elif expected.allowed and plain not in expected.allowed:
                failures.append((path + name, f"expected one of {', '.join(map(str, expected.allowed))}, got {plain}"))
            elif expected.fields is not None and isinstance(inner, dict):
                failures += check_fields(expected.fields, inner, f"{path}{name}.")
        if expected.secret:
            given[name] = secret(value)
    return failures


def with_defaults(resource: Resource, inputs: Properties) -> Properties:
    """Inputs with the official defaults filled in at the top level."""
    defaults = {name: given.default for name, given in resource.inputs.items() if given.default is not None}
    return {**defaults, **{name: value for name, value in inputs.items() if name != "__defaults"}}


def outputs_of(resource: Resource, inputs: Properties, computed: Mapping[str, Any]) -> Properties:
    """All outputs: inputs as they came (secrets stay secret), defaults, computed ones with their secrets marked."""
    mirrored = {name: value for name, value in with_defaults(resource, inputs).items() if resource.inputs[name].mirrored}
    return mirrored | {name: secret(value) if resource.computed[name] else value for name, value in computed.items()}


def _root(path: str) -> str:
    return path.replace("[", ".", 1).split(".")[0]


def _fail(context: grpc.ServicerContext, code: grpc.StatusCode, text: str) -> NoReturn:
    context.abort(code, text)
    raise AssertionError  # abort never returns


def _attempt(context: grpc.ServicerContext, action: Callable[[], Any]) -> Any:
    try:
        return action()
    except ProviderError as error:
        _fail(context, grpc.StatusCode.UNKNOWN, str(error))
