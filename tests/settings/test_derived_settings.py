"""What follows from the settings: addresses that bypass the proxy, names, URLs, access, joining order."""

from __future__ import annotations

import random
from ipaddress import IPv4Address, IPv4Network

import pytest
from pydantic import TypeAdapter, ValidationError

from mlops.settings import CHECK_NAMES, AddressRange, Arguments, MicroK8sCluster, Origin, Site, parse_site
from mlops.settings.cluster import PLATFORM_ARGUMENTS, set_by_platform
from mlops.settings.types import Cidr, Email, Fqdn, HostKey
from tests.settings.site_examples import KEYS, NOW, changed


def site(changes: dict[str, object] | None = None) -> Site:
    return parse_site(changed(changes or {}), origin=Origin(stack="test"), now=NOW)


def test_no_proxy_holds_everything_of_the_site_once_and_in_a_stable_order() -> None:
    changes = {
        "proxy": {"http": "http://proxy:3128", "noProxy": [".corp.example", "n0", "10.0.0.0/8"]},
        "sources": {"mirrors": ["https://git.corp.example/x", "http://git.corp.example:8080/y"]},
        "registries": [
            {
                "host": "docker.io",
                "mirrors": [{"url": "https://hub.corp.example/v2/hub"}, {"url": "http://cache.corp.example:5000"}],
            },
            {"host": "quay.io", "mirrors": [{"url": "https://hub.corp.example/v2/quay"}]},
        ],
        "network.loadBalancerRange": "172.16.20.200-172.16.20.202",
    }
    assert site(changes).no_proxy == (
        "127.0.0.1",
        "localhost",
        "10.1.0.0/16",
        "10.152.183.0/24",
        "10.152.183.1",
        "172.16.20.0/24",
        "n0",
        "172.16.20.10",
        "n1",
        "172.16.20.11",
        "n2",
        "172.16.20.12",
        "172.16.20.200/31",
        "172.16.20.202/32",
        "172.16.20.200",
        ".svc",
        ".cluster.local",
        "mlops.test.example",
        ".mlops.test.example",
        "git.corp.example",
        "hub.corp.example",
        "cache.corp.example",
        ".corp.example",
        "10.0.0.0/8",
    )
    assert site().proxy_environment() == {}


def test_https_is_proxied_like_http_unless_told_otherwise() -> None:
    one = site({"proxy": {"http": "http://proxy:3128/"}}).proxy_environment()
    assert one["HTTPS_PROXY"].reveal() == one["HTTP_PROXY"].reveal() == "http://proxy:3128"
    two = site({"proxy": {"http": "http://a:1", "https": "http://b:2"}}).proxy_environment()
    assert two["https_proxy"].reveal() == "http://b:2"


def test_urls_and_names() -> None:
    found = site()
    assert found.url("kubernetes") == "https://172.16.20.10:16443"
    assert found.url("gateway") == "https://mlops.test.example"
    assert found.endpoint_names() == {"gateway": "mlops.test.example"}
    with pytest.raises(KeyError):
        found.url("nothing")
    assert found.network.cluster_dns == IPv4Address("10.152.183.10")
    assert found.network.kubernetes_service == IPv4Address("10.152.183.1")


def test_the_first_control_plane_starts_the_cluster_and_workers_join_last() -> None:
    worker = {"name": "w", "address": "172.16.20.9", "hostKey": KEYS[3], "roles": ["worker"]}
    hosts = site({"hosts.nodes.3": worker, "hosts.nodes.0.roles": ["worker"], "hosts.nodes.2.roles": ["worker"]}).hosts
    assert hosts
    assert [host.name for host in hosts.in_joining_order()] == ["n1", "n0", "n2", "w"]
    assert [host.name for host in hosts.control_planes] == ["n1"]
    assert [host.name for host in hosts.workers] == ["n0", "n2", "w"]


LOST: dict[str, object] = {"hosts.nodes.0.lost": True, "hosts.nodes.0.roles": ["control-plane", "worker"]}


def test_a_lost_host_takes_no_part() -> None:
    found = site(LOST)
    hosts = found.hosts
    assert hosts
    assert [host.name for host in hosts.lost] == ["n0"]
    assert hosts.first.name == "n1"
    assert [host.name for host in hosts.in_joining_order()] == [host.name for host in hosts.control_planes] == ["n1", "n2"]
    assert len(hosts.nodes) == 3
    assert found.url("kubernetes") == "https://172.16.20.11:16443"
    worker = {"name": "w", "address": "172.16.20.9", "hostKey": KEYS[3], "roles": ["worker"], "lost": True}
    hosts = site({"hosts.nodes.3": worker}).hosts
    assert hosts
    assert hosts.workers == ()
    assert [host.name for host in hosts.lost] == ["w"]


def test_an_even_number_of_control_planes_is_worth_a_word_while_one_is_lost() -> None:
    assert site().remarks() == ()
    (words,) = site(LOST).remarks()
    assert "2 living control planes while n0 is lost" in words
    assert "give the role to one more host" in words
    replaced = {"name": "n3", "address": "172.16.20.13", "hostKey": KEYS[3], "roles": ["control-plane", "worker", "storage"]}
    assert site({**LOST, "hosts.nodes.3": replaced}).remarks() == ()


