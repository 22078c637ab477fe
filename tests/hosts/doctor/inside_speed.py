"""Runs inside a frame (test_doctor_is_fast.py starts it): how long `mlops doctor --drift` takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from mlops.hosts import script_version
from mlops.rehearsal.site.daemon import Fault
from mlops.rehearsal.site.site import ThrowAwaySite

FOLDER = Path(os.environ.get("SITE_TEST_KEYS", "."))
DELAY_SECONDS = 2.0
DOCTOR = (Path(sys.executable).with_name("mlops"), "doctor", FOLDER / "Pulumi.test.yaml", "--drift", "--json")
MEASUREMENTS = 5
"""Others run on the machine as well: that slows it down at times, and never makes it faster."""
# As a deployment leaves them: a file, a block, a sysctl, the machine.
RECORD = """
set -e
mkdir -p /var/lib/onprem-mlops/deployed && cd /var/lib/onprem-mlops/deployed
echo content >/etc/onprem-mlops.conf
printf '%s\\n' '# onprem-mlops: begin' 'A=1' '# onprem-mlops: end' >>/etc/environment
{
  printf 'file\\t/etc/onprem-mlops.conf\\t%s\\n' "$(echo content | sha256sum | cut -d ' ' -f 1)"
  printf 'block\\t/etc/environment\\t%s\\n' "$(echo A=1 | sha256sum | cut -d ' ' -f 1)"
  printf 'sysctl\\tfs.aio-max-nr\\t%s\\n' "$(cat /proc/sys/fs/aio-max-nr)"
  printf 'unit\\tssh.service\\tenabled\\n'
  printf 'machine\\t%s\\nversion\\t%s\\n' "$(cat /etc/machine-id)" "$1"
} >prepare
"""


def seconds(site: ThrowAwaySite, *hosts: str) -> float:
    """How long `mlops doctor --drift` takes, as its user waits for it, each probe delayed."""
    site.inject(Fault(("systemctl", "is-enabled"), action="delay", seconds=DELAY_SECONDS, times=len(hosts)))
    began = time.monotonic()
    done = subprocess.run([*DOCTOR, *(f"--host={name}" for name in hosts)], capture_output=True, text=True, check=False)
    taken = time.monotonic() - began
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert (report["findings"], report["hosts"]) == ([], sorted(hosts))
    return taken


def test_speed(inside_site: ThrowAwaySite) -> None:
    names = [host.name for host in inside_site.spec.hosts]
    for name in names:
        done = inside_site.hosts[name].run(["bash", "-s", "--", script_version("prepare")], stdin=RECORD)
        assert done.returncode == 0, done.stderr
    for _ in range(MEASUREMENTS):
        one, all_of_them = seconds(inside_site, names[0]), seconds(inside_site, *names)
        if all_of_them <= 1.5 * one:
            break
    print(f"one host {one:.2f} s, twenty {all_of_them:.2f} s")
    assert one > DELAY_SECONDS
    assert all_of_them <= 1.5 * one
