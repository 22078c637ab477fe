"""Stand-in ``random`` provider: the values themselves, from the system's source of randomness."""

from __future__ import annotations

import random
import secrets
import string
from collections.abc import Mapping
from typing import Any

SPECIAL = "!@#$%&*()-_=+[]{}<>:?"
_CLASSES = {
    "lower": ("minLower", string.ascii_lowercase),
    "upper": ("minUpper", string.ascii_uppercase),
    "numeric": ("minNumeric", string.digits),
    "special": ("minSpecial", SPECIAL),
}
_ADVERBS = ("evenly", "firmly", "freely", "gently", "gladly", "kindly", "lightly", "neatly", "newly", "openly")
_ADJECTIVES = ("able", "bold", "brave", "calm", "clear", "eager", "fair", "firm", "fond", "free", "glad", "grand", "keen", "kind")
_ANIMALS = ("ant", "badger", "bear", "crane", "deer", "dove", "finch", "fox", "heron", "lark", "lion", "newt", "owl", "swan")


def text(inputs: Mapping[str, Any]) -> str:
    """A string of ``length`` characters of the classes asked for, with at least ``min…`` of each."""
    special = inputs.get("overrideSpecial") or SPECIAL
    alphabets = {name: special if name == "special" else letters for name, (_, letters) in _CLASSES.items()}
    everything = "".join(alphabet for name, alphabet in alphabets.items() if inputs.get(name, True))
    chosen = [secrets.choice(alphabets[name]) for name, (least, _) in _CLASSES.items() for _ in range(inputs.get(least) or 0)]
    chosen += [secrets.choice(everything) for _ in range(inputs["length"] - len(chosen))]
    random.SystemRandom().shuffle(chosen)
    return "".join(chosen)


def problems(inputs: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is wrong with the inputs of :func:`text`."""
    least = sum(inputs.get(name) or 0 for name, _ in _CLASSES.values())
    length = inputs.get("length")
    if length is not None and length < max(least, 1):
        return [("length", f"expected at least {max(least, 1)}, the sum of the minimums, got {length}")]
    if not any(inputs.get(name, True) for name in _CLASSES):
        return [("length", "at least one of lower, upper, numeric, special must be true")]
    return []


def pet(words: int, separator: str) -> str:
    """Words like ``gently-calm-owl``."""
    lists = [_ADVERBS] * max(words - 2, 0) + [_ADJECTIVES] * (words > 1) + [_ANIMALS]
    return separator.join(secrets.choice(choices) for choices in lists)


def source(seed: str | None) -> random.Random:
    """Repeatable for a seed, though not with the official provider's values; else the system's randomness."""
    return random.Random(seed) if seed else random.SystemRandom()  # noqa: S311 - the seed is the user's wish
