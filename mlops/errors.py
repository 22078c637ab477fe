"""How a user's mistake is told: what was found, where, what is allowed, what to do.

Every package raises :class:`UserError` (or a subclass) for anything a user can mend. The command line and the Pulumi program
print it without a traceback; any other exception is a bug of ours and keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend.

    Attributes:
        where: place the user can open or look at, e.g. ``Pulumi.corporate.yaml:12 network.podCidr`` or ``host node2``.
        found: what is there now, secrets masked; empty when something is missing.
        allowed: what would be right there.
        mend: what to do about it, a command line where there is one.
    """

    where: str
    found: str
    allowed: str
    mend: str = ""

    def __str__(self) -> str:
        lines = [self.where]
        for label, text in (("found", self.found or "nothing"), ("allowed", self.allowed), ("mend", self.mend)):
            if text:
                head, *rest = text.splitlines() or [""]
                lines.append(f"    {label + ':':<9}{head}")
                lines.extend(f"             {line}" for line in rest)
        return "\n".join(lines)


class UserError(Exception):
    """One or more problems that the user can mend, reported all at once.

    Args:
        summary: one sentence that says what could not be done.
        problems: each problem found; may be empty when the summary says it all.
    """

    def __init__(self, summary: str, problems: Iterable[Problem] = ()) -> None:
        self.summary = summary
        self.problems = tuple(problems)
        super().__init__(summary)

    def __str__(self) -> str:
        return "\n".join([self.summary, *(f"  {i}. " + str(p).replace("\n", "\n  ") for i, p in enumerate(self.problems, 1))])
