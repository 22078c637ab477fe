"""Random values: lengths, classes, secrets, replacement."""

from __future__ import annotations

import base64
import string
import uuid
from collections.abc import Callable
from typing import Any

import bcrypt
import pytest

from mlops.rehearsal.standins.random.resources import provider
from mlops.rehearsal.standins.values import CONFIDENTIAL, SIGNATURE, UNKNOWN, contains, is_unknown, reveal


@pytest.fixture
def rand(client: Callable[..., Any]) -> Any:
    return client(provider())


def token(title: str) -> str:
    return f"random:index/{title[0].lower()}{title[1:]}:{title}"


def test_password_is_secret(rand: Any) -> None:
    identity, outputs = rand.create(token("RandomPassword"), {"length": 32})
    assert identity == "none"
    assert outputs["result"][SIGNATURE] == CONFIDENTIAL
    assert len(reveal(outputs["result"])) == 32
    assert outputs["bcryptHash"][SIGNATURE] == CONFIDENTIAL
    assert bcrypt.checkpw(reveal(outputs["result"]).encode(), reveal(outputs["bcryptHash"]).encode())
    assert outputs["special"] is True
    assert outputs["minUpper"] == 0


def test_values_differ(rand: Any) -> None:
    made = {reveal(rand.create(token("RandomPassword"), {"length": 16})[1])["result"] for _ in range(5)}
    assert len(made) == 5  # each is hashed by bcrypt as well, which takes its time


@pytest.mark.parametrize(
    ("inputs", "alphabet"),
    [
        ({"special": False}, string.ascii_letters + string.digits),
        ({"special": False, "upper": False, "numeric": False}, string.ascii_lowercase),
        ({"overrideSpecial": "_", "lower": False, "upper": False, "numeric": False}, "_"),
    ],
)
def test_classes(rand: Any, inputs: dict[str, Any], alphabet: str) -> None:
    identity, outputs = rand.create(token("RandomString"), {"length": 200, **inputs})
    assert identity == outputs["result"]
    assert set(outputs["result"]) <= set(alphabet)


def test_minimums(rand: Any) -> None:
    given = {"length": 8, "minLower": 2, "minUpper": 2, "minNumeric": 2, "minSpecial": 2}
    for _ in range(20):
        made = rand.create(token("RandomString"), given)[1]["result"]
        assert [sum(map(test, made)) for test in (str.islower, str.isupper, str.isdigit)] == [2, 2, 2]
    assert rand.check(token("RandomString"), given | {"length": 7})[1][0][0] == "length"


def test_bytes(rand: Any) -> None:
    outputs = rand.create(token("RandomBytes"), {"length": 9})[1]
    assert outputs["hex"][SIGNATURE] == CONFIDENTIAL
    assert base64.b64decode(reveal(outputs)["base64"]) == bytes.fromhex(reveal(outputs)["hex"])
    assert len(reveal(outputs)["hex"]) == 18


def test_id(rand: Any) -> None:
    identity, outputs = rand.create(token("RandomId"), {"byteLength": 4, "prefix": "p-"})
    assert outputs["b64Url"] == f"p-{identity}"
    assert int(outputs["hex"].removeprefix("p-"), 16) == int(outputs["dec"].removeprefix("p-"))


def test_pet_uuid_integer_shuffle(rand: Any) -> None:
    pet, outputs = rand.create(token("RandomPet"), {"length": 3, "prefix": "x", "separator": "_"})
    assert len(pet.split("_")) == 4
    assert pet.startswith("x_")
    assert outputs["separator"] == "_"
    assert uuid.UUID(rand.create(token("RandomUuid"), {})[1]["result"]).version == 4
    assert rand.create(token("RandomInteger"), {"min": 5, "max": 5})[1]["result"] == 5
    seeded = [rand.create(token("RandomShuffle"), {"inputs": ["a", "b", "c"], "resultCount": 5, "seed": "s"})[1] for _ in range(2)]
    assert seeded[0]["results"] == seeded[1]["results"]
    assert sorted(seeded[0]["results"][:3]) == ["a", "b", "c"]
    assert len(seeded[0]["results"]) == 5


def test_every_change_replaces(rand: Any) -> None:
    diff = rand.diff(token("RandomPassword"), {"length": 8, "keepers": {"a": "1"}}, {"length": 8, "keepers": {"a": "2"}})
    assert (list(diff.replaces), list(diff.detailedDiff)) == (["keepers"], ["keepers.a"])
    assert rand.diff(token("RandomPassword"), {"length": 8}, {"length": 8, "special": True}).changes == 1


def test_preview_is_unknown(rand: Any) -> None:
    outputs = rand.create(token("RandomPassword"), {"length": 8}, preview=True)[1]
    assert reveal(outputs)["result"] == UNKNOWN
    assert outputs["length"] == 8
    assert not contains(outputs["length"], is_unknown)


@pytest.mark.parametrize(
    ("title", "inputs", "where"),
    [
        ("RandomPassword", {}, "length"),
        ("RandomPassword", {"length": 0}, "length"),
        ("RandomPassword", {"length": 8, "lenght": 8}, "lenght"),
        ("RandomBytes", {"length": 0}, "length"),
        ("RandomInteger", {"min": 2, "max": 1}, "min"),
        ("RandomPassword", {"length": 8, "lower": False, "upper": False, "numeric": False, "special": False}, "length"),
    ],
)
def test_bad_inputs(rand: Any, title: str, inputs: dict[str, Any], where: str) -> None:
    assert [name for name, _ in rand.check(token(title), inputs)[1]] == [where]
