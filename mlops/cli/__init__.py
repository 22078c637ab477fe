"""The `mlops` command."""

from __future__ import annotations

import sys

from mlops.cli.app import app
from mlops.errors import UserError


def main() -> None:
    """Run the command line; the one place where a user's mistake becomes text on standard error and exit code 1.

    A wrong command line ends with exit code 2. Anything else that goes wrong is a bug of ours and keeps its traceback.
    """
    try:
        app(prog_name="mlops")
    except UserError as error:
        sys.stdout.flush()
        print(error, file=sys.stderr)
        sys.exit(1)
