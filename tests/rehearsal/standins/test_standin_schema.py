"""Each resource of a stand-in against the classes of the SDK package: same properties, secrets, replacement, versions."""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import json
import re
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi import _types

from mlops.rehearsal.standins.command.resources import CONNECTION
from mlops.rehearsal.standins.command.resources import provider as command
from mlops.rehearsal.standins.install import MODULES, VERSIONS
from mlops.rehearsal.standins.provider import Input, Resource
from mlops.rehearsal.standins.random.resources import provider as random
from mlops.rehearsal.standins.tls.resources import _SUBJECT
from mlops.rehearsal.standins.tls.resources import provider as tls

pytestmark = pytest.mark.filterwarnings("ignore:This resource is deprecated:DeprecationWarning")

# In the SDK, not in the stand-in; with the reason.
NOT_STOOD_IN = {"RandomUuid4": "not used", "RandomUuid7": "not used"}

PROVIDERS = {"command": command(), "tls": tls(), "random": random()}
RESOURCES = [
    pytest.param(name, resource, id=resource.token)
    for name, provider in PROVIDERS.items()
    for resource in provider.resources.values()
]
KINDS = {str: {"string"}, bool: {"boolean"}, int: {"integer"}, float: {"number"}}


def sdk_class(package: str, token: str) -> Any:
    _, path, name = token.split(":")
    module = path.partition("/")[0]
    return getattr(importlib.import_module(f"pulumi_{package}" + ("" if module == "index" else f".{module}")), name)


def arguments(cls: Any) -> Any:
    return getattr(inspect.getmodule(cls), cls.__name__ + "Args")


def input_names(cls: Any) -> dict[str, inspect.Parameter]:
    names = _types.input_type_py_to_pulumi_names(cls)
    parameters = inspect.signature(cls.__init__).parameters
    return {names.get(name, name): parameter for name, parameter in parameters.items() if name != "__self__"}


@pytest.mark.parametrize(("package", "resource"), RESOURCES)
def test_inputs(package: str, resource: Resource) -> None:
    sdk = input_names(arguments(sdk_class(package, resource.token)))
    assert set(resource.inputs) == set(sdk)
    required = {name for name, parameter in sdk.items() if parameter.default is inspect.Parameter.empty}
    assert {name for name, given in resource.inputs.items() if given.required} == required


@pytest.mark.parametrize(("package", "resource"), RESOURCES)
def test_input_types(package: str, resource: Resource) -> None:
    cls = arguments(sdk_class(package, resource.token))
    names = _types.input_type_py_to_pulumi_names(cls)
    for name, typ in _types.input_type_types(cls).items():
        typ = _types.unwrap_type(typ)  # noqa: PLW2901 - peeled
        declared = resource.inputs[name if name in resource.inputs else names[name]].kind
        if typ in KINDS:
            assert declared in KINDS[typ], name
        elif _types.is_input_type(typ) or getattr(typ, "__origin__", None) is dict or "Mapping" in str(typ):
            assert declared == "object", name
        elif "Sequence" in str(typ) or "list" in str(typ).lower():
            assert declared == "array", name


@pytest.mark.parametrize(("package", "resource"), RESOURCES)
def test_outputs(package: str, resource: Resource) -> None:
    sdk = set(_types.resource_py_to_pulumi_names(sdk_class(package, resource.token)).values())
    assert {*resource.inputs, *resource.computed} == sdk


@pytest.mark.parametrize(("package", "resource"), RESOURCES)
def test_secrets(package: str, resource: Resource) -> None:
    source = inspect.getsource(sdk_class(package, resource.token))
    listed = re.search(r"additional_secret_outputs=(\[.*?\])", source)
    declared = {name for name, given in resource.inputs.items() if given.secret}
    declared |= {name for name, is_secret in resource.computed.items() if is_secret}
    assert declared == set(json.loads(listed[1]) if listed else [])


@pytest.mark.parametrize("package", PROVIDERS)
def test_no_resource_is_missing(package: str) -> None:
    module = importlib.import_module(f"pulumi_{package}")
    modules = [module, *(getattr(module, name) for name in ("local", "remote") if hasattr(module, name))]
    classes = {
        value
        for each in modules
        if hasattr(each, "Provider") or hasattr(each, "Command")  # a lazy module is empty until it is asked for something
        for value in vars(each).values()
        if inspect.isclass(value) and issubclass(value, pulumi.CustomResource) and not issubclass(value, pulumi.ProviderResource)
    }
    tokens = {vars(cls)["pulumi_type"] for cls in classes if cls.__name__ not in NOT_STOOD_IN}
    assert set(PROVIDERS[package].resources) == tokens


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        (CONNECTION, "pulumi_command.remote:ConnectionArgs"),
        (CONNECTION["proxy"].fields, "pulumi_command.remote:ProxyConnectionArgs"),
        (_SUBJECT.fields, "pulumi_tls:SelfSignedCertSubjectArgs"),
        (_SUBJECT.fields, "pulumi_tls:CertRequestSubjectArgs"),
    ],
)
def test_nested_inputs(fields: dict[str, Input], path: str) -> None:
    module, _, name = path.partition(":")
    assert set(fields) == set(input_names(getattr(importlib.import_module(module), name)))


@pytest.mark.parametrize("package", PROVIDERS)
def test_version_is_the_one_the_sdk_asks_for(package: str) -> None:
    manifest = Path(str(importlib.import_module(f"pulumi_{package}").__file__)).with_name("pulumi-plugin.json")
    version = json.loads(manifest.read_text())["version"]
    assert (PROVIDERS[package].version, VERSIONS[f"pulumi-resource-{package}"]) == (version, version)
    assert MODULES[f"pulumi-resource-{package}"] == package
