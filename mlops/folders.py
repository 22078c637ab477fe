"""Where this project keeps what it can make again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """The user's cache, absolute: ``MLOPS_CACHE_DIR``, else ``onprem-mlops`` in ``XDG_CACHE_HOME`` or ``~/.cache``."""
    own = environ.get("MLOPS_CACHE_DIR")
    general = environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(own or Path(general, "onprem-mlops")).absolute()
