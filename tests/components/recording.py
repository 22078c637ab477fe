"""Runs components against a monitor that records what they register: the graph is asserted on, never the timing.

What this can decide: types, names, inputs, dependencies, parents, hooks, secrets. What it cannot: that the engine and the providers
accept it (the tests marked `engine` do).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi.runtime import mocks, rpc
from pulumi.runtime.proto import resource_pb2

from tests.hosts.doctor.samples import facts

DESCRIPTION = json.dumps({"kubeconfig": "YXBpVmVyc2lvbjogdjE=", "agent": "a" * 64, "authority": "b" * 64})
_OUTPUTS: Mapping[str, Mapping[str, str]] = {
    "tls:index/privateKey:PrivateKey": {"privateKeyPem": "KEY"},
    "tls:index/certRequest:CertRequest": {"certRequestPem": "REQUEST"},
    "random:index/randomPassword:RandomPassword": {"result": "t" * 32, "bcryptHash": "$2a$10$hash"},
    "random:index/randomBytes:RandomBytes": {"base64": "++//" * 11},
    "command:remote:Command": {"stdout": DESCRIPTION, "stderr": ""},
}


@dataclass
class Registration:
    """One resource as the engine would be asked for it."""

    type: str
    name: str
    urn: str
    parent: str
    custom: bool
    inputs: dict[str, Any]
    secret_inputs: set[str]
    dependencies: set[str]
    provider: str
    hooks: dict[str, list[str]]
    secret_outputs: set[str]
    raw: Any = field(repr=False)


class _Outputs(mocks.Mocks):
    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        outputs = {**args.inputs, **_OUTPUTS.get(args.typ, {})}
        if args.name.endswith("-probe"):
            outputs["stdout"] = json.dumps(facts("node1"))
        if args.typ == "command:local:Command":
            outputs["stdout"] = f"printed by {args.name}"
        if args.typ in {"tls:index/selfSignedCert:SelfSignedCert", "tls:index/locallySignedCert:LocallySignedCert"}:
            outputs |= {"certPem": f"CERTIFICATE {args.name}", "validityEndTime": "2036-01-01T00:00:00Z"}
        return f"{args.name}-id", outputs

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], None]:
        raise AssertionError(f"no function of a provider is called: {args.token}")


class Recorder(mocks.MockMonitor):
    def __init__(self) -> None:
        super().__init__(_Outputs())
        self.registrations: dict[str, Registration] = {}

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the name is gRPC's
        if request.type == "pulumi:pulumi:Stack":
            return resource_pb2.RegisterResourceResponse(
                urn="urn:pulumi:test::onprem-mlops::pulumi:pulumi:Stack::onprem-mlops-test"
            )
        inputs = rpc.deserialize_properties(request.object)
        secret = {name for name, value in inputs.items() if rpc.is_rpc_secret(value)}
        urn = self.make_urn(request.parent, request.type, request.name)
        assert urn not in self.registrations, f"two resources have the URN {urn}"
        hooks = {name: list(getattr(request.hooks, name)) for name in ("before_create", "before_update")}
        self.registrations[urn] = Registration(
            type=request.type,
            name=request.name,
            urn=urn,
            parent=request.parent,
            custom=request.custom,
            inputs={name: rpc.unwrap_rpc_secret(value) for name, value in inputs.items()},
            secret_inputs=secret,
            dependencies=set(request.dependencies),
            provider=request.provider,
            hooks=hooks,
            secret_outputs=set(request.additionalSecretOutputs),
            raw=request,
        )
        return super().RegisterResource(request)


class Registered:
    """What was registered, by name and type."""

    def __init__(self, registrations: Mapping[str, Registration]) -> None:
        self.all = list(registrations.values())

    def one(self, name: str, kind: str = "") -> Registration:
        found = [item for item in self.all if item.name == name and kind in item.type]
        assert len(found) == 1, f"{name}: {[item.urn for item in found]} among {[item.name for item in self.all]}"
        return found[0]

    def of_type(self, kind: str) -> list[Registration]:
        return [item for item in self.all if kind in item.type]

    def before(self, name: str) -> set[str]:
        """Names of everything that is registered before it, through others too; a parent's dependencies count."""
        by_urn = {item.urn: item for item in self.all}
        found: set[str] = set()
        waiting = [self.one(name)]
        while waiting:
            item = waiting.pop()
            provider = item.provider.rsplit("::", 1)[0]
            for urn in {*item.dependencies, *([provider] if provider else [])}:
                if urn in by_urn and by_urn[urn].name not in found:
                    found.add(by_urn[urn].name)
                    waiting.append(by_urn[urn])
        return found


def record(program: Callable[[], object], *, preview: bool = False) -> Registered:
    """Runs a program and returns what it registered."""
    recorder = Recorder()
    mocks.set_mocks(_Outputs(), project="onprem-mlops", stack="test", preview=preview, monitor=recorder)

    @pulumi.runtime.test
    def run() -> None:
        program()

    run()
    return Registered(recorder.registrations)
