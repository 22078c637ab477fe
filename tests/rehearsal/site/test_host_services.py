"""The stand-ins for systemd's units and for firewalld; without a host that runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops.rehearsal.site.daemon import Call
from mlops.rehearsal.site.facts import HostFacts
from mlops.rehearsal.site.firewall import Firewall
from mlops.rehearsal.site.host import Host
from mlops.rehearsal.site.network import Network
from tests.rehearsal.site.site_for_tests import make_site


def make(tmp_path: Path, system: str, **facts: object) -> Host:
    spec = make_site(systems={"node1": system}, facts={"node1": HostFacts(**facts)}).spec  # type: ignore[arg-type] # any of them
    host = Host(spec.host("node1"), tmp_path / "node1", Network(spec, tmp_path / "netns"))
    (host.root / "usr/bin").mkdir(parents=True)
    return host


def ask(host: Host, line: str, user: int = 0) -> tuple[int, str]:
    reply = host.units.answer(Call("node1", ("systemctl", *line.split()), user))
    return reply.code, reply.out + reply.err


@pytest.fixture
def rocky(tmp_path: Path) -> Host:
    """A host on which snapd was installed."""
    host = make(tmp_path, "rocky-9-stand-in", firewalld="running")
    (host.root / "usr/bin/snap").symlink_to("/usr/lib/stand-in/stand_in.py")
    return host


@pytest.mark.parametrize(
    ("line", "code", "out"),
    [
        ("is-active sshd", 0, "active\n"),
        ("is-active snapd.socket", 3, "inactive\n"),
        ("is-active -q sshd", 0, ""),
        ("is-active firewalld ufw", 0, "active\ninactive\n"),
        ("is-enabled snapd.socket", 1, "disabled\n"),
        ("is-enabled no-such", 1, "Failed to get unit file state for no-such.service: No such file or directory\n"),
        ("show -p ActiveState --value sshd", 0, "active\n"),
        ("show --property=LoadState,ActiveState no-such", 0, "LoadState=not-found\nActiveState=inactive\n"),
        ("enable --now no-such", 1, "Unit no-such.service could not be found.\n"),
        ("restart no-such", 5, "Unit no-such.service could not be found.\n"),
        ("frobnicate sshd", 1, "Unknown command verb frobnicate.\n"),
        ("daemon-reload", 0, ""),
    ],
)
def test_what_systemctl_answers(rocky: Host, line: str, code: int, out: str) -> None:
    assert ask(rocky, line) == (code, out)


def test_only_root_changes_units(rocky: Host) -> None:
    assert ask(rocky, "start snapd.socket", user=1000)[0] == 1
    assert not rocky.units.active("snapd.socket")


def test_what_is_enabled_comes_back_after_a_boot_and_what_was_only_started_does_not(rocky: Host) -> None:
    assert ask(rocky, "enable --now snapd.socket") == (0, "")
    assert ask(rocky, "start snapd.service") == (0, "")
    assert ask(rocky, "disable --now firewalld") == (0, "")
    assert rocky.units.restarts == ["snapd.socket", "snapd.service"]
    assert ask(rocky, "is-active snapd.socket snapd.service firewalld")[1] == "active\nactive\ninactive\n"
    rocky.units.boot()
    assert ask(rocky, "is-active snapd.socket snapd.service firewalld")[1] == "active\ninactive\ninactive\n"


def test_a_masked_unit_does_not_start(rocky: Host) -> None:
    ask(rocky, "mask snapd.socket")
    assert ask(rocky, "start snapd.socket")[0] == 1
    assert ask(rocky, "is-enabled snapd.socket") == (1, "masked\n")


def test_units_of_a_package_are_there_when_it_is(tmp_path: Path) -> None:
    host = make(tmp_path, "debian-13")
    assert ask(host, "is-active snapd.socket")[0] == 3
    (host.root / "usr/bin/snap").symlink_to("/usr/lib/stand-in/stand_in.py")
    assert ask(host, "is-active snapd.socket")[0] == 0, "Debian starts what it installs"
    assert ask(host, "is-active snap.microk8s.daemon-kubelite")[0] == 3
    (host.root / "var/snap/microk8s").mkdir(parents=True)
    (host.root / "var/snap/microk8s/current").symlink_to("8612")
    assert ask(host, "is-active snap.microk8s.daemon-kubelite")[0] == 0


def firewall(rules: Firewall, line: str, *, user: int = 0, active: bool = True) -> tuple[int, str]:
    reply = rules.answer(Call("node1", ("firewall-cmd", *line.split()), user), active=active)
    return reply.code, (reply.out + reply.err).strip()


def test_permanent_rules_hold_after_a_reload_and_others_do_not() -> None:
    rules = Firewall()
    assert firewall(rules, "--permanent --zone=trusted --add-source=10.1.0.0/16") == (0, "success")
    assert firewall(rules, "--zone=trusted --query-source=10.1.0.0/16") == (1, "no")
    assert firewall(rules, "--zone=public --add-port=16443/tcp --add-masquerade") == (0, "success\nsuccess")
    assert firewall(rules, "--query-masquerade") == (0, "yes")
    assert firewall(rules, "--reload") == (0, "success")
    assert firewall(rules, "--zone=trusted --query-source=10.1.0.0/16") == (0, "yes")
    assert firewall(rules, "--zone=trusted --list-sources") == (0, "10.1.0.0/16")
    assert firewall(rules, "--query-port=16443/tcp") == (1, "no")
    rules.boot()
    assert firewall(rules, "--permanent --zone=trusted --query-source=10.1.0.0/16") == (0, "yes")


@pytest.mark.parametrize(
    ("line", "user", "active", "code", "says"),
    [
        ("--state", 1000, True, 0, "running"),
        ("--state", 0, False, 252, "not running"),
        ("--reload", 0, False, 252, "FirewallD is not running"),
        ("--add-port=1/tcp", 1000, True, 253, "Authorization failed"),
        ("--zone=none --list-ports", 0, True, 112, "INVALID_ZONE"),
        ("--get-default-zone", 0, True, 0, "public"),
        ("--get-zone-of-interface=eth0", 0, True, 2, "no zone"),
        ("--frobnicate", 0, True, 2, "unrecognized arguments"),
    ],
)
def test_what_firewalld_refuses_and_tells(line: str, user: int, active: bool, code: int, says: str) -> None:
    found, text = firewall(Firewall(), line, user=user, active=active)
    assert found == code
    assert says in text


def test_an_interface_is_in_one_zone() -> None:
    rules = Firewall()
    firewall(rules, "--zone=trusted --add-interface=cali+")
    assert firewall(rules, "--get-zone-of-interface=cali+") == (0, "trusted")
    assert firewall(rules, "--zone=public --add-interface=cali+")[0] == 13
    assert firewall(rules, "--zone=public --change-interface=cali+")[0] == 0
    assert firewall(rules, "--get-zone-of-interface=cali+") == (0, "public")
