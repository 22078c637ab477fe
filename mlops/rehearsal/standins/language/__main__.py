"""The stand-in ``pulumi-language-python``."""

import mlops.rehearsal.standins.bare  # noqa: F401 - what it does has to come first
from mlops.rehearsal.standins.language.host import main

main()
