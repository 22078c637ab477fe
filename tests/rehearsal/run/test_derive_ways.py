"""Site files that are valid and odd: each is rehearsed, with other addresses where need be, or refused in words."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlops.errors import UserError
from mlops.rehearsal.run.derive import derive
from mlops.rehearsal.run.plan import site_spec
from mlops.rehearsal.site.spec import SiteSpec
from mlops.settings import Site, read_site_file

CORPORATE = yaml.safe_load((Path(__file__).parents[3] / "Pulumi.corporate.yaml").read_text(encoding="utf-8"))
Edit = Callable[[dict[str, Any]], None]


def site_file(folder: Path, edit: Edit) -> Path:
    """A corporate site that `edit` has changed; it gets the configuration without the project's name in front."""
    document = deepcopy(CORPORATE)
    sections = {key.removeprefix("onprem-mlops:"): value for key, value in document["config"].items()}
    edit(sections)
    document["config"] = {f"onprem-mlops:{key}": value for key, value in sections.items()}
    file = folder / "Pulumi.corporate.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    return file


def rehearsed(folder: Path, edit: Edit) -> tuple[Site, SiteSpec]:
    """Site as the engine reads it, and the throw-away site for it."""
    file = site_file(folder, edit)
    site = read_site_file(file)
    derived = derive(file.read_text(encoding="utf-8"), site)
    spec = site_spec(site, derived, delay_scale=0)
    spec.save(folder / "spec.json")
    (folder / "derived").mkdir()
    again = folder / "derived" / file.name
    again.write_text(derived.text, encoding="utf-8")
    return read_site_file(again), SiteSpec.load(folder / "spec.json")


def bastion(**values: object) -> Edit:
    return lambda sections: sections["hosts"]["access"]["bastion"].update(values)


def nodes(*values: dict[str, object], **access: object) -> Edit:
    def edit(sections: dict[str, Any]) -> None:
        sections["hosts"]["access"].update(access)
        for node, changes in zip(sections["hosts"]["nodes"], values, strict=False):
            node.update(changes)

    return edit


def proxy(http: str) -> Edit:
    return lambda sections: sections["proxy"].update(http=http)


def both(*edits: Edit) -> Edit:
    def edit(sections: dict[str, Any]) -> None:
        for each in edits:
            each(sections)

    return edit


@pytest.mark.parametrize(
    ("edit", "address", "jump_host", "ipv6"),
    [
        pytest.param(bastion(address="172.16.8.5"), "172.16.8.5", ("172.16.8.5", ""), {}, id="address in another subnet"),
        pytest.param(bastion(address="jump.corporate.example"), "172.16.20.2", ("172.16.20.2", ""), {}, id="name"),
        pytest.param(bastion(address="2001:db8::5"), "2001:db8::5", ("172.16.20.2", "2001:db8::5"), {}, id="IPv6"),
        pytest.param(bastion(address="172.16.8.255"), "172.16.20.2", ("172.16.20.2", ""), {}, id="broadcast address here"),
        pytest.param(
            bastion(address="2001:db8::ffff:ffff:ffff:fffe"), "172.16.20.2", ("172.16.20.2", ""), {}, id="IPv6 of the router here"
        ),
        pytest.param(
            both(bastion(address="172.16.8.5"), proxy("http://172.16.8.5:3128")),
            "172.16.20.2",
            ("172.16.20.2", ""),
            {},
            id="address of the proxy",
        ),
        pytest.param(
            both(bastion(address="172.16.8.5"), nodes({"sshAddress": "2001:db8::11"})),
            "172.16.8.5",
            ("172.16.8.5", "2001:db8::ffff:ffff:ffff:fffd"),
            {"corp1": "2001:db8::11"},
            id="IPv6 behind IPv4",
        ),
        pytest.param(
            both(bastion(address="2001:db8::5"), nodes({"sshAddress": "2001:db8:0:1::11"}, {"sshAddress": "corp2.example.org"})),
            "2001:db8::5",
            ("172.16.20.2", "2001:db8::5"),
            {"corp1": "2001:db8:0:1::11"},
            id="IPv6 behind IPv6, and a name",
        ),
    ],
)
def test_a_jump_host_is_there_by_its_address_or_another(
    tmp_path: Path, edit: Edit, address: str, jump_host: tuple[str, str], ipv6: dict[str, str]
) -> None:
    site, spec = rehearsed(tmp_path, edit)
    assert site.hosts
    assert site.hosts.access.bastion
    assert site.hosts.access.bastion.address == address
    assert spec.bastion
    assert (spec.bastion.address, spec.bastion.ipv6) == jump_host
    assert {host.name: host.ipv6 for host in spec.hosts if host.ipv6} == ipv6
    routers = {str(spec.router(network).ip) for network in spec.networks}
    assert not routers & {host.address for host in spec.all_hosts}


