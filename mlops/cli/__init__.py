"""The `mlops` command."""

from __future__ import annotations

import errno
import os
import sys

from mlops.cli.printable import printable
from mlops.errors import UserError


def main() -> None:
    """Run the command line; the one place where a user's mistake becomes text on standard error and exit code 1.

    A wrong command line ends with exit code 2. Anything else that goes wrong is a bug of ours and keeps its traceback.
    """
    try:
        # whoever imports the package for its version alone needs no command line
        from mlops.cli.app import app  # noqa: PLC0415

        app(prog_name="mlops")
        sys.stdout.flush()
    except UserError as error:
        sys.stdout.flush()
        print(printable(str(error), keep="\n"), file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:  # during an import, before a command has its own way to end
        sys.exit(130)
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EPIPE}:
            raise
        # standard output is full, or nobody reads it any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print(f"mlops: {error.strerror}", file=sys.stderr)
        sys.exit(1)
