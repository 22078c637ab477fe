"""What the stand-ins were asked to do: one record per call, secrets masked, kept in memory and in a file per host."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

MASK = "****"
# options whose value is secret
_SECRET_OPTIONS = ("--token",)
# ADDRESS:PORT/TOKEN[/FINGERPRINT] of `microk8s join`, KEY=VALUE of `snap set` with a key that names a secret
_JOIN = re.compile(r"^([^/\s]+:\d+)/([^/]+)")
_SECRET_SETTING = re.compile(r"^([\w.-]*(?:config|proxy|token|password|key)[\w.-]*)=.*", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Record:
    """One call of a stand-in.

    Attributes:
        host: name of the host.
        argv: program name and arguments, secrets masked.
        user: user id of the caller, as the host sees it.
        started: seconds since the epoch.
        seconds: how long it took.
        code: exit code.
    """

    host: str
    argv: tuple[str, ...]
    user: int
    started: float
    seconds: float
    code: int


def mask(argv: Sequence[str]) -> tuple[str, ...]:
    """The arguments with secret values replaced."""
    masked: list[str] = []
    for index, argument in enumerate(argv):
        text = argument
        if index and argv[index - 1] in _SECRET_OPTIONS:
            text = MASK
        for option in _SECRET_OPTIONS:
            if text.startswith(f"{option}="):
                text = f"{option}={MASK}"
        if "join" in argv[:index]:
            text = _JOIN.sub(rf"\1/{MASK}", text)
        if argv[0] == "snap" and "set" in argv[:index]:
            text = _SECRET_SETTING.sub(rf"\1={MASK}", text)
        masked.append(text)
    return tuple(masked)


class Journal:
    """Records of one host, in the order in which the calls ended."""

    def __init__(self, host: str, path: Path) -> None:
        self._host = host
        self._path = path
        self._lock = threading.Lock()
        self._records: list[Record] = []

    def add(self, argv: Sequence[str], *, user: int, started: float, code: int) -> None:
        """Records a call that has ended now. ``started`` is in seconds since the epoch."""
        record = Record(self._host, mask(argv), user, started, round(time.time() - started, 3), code)
        with self._lock:
            self._records.append(record)
            with self._path.open("a") as file:
                file.write(json.dumps(asdict(record)) + "\n")

    @property
    def records(self) -> tuple[Record, ...]:
        """All records so far."""
        with self._lock:
            return tuple(self._records)

    def calls(self, *prefix: str) -> tuple[Record, ...]:
        """Records whose arguments start so, e.g. ``calls("snap", "install")``."""
        return tuple(record for record in self.records if record.argv[: len(prefix)] == prefix)
