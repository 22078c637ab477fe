"""Init of a throw-away host (stands in for systemd): starts sshd, reaps, ends on TERM. Runs on the host's own minimal Python."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

LOG = Path("/run/site/log/sshd.log")
SHUTDOWN_SECONDS = 2


def shut_down(*_: object) -> None:
    """Asks every process to end, as a clean shutdown does; those that do not are killed with this one."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, lambda *_: sys.exit(0))
    signal.alarm(SHUTDOWN_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGTERM)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()
    sys.exit(0)


def main() -> None:
    """Reaps until sshd has ended; the end of this process ends every process of the host."""
    signal.signal(signal.SIGTERM, shut_down)
    with LOG.open("ab") as log:
        argv = ["/usr/sbin/sshd", "-D", "-e", "-f", "/etc/ssh/sshd_config"]
        sshd = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    while os.wait()[0] != sshd.pid:
        pass
    sys.exit("sshd ended")


main()
