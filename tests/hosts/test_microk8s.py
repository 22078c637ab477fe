"""What MicroK8s is told on each node: launch configuration, API server's files, registries, files for hosts without the store."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlops.errors import UserError
from mlops.hosts.apiserver import api_server, audit_policy, encryption_configuration
from mlops.hosts.microk8s import Component, minor_version
from mlops.hosts.offline import snap_files
from mlops.hosts.registries import certificate_files, certificate_path, hosts_toml, registry_texts
from mlops.rehearsal.site.snaptree import LAUNCH_FIELDS
from mlops.settings import Arguments, Audit, Authentication, Offline, Registry
from mlops.settings.cluster import set_by_platform
from tests.hosts.microk8s_host import KEYS, node

_NAMES: Mapping[Component, str] = {
    "kube-apiserver": "apiServer",
    "kubelet": "kubelet",
    "kube-proxy": "kubeProxy",
    "kube-controller-manager": "controllerManager",
    "kube-scheduler": "scheduler",
}
ISSUER = Authentication(issuerUrl="https://id.example", audiences=("platform", "cli"))


def api(**changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "audit": Audit(),
        "authentication": ISSUER,
        "trusted": "ROOTS",
        "encryption_keys": KEYS,
        "minor": (1, 35),
    }
    return {"api_server": api_server(**(values | changes))}


def launch(**changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(node(**changes).launch_configuration())
    assert set(document) <= LAUNCH_FIELDS, "MicroK8s only warns of what it does not know"
    return document


def test_the_launch_configuration_repeats_the_dns_settings_of_the_built_in_one() -> None:
    document = launch(
        service_cidr="10.99.0.0/24",
        cluster_dns="10.99.0.10",
        kubernetes_service="10.99.0.1",
        dns_servers=("192.0.2.53", "192.0.2.54"),
        starts_addons=True,
    )
    assert document["extraKubeletArgs"] == {"--cluster-domain": "cluster.local", "--cluster-dns": "10.99.0.10"}
    assert document["extraKubeAPIServerArgs"]["--authorization-mode"] == "RBAC,Node"
    assert document["extraSANs"] == ["10.99.0.1", "192.0.2.11", "node1"]
    dns, storage = document["addons"]
    assert dns == {"name": "dns", "args": ["192.0.2.53,192.0.2.54", "10.99.0.10"]}, "the addon would take any address"
    assert storage == {"name": "hostpath-storage"}


def test_without_servers_the_dns_addon_asks_those_of_the_host_and_still_gets_its_address() -> None:
    assert launch(starts_addons=True)["addons"][0]["args"] == ["/etc/resolv.conf", "10.152.183.10"]


def test_a_joining_node_starts_no_addons_and_no_node_knows_a_token() -> None:
    assert "addons" not in launch()
    assert "persistentClusterToken" not in launch(starts_addons=True)


def test_a_worker_has_the_clusters_networks_until_it_joins_and_none_of_its_files() -> None:
    document = launch(control_plane=False, service_cidr="10.99.0.0/24", **api())
    own = {"--authorization-mode": "RBAC,Node", "--service-cluster-ip-range": "10.99.0.0/24"}
    assert document["extraKubeAPIServerArgs"] == own
    assert not {"extraConfigFiles", "extraKubeSchedulerArgs", "addons"} & set(document)
    assert set(node(control_plane=False).arguments()) == {"kubelet", "kube-proxy"}


def test_metrics_are_reachable_and_further_arguments_are_there() -> None:
    further = Arguments(apiServer={"--event-ttl": "1h"}, scheduler={"--v": "2"}, kubeProxy={"--v": "3"})
    arguments = node(further=further, kube_proxy_mode="nftables").arguments()
    assert arguments["kube-proxy"] == {
        "--cluster-cidr": "10.1.0.0/16",
        "--proxy-mode": "nftables",
        "--metrics-bind-address": "0.0.0.0:10249",
        "--v": "3",
    }
    everywhere = str(IPv4Address(0))
    assert arguments["kube-scheduler"] == {"--bind-address": everywhere, "--v": "2"}
    assert arguments["kube-controller-manager"]["--bind-address"] == everywhere
    assert arguments["kube-apiserver"]["--event-ttl"] == "1h"


def test_the_settings_refuse_every_argument_that_is_set_here() -> None:
    for component, arguments in node(**api()).arguments().items():
        for name in arguments:
            assert set_by_platform(_NAMES[component], name) is not None, f"{component} {name}"


def test_each_file_is_named_by_an_argument_and_lies_where_it_says() -> None:
    described = node(**api())
    paths = {line.split()[2]: line.split()[0] for line in described.file_lines().splitlines()}
    named = [value for value in described.arguments()["kube-apiserver"].values() if value.endswith(".yaml")]
    assert {value.replace("${SNAP_DATA}", "/var/snap/microk8s/current") for value in named} == set(paths)
    # the API server reads it again when it changes; the others when it starts
    assert {path for path, daemon in paths.items() if daemon == "none"} == {"/var/snap/microk8s/current/args/authentication.yaml"}
    assert set(yaml.safe_load(described.launch_configuration())["extraConfigFiles"]) == {path.rpartition("/")[2] for path in paths}


def test_secrets_are_written_with_the_present_key_and_read_with_all() -> None:
    document = yaml.safe_load(encryption_configuration({1: "one", 2: "two", 3: "three", 4: "four"}))
    (resource,) = document["resources"]
    assert resource["resources"] == ["secrets"]
    box, identity = resource["providers"]
    assert [entry["name"] for entry in box["secretbox"]["keys"]] == ["epoch-3", "epoch-4", "epoch-2", "epoch-1"]
    assert identity == {"identity": {}}


@pytest.mark.parametrize("keys", [{}, {1: "one"}, {1: "one", 3: "three"}])
def test_a_key_that_is_missing_is_a_mistake_of_ours(keys: dict[int, str]) -> None:
    with pytest.raises(ValueError, match="keys of epochs"):
        encryption_configuration(keys)


@pytest.mark.parametrize("level", ["Metadata", "Request"])
def test_bodies_of_what_holds_secrets_are_never_written_down(level: str) -> None:
    policy = yaml.safe_load(audit_policy(level))
    for resource in ("secrets", "configmaps"):
        rules = [
            rule
            for rule in policy["rules"]
            if "nonResourceURLs" not in rule
            and ("resources" not in rule or any(resource in entry["resources"] for entry in rule["resources"]))
        ]
        assert rules[0]["level"] == "Metadata"


def test_no_audit_is_no_argument() -> None:
    described = node(**api(audit=Audit(level="None")))
    assert not [name for name in described.arguments()["kube-apiserver"] if name.startswith("--audit")]
    assert "audit-policy" not in described.file_lines()


@pytest.mark.parametrize(("minor", "version"), [((1, 33), "v1beta1"), ((1, 34), "v1"), ((1, 35), "v1")])
def test_users_of_an_issuer_have_names_of_their_own(minor: tuple[int, int], version: str) -> None:
    server = api_server(audit=Audit(), authentication=ISSUER, trusted="ROOTS", encryption_keys=KEYS, minor=minor)
    document = yaml.safe_load(server.reloaded["authentication.yaml"])
    assert document["apiVersion"] == f"apiserver.config.k8s.io/{version}"
    (authenticator,) = document["jwt"]
    assert authenticator["issuer"] == {
        "url": "https://id.example",
        "audiences": ["platform", "cli"],
        "certificateAuthority": "ROOTS",
        "audienceMatchPolicy": "MatchAny",
    }
    assert authenticator["claimMappings"]["groups"] == {"claim": "groups", "prefix": "oidc:"}


def test_minor_versions_are_read_from_channels() -> None:
    assert [minor_version(text) for text in ("1.35/stable", "1.9")] == [(1, 35), (1, 9)]
    with pytest.raises(ValueError, match="no version"):
        minor_version("latest/stable")


def registry(host: str, *mirrors: dict[str, Any], username: str | None = None) -> Registry:
    return Registry.model_validate({"host": host, "mirrors": mirrors, "username": username})


def test_mirrors_come_before_the_registry_itself(authority: str) -> None:
    entry = registry(
        "docker.io",
        {"url": "https://one.example/v2/docker/", "overridePath": True, "certificateAuthority": authority},
        {"url": "https://two.example"},
    )
    document = tomllib.loads(hosts_toml(entry, None))
    assert document["server"] == "https://registry-1.docker.io"
    assert list(document["host"]) == ["https://one.example/v2/docker", "https://two.example"]
    first = document["host"]["https://one.example/v2/docker"]
    assert first == {"capabilities": ["pull", "resolve"], "ca": certificate_path(authority), "override_path": True}
    assert certificate_files([entry]) == {certificate_path(authority): authority}


def test_a_login_goes_to_mirrors_or_to_the_registry_itself() -> None:
    alone, mirrored = registry("registry.example", username="u"), registry("quay.io", {"url": "https://m.example"}, username="u")
    passwords = {"registry.example": 'p"\\', "quay.io": "q"}
    texts = {host: tomllib.loads(text) for host, text in registry_texts([alone, mirrored], passwords).items()}
    assert texts["registry.example"]["host"]["https://registry.example"]["header"] == {"Authorization": ["Basic dTpwIlw="]}
    assert texts["quay.io"]["host"] == {
        "https://m.example": {"capabilities": ["pull", "resolve"], "header": {"Authorization": ["Basic dTpx"]}}
    }


def test_snaps_are_installed_bases_first(tmp_path: Path) -> None:
    for name in ("microk8s_8612", "core22_2045", "snapd_25202"):
        (tmp_path / f"{name}.snap").touch()
        (tmp_path / f"{name}.assert").touch()
    assert snap_files(Offline(snaps=str(tmp_path))) == ["core22_2045.snap", "snapd_25202.snap", "microk8s_8612.snap"]
    (tmp_path / "microk8s_9000.snap").touch()
    with pytest.raises(UserError, match="not complete") as told:
        snap_files(Offline(snaps=str(tmp_path), images=str(tmp_path / "none")))
    assert "microk8s_8612.snap, microk8s_9000.snap" in str(told.value)
    assert "no such folder" in str(told.value)


@pytest.fixture(scope="module")
def authority(certificates: list[str]) -> str:
    return certificates[1]
