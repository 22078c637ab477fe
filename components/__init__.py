"""One Pulumi ComponentResource per layer of the platform, and what they share.

A component takes one frozen args dataclass, makes its children with ``parent=self``, exposes typed outputs and registers
them last. It
knows its own section of the settings and the values it is handed, never another component's inside.
"""
