"""The stand-in ``pulumi-resource-random``."""

import mlops.rehearsal.standins.bare  # noqa: F401 - what it does has to come first
from mlops.rehearsal.standins.random.resources import provider

provider().run()
