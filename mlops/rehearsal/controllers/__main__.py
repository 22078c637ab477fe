"""`python -m mlops.rehearsal.controllers --kubeconfig FILE`: plays controllers and webhook backends until it is killed.

Runs in the network namespace of the API server, where every Service address is local.
"""

from __future__ import annotations

import argparse
import logging
import time
from pathlib import Path

from mlops.rehearsal.controllers.client import Api
from mlops.rehearsal.controllers.loop import Loop
from mlops.rehearsal.controllers.responder import Responder
from mlops.rehearsal.controllers.table import controllers, webhooks

LOOK_EVERY_SECONDS = 0.3


def main() -> None:
    """Start the responder and turn the loop."""
    parser = argparse.ArgumentParser(prog="python -m mlops.rehearsal.controllers", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True, help="kubeconfig with an identity of its own and all rights")
    parser.add_argument("--listen", default="0.0.0.0", help="address of the responder")  # noqa: S104  (in a namespace of its own)
    parser.add_argument("--port", type=int, default=443, help="port of the responder")
    parser.add_argument("--delay-scale", type=float, default=1.0, help="factor for the time a controller takes to start")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    api = Api(arguments.kubeconfig)
    backends = webhooks()
    with Responder((arguments.listen, arguments.port), api.address) as responder:
        responder.run_in_background()
        loop = Loop(api, responder, backends, controllers(backends), delay_scale=arguments.delay_scale)
        logging.getLogger(__package__).info("listening on %s:%d", arguments.listen, arguments.port)
        while True:
            loop.turn()
            time.sleep(LOOK_EVERY_SECONDS)


if __name__ == "__main__":
    main()
