"""What takes too long to run every time takes turns: of a group one part runs a day, and all of them with ``TURN=all``."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence

_SECONDS_OF_A_DAY = 24 * 60 * 60

GROUPS: Mapping[str, tuple[str, ...]] = {"engine killed": ("in Kubeflow", "among bad days")}
"""Names of the parts of each group, in their order; a test names its own: ``@pytest.mark.turn("group", "part")``."""


def day(environment: Mapping[str, str] = os.environ) -> int:
    """The number that turns go by: of the day (UTC), or the one in ``TURN`` (ValueError: that is neither a number nor ``all``)."""
    wish = environment.get("TURN", "")
    return int(time.time()) // _SECONDS_OF_A_DAY if wish in {"", "all"} else int(wish)


def todays(parts: Sequence[str], environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Which of the parts run: one, or all of them where ``TURN`` is ``all``."""
    return tuple(parts) if environment.get("TURN") == "all" else (parts[day(environment) % len(parts)],)


def left_out(group: str, part: str) -> str:
    """Why a part does not run now; empty when it does (KeyError, ValueError: there is no such group or part)."""
    parts = GROUPS[group]
    runs = todays(parts)
    if parts[parts.index(part)] in runs:
        return ""
    return f"left out ({group}, {part}): today is the turn of {runs[0]}; TURN=all, as in make test-long, runs every part"