def without_bastion(sections: dict[str, Any]) -> None:
    del sections["hosts"]["access"]["bastion"]


@pytest.mark.parametrize(
    ("edit", "reached"),
    [
        pytest.param(
            nodes({"sshAddress": "203.0.113.7", "port": 2201}, {"sshAddress": "203.0.113.7", "port": 2202}),
            ["172.16.20.11:2201", "172.16.20.12:2202"],
            id="one address, ports",
        ),
        pytest.param(
            nodes({"sshAddress": "2001:db8::7", "port": 2201}, {"sshAddress": "2001:db8::7", "port": 2202}),
            ["172.16.20.11:2201", "172.16.20.12:2202"],
            id="one IPv6 address, ports",
        ),
        pytest.param(
            nodes({"sshAddress": "2001:db8::"}, {"sshAddress": "2001:db8::12"}),
            ["172.16.20.11:22", "2001:db8::12:22"],
            id="anycast",
        ),
        pytest.param(nodes({"sshAddress": "corp1.example.org"}, agent=True), ["172.16.20.11:22", "172.16.20.12:22"], id="agent"),
    ],
)
def test_hosts_are_reached_where_they_are(tmp_path: Path, edit: Edit, reached: list[str]) -> None:
    site, spec = rehearsed(tmp_path, both(without_bastion, edit))
    assert site.hosts
    ways = [site.hosts.access_of(node) for node in site.hosts.nodes]
    assert [f"{way.ssh_address}:{way.port}" for way in ways[:2]] == reached
    for node, way in zip(site.hosts.nodes, ways, strict=True):
        host = spec.host(node.name)
        assert way.ssh_address in {host.address, host.ipv6}
        assert way.port == host.port
        assert not way.agent


def test_a_node_may_have_the_name_of_the_jump_host(tmp_path: Path) -> None:
    _, spec = rehearsed(tmp_path, nodes({"name": "bastion"}))
    assert [host.name for host in spec.all_hosts] == ["bastion", "corp2", "corp3", "corp4", "bastion-0"]
    assert spec.bastion
    assert spec.host("bastion").host_key != spec.bastion.host_key


def test_folders_of_offline_hosts_are_not_copied(tmp_path: Path) -> None:
    site, _ = rehearsed(tmp_path, lambda sections: sections["cluster"].update(offline={"snaps": "/nowhere"}))
    assert site.cluster.kind == "microk8s"
    assert site.cluster.offline is None


def small(subnet: str, balanced: str) -> Edit:
    return lambda sections: sections["network"].update(
        nodeSubnet=subnet, loadBalancerRange=balanced, gatewayAddress=balanced.partition("-")[0]
    )


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (
            proxy("http://172.16.20.12:3128"),
            ["corporate proxy.http", "172.16.20.12, which is host corp2", "a machine of its own", "copy of the site file"],
        ),
        (proxy("http://corp3:3128"), ["corporate proxy.http", "corp3, which is host corp3"]),
        (
            both(bastion(address="jump.example.org"), small("172.16.20.8/29", "172.16.20.9-172.16.20.10")),
            ["corporate network.nodeSubnet", "leave 0 free", "2 free: for a router and a jump host", "take a larger network"],
        ),
        (
            both(bastion(address="172.16.8.5"), small("172.16.20.8/29", "172.16.20.9-172.16.20.10")),
            ["leave 0 free", "1 free: for a router"],
        ),
    ],
)
def test_what_cannot_be_rehearsed_is_told_in_words(tmp_path: Path, edit: Edit, words: list[str]) -> None:
    file = site_file(tmp_path, edit)
    site = read_site_file(file)
    with pytest.raises(UserError) as told:
        derive(file.read_text(encoding="utf-8"), site)
    assert [part for part in words if part not in str(told.value)] == []
