"""The stand-in ``pulumi-resource-tls``."""

import mlops.rehearsal.standins.bare  # noqa: F401 - what it does has to come first
from mlops.rehearsal.standins.tls.resources import provider

provider().run()
