"""The first control plane is asked who belongs to the cluster; MicroK8s is played by stand-ins."""

from __future__ import annotations

import pytest

from tests.hosts.conftest import HostMaker
from tests.hosts.microk8s_host import make_microk8s

_ASKED = r"""case "$*" in
  "status --wait-ready --timeout 120") [ ! -e "$FAKE/starting" ] || exit 1 ;;
  "kubectl get nodes -o jsonpath"*) echo "node1|0123|True|microk8s-controlplane|192.0.2.11" ;;
"""
VALUES = {
    "members": {"LOST": "", "MACHINES": "node1 0123 control-plane 192.0.2.11"},
    "forget": {"DEPARTED": "node9"},
}


@pytest.mark.parametrize(("step", "action"), [("members", "apply"), ("forget", "reset")])
@pytest.mark.parametrize("starting", [False, True])
def test_microk8s_of_a_host_that_has_just_booted_is_waited_for(
    make_host: HostMaker, step: str, action: str, starting: bool
) -> None:
    host = make_microk8s(make_host("debian-12"))
    program = host.root / "snap/bin/microk8s"
    program.write_text(program.read_text().replace('case "$*" in\n  *"get lease', _ASKED + '  *"get lease'))
    if starting:
        host.know("starting", "")
    done = host.run(step, {"HOST_NAME": "node1", **VALUES[step]}, call=f"main {action}")
    assert done.returncode == int(starting), done.stderr
    assert host.calls[0] == "microk8s status --wait-ready --timeout 120"
    assert ("MicroK8s is not ready after 120 s" in done.stderr) == starting
    assert (len(host.calls) == 1) == starting
