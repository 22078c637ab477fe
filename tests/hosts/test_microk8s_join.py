"""Which hosts join a cluster, which are refused, and what the first host tells them; MicroK8s is played by stand-ins."""

from __future__ import annotations

import base64
import hashlib
import json
import ssl

import pytest

from tests.hosts.conftest import HostMaker
from tests.hosts.fake_host import FakeHost
from tests.hosts.microk8s_host import make_microk8s

CURRENT = "var/snap/microk8s/current"
TOKENS = f"{CURRENT}/credentials/persistent-cluster-tokens.txt"


# `microk8s join` brings the cluster's authority, unless it fails silently
_JOINING = r"""case "$*" in
  "kubectl get nodes -o name") cat "$FAKE/nodes" ;;
  "kubectl get node first"*) [ -e "$FAKE/joined" ] ;;
  "join "*) [ -e "$FAKE/silent" ] || { cp "$FAKE/authority" "$ROOT/var/snap/microk8s/current/certs/ca.crt"; : >"$FAKE/joined"; } ;;
  config) cat "$FAKE/config" ;;
"""


def fingerprint(pem: str) -> str:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


@pytest.fixture
def host(make_host: HostMaker, certificates: list[str]) -> FakeHost:
    """A host with MicroK8s of its own."""
    made = make_microk8s(make_host("debian-12"))
    made.write(f"{CURRENT}/certs/ca.crt", certificates[0])
    made.write(f"{CURRENT}/certs/server.crt", certificates[0])
    made.write(TOKENS, "")
    made.know("nodes", "node/node1\n")
    made.know("config", "    server: https://10.0.0.1:16443\n")
    program = made.root / "snap/bin/microk8s"
    program.write_text(program.read_text().replace('case "$*" in\n  *"get lease', _JOINING + '  *"get lease'))
    made.know("authority", certificates[1])
    return made


def values_of(certificates: list[str], role: str = "control-plane") -> dict[str, str]:
    return {
        "HOST_NAME": "node1",
        "ROLE": role,
        "FIRST_ADDRESS": "192.0.2.10",
        "FIRST_NAME": "first",
        "TOKEN": "t" * 32,
        "AGENT_FINGERPRINT": "a" * 64,
        "AUTHORITY_FINGERPRINT": fingerprint(certificates[1]),
        "WAIT_SECONDS": "0",
    }


def joins(host: FakeHost) -> list[str]:
    return [call for call in host.calls if call.startswith("microk8s join")]


def test_a_host_joins_once(host: FakeHost, certificates: list[str]) -> None:
    done = host.run("join", values_of(certificates))
    assert done.returncode == 0, done.stderr
    assert joins(host) == [f"microk8s join 192.0.2.10:25000/{'t' * 32}/{'a' * 64}"]
    assert host.run("join", values_of(certificates)).returncode == 0
    assert joins(host) == []


def test_a_host_of_another_cluster_keeps_its_database(host: FakeHost, certificates: list[str]) -> None:
    host.know("nodes", "node/node1\nnode/other\n")
    done = host.run("join", values_of(certificates))
    assert done.returncode == 1
    assert "a control plane of another cluster, with 2 nodes" in done.stderr
    assert "declare it lost in the settings" in done.stderr
    assert joins(host) == []


def test_a_host_whose_own_node_is_not_there_yet_joins(host: FakeHost, certificates: list[str]) -> None:
    host.know("nodes", "")
    done = host.run("join", values_of(certificates))
    assert done.returncode == 0, done.stderr
    assert len(joins(host)) == 1


def test_a_worker_of_another_cluster_is_refused(host: FakeHost, certificates: list[str]) -> None:
    host.write(f"{CURRENT}/var/lock/clustered.lock", "")
    host.write(f"{CURRENT}/certs/ca.remote.crt", certificates[2])
    done = host.run("join", values_of(certificates, "worker"))
    assert done.returncode == 1
    assert "this host is a worker of a cluster" in done.stderr
    assert joins(host) == []


def test_a_half_joined_control_plane_joins_again(host: FakeHost, certificates: list[str]) -> None:
    host.write(f"{CURRENT}/certs/ca.crt", certificates[1])
    host.know("nodes", "node/node1\nnode/first\n")
    assert host.run("join", values_of(certificates)).returncode == 0
    assert len(joins(host)) == 1


def test_a_join_that_only_says_so_is_told_at_once_with_what_to_do(host: FakeHost, certificates: list[str]) -> None:
    host.know("silent", "")
    done = host.run("join", values_of(certificates))
    assert done.returncode == 1
    assert "did not end in a membership" in done.stderr
    assert "raise hosts.nodes[].epoch of first by one" in done.stderr
    assert "t" * 32 not in done.stderr + done.stdout


def test_the_first_host_accepts_the_token_and_tells_how_it_is_reached(host: FakeHost, certificates: list[str]) -> None:
    values = {"HOST_NAME": "node1", "ADDRESS": "192.0.2.11", "TOKEN": "t" * 32}
    for _ in range(2):
        done = host.run("describe", values)
        assert done.returncode == 0, done.stderr
    assert host.read(TOKENS) == "t" * 32 + "\n"
    told = json.loads(done.stdout)
    assert told["authority"] == told["agent"] == fingerprint(certificates[0])
    assert base64.b64decode(told["kubeconfig"]).decode() == "    server: https://192.0.2.11:16443\n"
