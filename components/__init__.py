"""One Pulumi ComponentResource per layer of the platform, and what they share.

A component takes one frozen args dataclass, makes its children with ``parent=self``, exposes typed outputs and registers
them last. It knows its own section of the settings and the values it is handed, never another component's inside.
"""

import gc

# Looking for garbage among thousands of objects that live to the program's end took a third of its time, and a sixth of that of its
# own imports, which come after this one; not off, as gates ask for up to an hour.
gc.set_threshold(20_000)
