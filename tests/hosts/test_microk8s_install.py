"""How MicroK8s is installed, from the store and from files, and what the same step does on a host that has it; with stand-ins."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.hosts.conftest import HostMaker
from tests.hosts.fake_host import FakeHost
from tests.hosts.microk8s_host import ARGUMENTS, make_microk8s, node

LAUNCH = "var/snap/microk8s/common/.microk8s.yaml"


def values_of(**changes: str) -> dict[str, str]:
    return {
        "HOST_NAME": "node1",
        "CHANNEL": "1.35/stable",
        "OFFLINE_SNAPS": "",
        "LAUNCH_CONFIGURATION": node().launch_configuration(),
        "POD_CIDR": "10.1.0.0/16",
        "SERVICE_CIDR": "10.152.183.0/24",
        "FILES": "",
        "CONTAINERD_ENVIRONMENT": "",
        "TRUST_DIGEST": "one",
        "WAIT_SECONDS": "5",
        **changes,
    }


def install(host: FakeHost, call: str = 'main "$@"', **changes: str) -> subprocess.CompletedProcess[str]:
    return host.run("microk8s", values_of(**changes), call=call)


def acts(host: FakeHost) -> list[str]:
    return [call for call in host.calls if call.startswith(("snap install", "snap ack", "snap restart", "snap refresh"))]


@pytest.fixture
def host(make_host: HostMaker) -> FakeHost:
    """A host without MicroK8s, but with what its snap would lay out."""
    made = make_microk8s(make_host("debian-12"))
    made.write(f"{ARGUMENTS}/cni-env", "CNI=calico\nIPv4_CLUSTER_CIDR=10.1.0.0/16\nIPv4_SERVICE_CIDR=10.152.183.0/24\n")
    made.know("snaps", "")
    return made


def test_it_is_installed_from_its_channel_and_held(host: FakeHost) -> None:
    done = install(host)
    assert done.returncode == 0, done.stderr
    assert acts(host) == ["snap install microk8s --classic --channel=1.35/stable", "snap refresh --hold microk8s"]
    assert host.root.joinpath(LAUNCH).stat().st_mode & 0o777 == 0o600
    assert "microk8s status --wait-ready --timeout 5" in host.calls


def test_folders_that_are_the_snaps_own_stay_open_to_its_users(make_host: HostMaker) -> None:
    host = make_host("debian-12")
    shutil.rmtree(host.root / "var", ignore_errors=True)
    done = host.run("microk8s", values_of(), call='write_file "$LAUNCH_FILE" 0600 <<<"$LAUNCH_CONFIGURATION"')
    assert done.returncode == 0, done.stderr
    folders = host.root.joinpath(LAUNCH).parent, host.root / "var/snap", host.root / "var/lib/onprem-mlops"
    assert [folder.stat().st_mode & 0o777 for folder in folders] == [0o755, 0o755, 0o700]


def test_containerd_gets_the_proxy_before_it_pulls(host: FakeHost) -> None:
    environment = 'HTTPS_PROXY="http://proxy.example:3128"'
    assert install(host, CONTAINERD_ENVIRONMENT=environment).returncode == 0
    assert acts(host)[1] == "snap restart microk8s.daemon-containerd"
    assert environment in host.read(f"{ARGUMENTS}/containerd-env")
    assert install(host, CONTAINERD_ENVIRONMENT=environment).returncode == 0
    assert acts(host) == ["snap refresh --hold microk8s"]


@pytest.mark.parametrize("number", range(1, 8))
def test_an_installation_killed_anywhere_is_finished_by_the_next(host: FakeHost, number: int) -> None:
    values = values_of(CONTAINERD_ENVIRONMENT='HTTPS_PROXY="http://proxy.example:3128"')
    assert host.run("microk8s", values, cut_at=number).returncode != 0
    first = acts(host)[:-1] if host.calls[-1].startswith("snap restart") else acts(host)
    done = host.run("microk8s", values)
    assert done.returncode == 0, done.stderr
    assert "snap restart microk8s.daemon-containerd" in [*first, *acts(host)]


def test_on_a_formed_cluster_nothing_is_restarted_whatever_changes(host: FakeHost) -> None:
    assert install(host).returncode == 0
    host.write("var/snap/microk8s/current/var/lock/no-cert-reissue", "")
    changes = {"CONTAINERD_ENVIRONMENT": 'HTTPS_PROXY="http://other.example"', "TRUST_DIGEST": "two", "CHANNEL": "1.36/stable"}
    done = install(host, **changes, LAUNCH_CONFIGURATION="another")
    assert done.returncode == 0, done.stderr
    assert acts(host) == ["snap refresh --hold microk8s"]


def test_a_host_that_is_configured_is_not_waited_for(host: FakeHost) -> None:
    assert install(host).returncode == 0
    host.write("var/lib/onprem-mlops/configured", "")
    assert install(host).returncode == 0
    assert not [call for call in host.calls if "wait-ready" in call]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"CHANNEL": "1.34/stable"}, ("newer than channel 1.34/stable",)),
        ({"POD_CIDR": "10.2.0.0/16"}, ("10.1.0.0/16 for pods", "a running cluster keeps its networks")),
        ({"SERVICE_CIDR": "10.99.0.0/24", "CHANNEL": "1.37/stable"}, ("10.152.183.0/24 for Services", "2 minor versions ahead")),
    ],
)
def test_what_a_cluster_cannot_become_is_refused(host: FakeHost, changes: dict[str, str], words: tuple[str, ...]) -> None:
    assert install(host).returncode == 0
    before = host.tree()
    done = install(host, **changes)
    assert done.returncode == 1
    for word in words:
        assert word in done.stderr
    assert acts(host) == []
    assert host.tree() == before


def test_a_launch_configuration_that_goes_before_ours_is_refused(host: FakeHost) -> None:
    host.write("etc/microk8s.yaml", "version: 0.2.0\n")
    done = install(host)
    assert done.returncode == 1
    assert "etc/microk8s.yaml, which MicroK8s would read in place of" in done.stderr
    assert acts(host) == []
    (host.root / "etc/microk8s.yaml").unlink()
    assert install(host).returncode == 0
    host.write("etc/microk8s.yaml", "version: 0.2.0\n")
    assert install(host).returncode == 0, "it is read once only"


def test_without_the_store_everything_comes_from_files(host: FakeHost, tmp_path: Path) -> None:
    folder = tmp_path / "home/onprem-mlops"
    for name, version in (("core22_1", "2026"), ("snapd_2", "2.68"), ("microk8s_3", "v1.35.4")):
        (folder / "snaps").mkdir(parents=True, exist_ok=True)
        (folder / f"snaps/{name}.snap").write_text(version)
    (folder / "images").mkdir()
    (folder / "images/calico.tar").write_text("image")
    host.know("snaps", "core22 2026 1 latest/stable canonical** base\n")
    user = pwd.getpwuid(os.getuid()).pw_name
    call = f'SUDO_USER={user}; getent() {{ echo "$2:x:0:0::{tmp_path}/home:/bin/sh"; }}; main "$@"'
    done = install(host, call, OFFLINE_SNAPS="core22_1.snap snapd_2.snap microk8s_3.snap")
    assert done.returncode == 0, done.stderr
    snaps = f"{folder}/snaps"
    assert acts(host) == [
        f"snap ack {snaps}/snapd_2.assert",
        f"snap install {snaps}/snapd_2.snap",
        f"snap ack {snaps}/microk8s_3.assert",
        f"snap install {snaps}/microk8s_3.snap --classic",
        "snap refresh --hold microk8s",
    ]
    assert host.read("var/snap/microk8s/common/sideload/calico.tar") == "image"


def test_a_file_of_another_version_than_the_channel_is_told(host: FakeHost, tmp_path: Path) -> None:
    folder = tmp_path / "home/onprem-mlops/snaps"
    folder.mkdir(parents=True)
    (folder / "microk8s_3.snap").write_text("v1.34.1")
    call = f'getent() {{ echo "$2:x:0:0::{tmp_path}/home:/bin/sh"; }}; main "$@"'
    done = install(host, call, OFFLINE_SNAPS="microk8s_3.snap")
    assert done.returncode == 1
    assert "put the snap of that version into its folder" in done.stderr
