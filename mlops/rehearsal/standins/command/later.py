"""``asyncssh``, imported when it is first used: it takes 0.25 s, and a run that changes nothing connects to no host."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncssh
else:
    import sys
    from importlib.util import LazyLoader, find_spec, module_from_spec

    # As importlib's documentation has it. Only one thread may be the first to use it: here that of the SSH event loop.
    if "asyncssh" not in sys.modules:
        _spec = find_spec("asyncssh")
        _spec.loader = LazyLoader(_spec.loader)
        sys.modules["asyncssh"] = module_from_spec(_spec)
        _spec.loader.exec_module(sys.modules["asyncssh"])
    asyncssh = sys.modules["asyncssh"]

__all__ = ["asyncssh"]
