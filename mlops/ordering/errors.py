"""The error of this package."""

from mlops.errors import UserError


class OrderingError(UserError):
    """The objects cannot be put in order: malformed, twice the same, a wrong override, or a cycle."""
