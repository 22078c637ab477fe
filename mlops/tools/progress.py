"""What is told while programs are fetched or built. The console stands apart: its library takes every run 45 ms to import."""

from __future__ import annotations


class Progress:
    """Says nothing; the base of those that do."""

    def start(self, title: str) -> None:
        """A piece of work begins."""

    def update(self, detail: str) -> None:
        """It goes on; called as often as there is news."""

    def say(self, line: str) -> None:
        """A line to keep: a result, a warning."""
