"""The stand-in ``pulumi-resource-command``."""

import mlops.rehearsal.standins.bare  # noqa: F401 - what it does has to come first
from mlops.rehearsal.standins.command.resources import provider

provider().run()
