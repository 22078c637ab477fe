"""Stand-ins for the official Pulumi plugins that cannot be had on a machine: Python language host, command, tls, random.

They follow the official plugins' observable behaviour (property names, replacement, secrets, error texts, retries) so that
the real engine can run the real program in a rehearsal. Where an official plugin is present it is used, not these.
"""

from mlops.rehearsal.standins.install import MODULES, StandIn, install, report

__all__ = ["MODULES", "StandIn", "install", "report"]
