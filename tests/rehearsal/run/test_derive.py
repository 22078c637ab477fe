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
    assert all(path.endswith("hostKey") for path in different), different
    named = {f"config.onprem-mlops:{path}" for path in derived.changes}
    assert different <= named
    assert {path for path in derived.changes if not path.endswith("hostKey")} == {
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
