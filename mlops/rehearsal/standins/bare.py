"""Imported first in a stand-in's process, and in no other: the engine's messages without the SDK around them.

The engine starts its plugins one after the other, and importing the whole SDK, of which a plugin needs nothing else, takes 0.25 s.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

_SDK = find_spec("pulumi")
if _SDK is None or _SDK.origin is None:
    raise ModuleNotFoundError("pulumi")
for _name, _folder in (("pulumi", Path(_SDK.origin).parent), ("pulumi.runtime", Path(_SDK.origin).parent / "runtime")):
    # a package whose own code does not run; its modules can be imported by name
    sys.modules[_name] = ModuleType(_name)
    sys.modules[_name].__path__ = [str(_folder)]
