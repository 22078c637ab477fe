"""Init of a throw-away host (stands in for systemd): starts sshd, reaps, ends on TERM. Runs on the host's own minimal Python."""

import os
import signal
import subprocess
import sys
from pathlib import Path

LOG = Path("/run/site/log/sshd.log")


def main() -> None:
    """Reaps until sshd has ended; the end of this process ends every process of the host."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with LOG.open("ab") as log:
        argv = ["/usr/sbin/sshd", "-D", "-e", "-f", "/etc/ssh/sshd_config"]
        sshd = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    while os.wait()[0] != sshd.pid:
        pass
    sys.exit("sshd ended")


main()
