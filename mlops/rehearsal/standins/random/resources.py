"""Stand-in ``random`` provider: its resources, as the official schema 4.21.4 declares them."""

from __future__ import annotations

import base64
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import bcrypt

from mlops.rehearsal.standins.provider import Call, Input, Provider, Resource
from mlops.rehearsal.standins.random import generate
from mlops.rehearsal.standins.values import Properties

Make = Callable[[Properties], tuple[str, Properties]]
Check = Callable[[Properties], list[tuple[str, str]]]


@dataclass
class Random(Resource):
    """A value made once; every change of an input makes a new one."""

    make: Make = lambda _inputs: ("", {})
    problems: Check = lambda _inputs: []
    updates: bool = False

    def check(self, inputs: Properties) -> list[tuple[str, str]]:
        """Limits of the inputs."""
        return self.problems(inputs)

    def create(self, call: Call, inputs: Properties) -> tuple[str, Properties]:
        """Make it."""
        del call
        return self.make(inputs)


def password(inputs: Properties) -> tuple[str, Properties]:
    """``RandomPassword``."""
    result = generate.text(inputs)
    # cost and cut are the official provider's
    hashed = bcrypt.hashpw(result.encode()[:72], bcrypt.gensalt(10)).decode()
    return "none", {"result": result, "bcryptHash": hashed}


def string(inputs: Properties) -> tuple[str, Properties]:
    """``RandomString``."""
    result = generate.text(inputs)
    return result, {"result": result}


def octets(inputs: Properties) -> tuple[str, Properties]:
    """``RandomBytes``."""
    data = secrets.token_bytes(inputs["length"])
    encoded = base64.b64encode(data).decode()
    return encoded, {"base64": encoded, "hex": data.hex()}


def identifier(inputs: Properties) -> tuple[str, Properties]:
    """``RandomId``."""
    data = secrets.token_bytes(inputs["byteLength"])
    prefix = inputs.get("prefix", "")
    url = base64.urlsafe_b64encode(data).decode().rstrip("=")
    forms = {"b64Std": base64.b64encode(data).decode(), "b64Url": url, "dec": str(int.from_bytes(data)), "hex": data.hex()}
    return url, {name: prefix + value for name, value in forms.items()}


def pet(inputs: Properties) -> tuple[str, Properties]:
    """``RandomPet``; the name is the id."""
    name = generate.pet(inputs["length"], inputs["separator"])
    return inputs["separator"].join(filter(None, [inputs.get("prefix"), name])), {}


def universal(inputs: Properties) -> tuple[str, Properties]:
    """``RandomUuid``."""
    del inputs
    result = str(uuid.uuid4())
    return result, {"result": result}


def integer(inputs: Properties) -> tuple[str, Properties]:
    """``RandomInteger``."""
    result = generate.source(inputs.get("seed")).randint(inputs["min"], inputs["max"])
    return str(result), {"result": result}


def shuffle(inputs: Properties) -> tuple[str, Properties]:
    """``RandomShuffle``: as many as asked for, in rounds over the list when it is shorter."""
    source, values, wanted = generate.source(inputs.get("seed")), list(inputs["inputs"]), inputs.get("resultCount")
    count = len(values) if wanted is None else wanted
    results: list[object] = []
    while values and len(results) < count:
        results += source.sample(values, len(values))
    return "-", {"results": results[:count]}


def _at_least(name: str, least: int) -> Check:
    return lambda inputs: [(name, f"expected at least {least}, got {inputs[name]}")] if inputs.get(name, least) < least else []


def _ordered(inputs: Properties) -> list[tuple[str, str]]:
    if {"min", "max"} <= inputs.keys() and inputs["min"] > inputs["max"]:
        return [("min", f"expected at most max ({inputs['max']}), got {inputs['min']}")]
    return []


def provider() -> Provider:
    """The provider."""
    keepers = {"keepers": Input("object")}
    length = {"length": Input("integer", required=True)}
    seed = {"seed": Input()}
    flag, least = Input("boolean", default=True), Input("integer", default=0)
    characters = (
        keepers
        | length
        | dict.fromkeys(("lower", "upper", "number", "numeric", "special"), flag)
        | dict.fromkeys(("minLower", "minUpper", "minNumeric", "minSpecial"), least)
        | {"overrideSpecial": Input()}
    )
    name = keepers | {"length": Input("integer", default=2), "prefix": Input(), "separator": Input(default="-")}
    forms = dict.fromkeys(("b64Std", "b64Url", "dec", "hex"), False)
    listed = keepers | seed | {"inputs": Input("array", required=True), "resultCount": Input("integer")}
    bounds = keepers | seed | {"min": Input("integer", required=True), "max": Input("integer", required=True)}

    def kind(title: str, inputs: dict[str, Input], outputs: dict[str, bool], make: Make, problems: Check) -> Random:
        token = f"random:index/{title[0].lower()}{title[1:]}:{title}"
        return Random(token, inputs, outputs, make=make, problems=problems)

    return Provider(
        "random",
        "4.21.4",
        [
            kind("RandomPassword", characters, {"result": True, "bcryptHash": True}, password, generate.problems),
            kind("RandomString", characters, {"result": False}, string, generate.problems),
            kind("RandomBytes", keepers | length, {"base64": True, "hex": True}, octets, _at_least("length", 1)),
            kind(
                "RandomId",
                keepers | {"byteLength": Input("integer", required=True), "prefix": Input()},
                forms,
                identifier,
                _at_least("byteLength", 1),
            ),
            kind("RandomPet", name, {}, pet, _at_least("length", 1)),
            kind("RandomUuid", keepers, {"result": False}, universal, lambda _: []),
            kind("RandomInteger", bounds, {"result": False}, integer, _ordered),
            kind("RandomShuffle", listed, {"results": False}, shuffle, _at_least("resultCount", 0)),
        ],
    )
