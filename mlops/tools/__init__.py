"""Pinned external programs: taken from PATH, from the cache, from the official release, or built from their Go modules."""

from mlops.tools.resolver import Tool, resolve, tool
from mlops.tools.shell import environment, shell_exports

__all__ = ["Tool", "environment", "resolve", "shell_exports", "tool"]
