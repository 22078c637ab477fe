"""The stand-in ``pulumi-resource-command``."""

from mlops.rehearsal.standins.command.resources import provider

provider().run()
