"""The stand-in ``pulumi-resource-random``."""

from mlops.rehearsal.standins.random.resources import provider

provider().run()
