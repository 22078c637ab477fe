"""The derived site file differs from the user's in a closed list of values, and in nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlops.rehearsal.run.derive import derive
from mlops.rehearsal.run.plan import Plan, site_spec
from mlops.rehearsal.site.pki import Authority
from mlops.settings import Origin, parse_site, read_site_file

ROOT = Path(__file__).parents[3]
SITES = ("baremetal", "corporate", "cloud")
PROXY_ROOT = "trust.extraRoots[0]"
"""Replaced where there is a proxy that opens TLS."""


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}".removeprefix("."))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, f"{path}[{index}]")
    else:
        yield path, value


@pytest.mark.parametrize("name", SITES)
def test_the_derived_file_differs_in_host_keys_and_secrets_only(name: str) -> None:
    file = ROOT / f"Pulumi.{name}.yaml"
    text = file.read_text(encoding="utf-8")
    derived = derive(text, read_site_file(file))
    before, after = dict(leaves(yaml.safe_load(text))), dict(leaves(yaml.safe_load(derived.text)))
    different = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    assert different, "host keys must differ"
    replaced = {"corporate": {PROXY_ROOT}}.get(name, set())
    others = {path.removeprefix("config.onprem-mlops:") for path in different if not path.endswith("hostKey")}
    assert others == replaced
    named = {f"config.onprem-mlops:{path}" for path in derived.changes}
    assert different <= named
    assert {path for path in derived.changes if not path.endswith("hostKey")} == replaced | {
        path.removeprefix("onprem-mlops:") for path in derived.secret_values
    }


def test_a_sealed_secret_and_its_salt_are_replaced(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.baremetal.yaml"
    document = yaml.safe_load((ROOT / "Pulumi.baremetal.yaml").read_text(encoding="utf-8"))
    document["encryptionsalt"] = "v1:salt"
    document["config"]["onprem-mlops:hosts"]["access"]["key"] = {"secure": "v1:cipher"}
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    derived = derive(file.read_text(encoding="utf-8"), read_site_file(file))
    assert "v1:" not in derived.text
    assert "BEGIN OPENSSH PRIVATE KEY" in derived.secret_values["onprem-mlops:hosts.access.key"]
    assert "PRIVATE KEY" not in derived.text


def test_a_corporate_authority_is_stood_in_for_with_its_key_and_the_settings_accept_it(tmp_path: Path) -> None:
    root = Authority("real root")
    real = root.intermediate("real intermediate")
    document = yaml.safe_load((ROOT / "Pulumi.corporate.yaml").read_text(encoding="utf-8"))
    document["config"]["onprem-mlops:trust"]["authority"] = {
        "kind": "corporate",
        "certificate": real.certificate,
        "chain": root.pair.certificate,
        "epoch": 1,
    }
    file = tmp_path / "Pulumi.corporate.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    derived = derive(file.read_text(encoding="utf-8"), read_site_file(file))
    assert {"trust.authority.certificate", "trust.authority.chain", "trust.authority.key"} <= set(derived.changes)

    config = yaml.safe_load(derived.text)["config"]
    values = {path.removeprefix("onprem-mlops:"): value for path, value in config.items()}
    values["trust"]["authority"]["key"] = derived.secret_values["onprem-mlops:trust.authority.key"]
    values["hosts"]["access"]["key"] = derived.user_key.private
    site = parse_site(values, origin=Origin(stack="corporate", from_engine=True))  # checks chain, expiry and that the key fits
    assert site.trust.authority.kind == "corporate"


def further(tmp_path: Path) -> Path:
    """A corporate site with keys elsewhere, other ways to its hosts, a lost host, disks and a registry."""
    document = yaml.safe_load((ROOT / "Pulumi.corporate.yaml").read_text(encoding="utf-8"))
    config = document["config"]
    hosts = config["onprem-mlops:hosts"]
    hosts["access"] |= {"agent": True, "sudoPassword": {"secure": "v1:x"}}
    hosts["access"]["bastion"]["keyFile"] = "~/.ssh/jump"
    corp1, corp2, corp3, corp4 = hosts["nodes"]
    corp1 |= {"sshAddress": "2001:db8::11", "osFamily": "suse", "dataDisks": ["/dev/disk/by-id/nvme-a", "/dev/disk/by-id/nvme-b"]}
    corp2["sshAddress"] = "corp2.corporate.example"
    corp3 |= {"lost": True, "roles": ["control-plane", "worker"]}
    corp4["osFamily"] = "redhat"
    config["onprem-mlops:registries"] = [{"host": "quay.io", "username": "u", "password": {"secure": "v1:y"}}]
    file = tmp_path / "Pulumi.corporate.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    return file


def test_keys_that_lie_elsewhere_are_replaced_by_the_rehearsals_own(tmp_path: Path) -> None:
    file = further(tmp_path)
    derived = derive(file.read_text(encoding="utf-8"), read_site_file(file))
    values = {path.removeprefix("onprem-mlops:"): value for path, value in derived.secret_values.items()}
    assert set(values) == {"hosts.access.key", "hosts.access.sudoPassword", "registries[0].password"}
    assert values["hosts.access.key"] == derived.user_key.private
    assert "PRIVATE KEY" not in values["hosts.access.sudoPassword"] + values["registries[0].password"]
    taken_out = {"hosts.access.agent", "hosts.access.bastion.keyFile", "hosts.nodes[1].sshAddress"}
    assert {path for path in derived.changes if not path.endswith("hostKey")} == {PROXY_ROOT} | taken_out | set(values)
    (tmp_path / "derived").mkdir()
    again = tmp_path / "derived" / file.name
    again.write_text(derived.text, encoding="utf-8")
    access = read_site_file(again).hosts
    assert access
    assert access.access_of(access.nodes[1]).ssh_address == "172.16.20.12"
    assert access.access_of(access.nodes[0]).ssh_address == "2001:db8::11"


def test_the_throw_away_site_follows_what_the_settings_say_of_hosts(tmp_path: Path) -> None:
    file = further(tmp_path)
    site = read_site_file(file)
    derived = derive(file.read_text(encoding="utf-8"), site)
    hosts = site_spec(site, derived, delay_scale=0).hosts
    assert [(host.name, host.os, host.ipv6) for host in hosts] == [
        ("corp1", "leap-15.6-stand-in", "2001:db8::11"),
        ("corp2", "debian-12", ""),
        ("corp4", "rocky-9-stand-in", ""),
    ]
    assert [disk.by_id for disk in hosts[0].facts.disks if disk.by_id] == ["nvme-a", "nvme-b"]
    assert {host.sudo_password for host in hosts} == {derived.secret_values["onprem-mlops:hosts.access.sudoPassword"]}


def test_the_throw_away_site_has_the_sites_own_proxy(tmp_path: Path) -> None:
    document = yaml.safe_load((ROOT / "Pulumi.corporate.yaml").read_text(encoding="utf-8"))
    document["config"]["onprem-mlops:proxy"] |= {
        "https": "http://172.16.8.99:8080",
        "username": "svc",
        "password": {"secure": "v1:x"},
    }
    file = tmp_path / "Pulumi.corporate.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    site = read_site_file(file)
    derived = derive(file.read_text(encoding="utf-8"), site)
    proxy = site_spec(site, derived, delay_scale=0).proxy
    assert proxy is not None
    assert proxy.authority is not None
    assert proxy.urls == ("http://proxy.corporate.example:3128", "http://172.16.8.99:8080")
    assert (proxy.username, proxy.password) == ("svc", derived.secret_values["onprem-mlops:proxy.password"])
    assert yaml.safe_load(derived.text)["config"]["onprem-mlops:trust"]["extraRoots"] == [proxy.authority.certificate]
    assert proxy.authority.key not in derived.text


def test_a_proxy_without_a_root_of_its_own_opens_nothing(tmp_path: Path) -> None:
    document = yaml.safe_load((ROOT / "Pulumi.corporate.yaml").read_text(encoding="utf-8"))
    del document["config"]["onprem-mlops:trust"]["extraRoots"]
    file = tmp_path / "Pulumi.corporate.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    site = read_site_file(file)
    proxy = site_spec(site, derive(file.read_text(encoding="utf-8"), site), delay_scale=0).proxy
    assert proxy is not None
    assert proxy.authority is None


@pytest.mark.parametrize("name", SITES)
def test_the_throw_away_site_has_the_sites_own_addresses_users_and_ports(name: str) -> None:
    file = ROOT / f"Pulumi.{name}.yaml"
    site = read_site_file(file)
    derived = derive(file.read_text(encoding="utf-8"), site)
    spec = site_spec(site, derived, delay_scale=0)
    assert site.hosts is not None
    assert [(host.name, host.address) for host in spec.hosts] == [(host.name, str(host.address)) for host in site.hosts.nodes]
    assert {host.user for host in spec.hosts} == {site.hosts.access_of(host).user for host in site.hosts.nodes}
    assert (spec.bastion is None) is (site.hosts.access.bastion is None)


def test_a_plan_survives_writing_and_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    plan = Plan(
        stack="s",
        checkout=tmp_path,
        workdir=tmp_path,
        base=tmp_path / "base",
        tools={"kubectl": tmp_path / "kubectl"},
        path=(tmp_path,),
        site_file="x: 1",
        secret_values={"a": "b"},
        changes=("a",),
        keep=False,
        on_destroy="keep",
        preparation={"tools": 1.0},
    )
    plan.save()
    assert Plan.load(plan.file) == plan
    assert plan.file.stat().st_mode & 0o077 == 0
