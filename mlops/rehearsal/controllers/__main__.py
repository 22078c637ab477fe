"""`python -m mlops.rehearsal.controllers --kubeconfig FILE`: plays controllers and webhook backends until it is killed.

Runs in the network namespace of the API server, where every Service address is local.
"""

from __future__ import annotations

import argparse
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from mlops.rehearsal.controllers.loop import Loop
from mlops.rehearsal.controllers.responder import Responder
from mlops.rehearsal.controllers.table import controllers, webhooks
from mlops.rehearsal.controllers.watched import WatchedApi

# Changes come in bursts: one look at many of them.
_BURST_SECONDS = 0.02


def main() -> None:
    """Start the responders and turn the loop."""
    parser = argparse.ArgumentParser(prog="python -m mlops.rehearsal.controllers", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True, help="kubeconfig with an identity of its own and all rights")
    parser.add_argument("--listen", default="0.0.0.0", help="address of the responders")  # noqa: S104  (in a namespace of its own)
    parser.add_argument("--seed", default="", help="seed of the time a controller takes to start")
    parser.add_argument("--delay-scale", type=float, default=1.0, help="factor on that time")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    api = WatchedApi(arguments.kubeconfig)
    backends = webhooks()
    with ExitStack() as stack:
        responders = {
            port: stack.enter_context(Responder((arguments.listen, port), api.address))
            for port in sorted({backend.entry.port for backend in backends})
        }
        for responder in responders.values():
            responder.run_in_background()
        entries = controllers(backends)
        pool = stack.enter_context(ThreadPoolExecutor(len(entries)))
        loop = Loop(api, responders, backends, entries, seed=arguments.seed, delay_scale=arguments.delay_scale, pool=pool)
        logging.getLogger(__package__).info("listening on %s, ports %s", arguments.listen, ", ".join(map(str, responders)))
        while True:
            api.wait(loop.turn())
            time.sleep(_BURST_SECONDS)


if __name__ == "__main__":
    main()