def test_names_of_checks_may_stand_in_the_settings() -> None:
    skip = [{"check": name, "reason": "for the test"} for name in CHECK_NAMES]
    found = site({"hosts.preflight": {"skip": skip}}).hosts
    assert found
    assert tuple(each.check for each in found.preflight.skip) == CHECK_NAMES
    assert len(set(CHECK_NAMES)) == len(CHECK_NAMES) > 40


def test_arguments_that_the_platform_sets_are_known_by_their_setting() -> None:
    assert set(PLATFORM_ARGUMENTS) == {info.alias for info in Arguments.model_fields.values()}
    assert set_by_platform("apiServer", "--oidc-ca-file") == "cluster.authentication"
    assert set_by_platform("apiServer", "--authorization-mode") == ""
    assert set_by_platform("kubelet", "--max-pods") is None
    assert set_by_platform("kubelet", "--node-ip") == "hosts.nodes[].address"


def test_access_of_a_host_is_its_own_or_the_common_one() -> None:
    bastion = {"address": "172.16.8.4", "user": "jump", "hostKey": KEYS[3]}
    hosts = site({"hosts.nodes.1.user": "root", "hosts.nodes.1.port": 2222, "hosts.access.bastion": bastion}).hosts
    assert hosts
    common, own = (hosts.access_of(host) for host in hosts.nodes[:2])
    assert (common.user, common.port, own.user, own.port) == ("deploy", 22, "root", 2222)
    assert common.bastion is own.bastion is hosts.access.bastion
    assert common.bastion_key is hosts.access.key is not None


def test_defaults_are_microk8s_own() -> None:
    found = site({"network.podCidr": ..., "network.serviceCidr": ..., "network.dnsServers": ...})
    assert str(found.network.pod_cidr) == "10.1.0.0/16"
    assert str(found.network.service_cidr) == "10.152.183.0/24"
    assert found.hosts
    assert found.hosts.on_destroy == "keep"
    assert {host.os_family for host in found.hosts.nodes} == {"auto"}
    assert (found.hosts.firewall, found.hosts.selinux, found.hosts.preflight.skip) == ("open", "leave", ())
    assert isinstance(found.cluster, MicroK8sCluster)
    assert (found.cluster.kube_proxy_mode, found.cluster.audit.level, found.cluster.secrets_encryption.epoch) == (
        "auto",
        "Metadata",
        1,
    )


def test_a_site_does_not_change() -> None:
    found = site()
    with pytest.raises(ValidationError, match="frozen"):
        found.name = "x"  # type: ignore[misc]  # the point of the test
    assert found == site()
    assert found.no_proxy is found.no_proxy


def test_ranges_hold_exactly_their_addresses() -> None:
    dice = random.Random(7)  # noqa: S311  (a repeatable sample, no secret)
    for _ in range(50):
        low = dice.randrange(0x0A000000, 0x0AFFFF00)
        expected = {IPv4Address(low + step) for step in range(dice.randrange(1, 200))}
        found = AddressRange.parse(f"{min(expected)} - {max(expected)}")
        inside = {address for network in found.networks for address in network}
        assert inside == expected
        assert all(address in found for address in inside)
        assert IPv4Address(low - 1) not in found
        for _ in range(5):
            network = IPv4Network((low, dice.randrange(16, 32)), strict=False)
            assert found.overlaps(network) == any(address in network for address in expected)
        assert AddressRange.parse(str(found)) == found


def test_networks_are_read_back_as_written() -> None:
    dice = random.Random(11)  # noqa: S311  (a repeatable sample, no secret)
    adapter: TypeAdapter[IPv4Network] = TypeAdapter(Cidr)
    for _ in range(100):
        network = IPv4Network((dice.randrange(2**32), dice.randrange(33)), strict=False)
        assert adapter.dump_python(adapter.validate_python(str(network))) == str(network)
        if network.prefixlen < 32:
            with pytest.raises(ValidationError):
                adapter.validate_python(f"{network[1]}/{network.prefixlen}")


def test_host_key_may_be_pasted_as_the_tools_print_it() -> None:
    adapter: TypeAdapter[str] = TypeAdapter(HostKey)
    for text in (KEYS[0], f"172.16.20.11 {KEYS[0]}", f"[10.0.0.1]:2222 {KEYS[0]}\n", f"  {KEYS[0]} root@n0"):
        assert adapter.validate_python(text) == KEYS[0]


@pytest.mark.parametrize("text", ["ops@example.org", "a.b+c@x-y.example"])
def test_email_that_is_one(text: str) -> None:
    assert TypeAdapter(Email).validate_python(text) == text


@pytest.mark.parametrize("text", ["ops", "ops@", "@example.org", "ops@example", "o ps@example.org", "a@b.example\n"])
def test_email_that_is_none(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Email).validate_python(text)


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("a.b", True),
        ("a" * 63 + ".b", True),
        ("a" * 64 + ".b", False),
        ("-a.b", False),
        ("a..b", False),
        ("a.b\n", False),
        (".".join(["abcdefg"] * 32), False),
    ],
)
def test_domain_names(text: str, *, good: bool) -> None:
    if good:
        assert TypeAdapter(Fqdn).validate_python(text) == text
    else:
        with pytest.raises(ValidationError):
            TypeAdapter(Fqdn).validate_python(text)
