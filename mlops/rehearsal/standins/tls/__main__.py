"""The stand-in ``pulumi-resource-tls``."""

from mlops.rehearsal.standins.tls.resources import provider

provider().run()
