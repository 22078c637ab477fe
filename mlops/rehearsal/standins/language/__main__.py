"""The stand-in ``pulumi-language-python``."""

from mlops.rehearsal.standins.language.host import main

main()
