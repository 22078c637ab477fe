"""The JSON Schema: current, valid, and of one mind with the settings about the shape of a site file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from mlops.settings import NAMESPACE, site_files
from mlops.settings.schema import schema_text, site_schema
from tests.settings.bad_inputs import FURTHER
from tests.settings.site_examples import INTERMEDIATE, REPOSITORY, ROOT, changed

VALIDATOR = Draft202012Validator(site_schema())


def document(changes: dict[str, object]) -> dict[str, Any]:
    return {"config": {f"{NAMESPACE}:{key}": value for key, value in changed(changes).items()}}


def test_checked_in_schema_is_current() -> None:
    checked_in = (REPOSITORY / "docs" / "site.schema.json").read_text(encoding="utf-8")
    assert checked_in == schema_text(), "run `mlops schema --output docs/site.schema.json`"


def test_schema_is_one() -> None:
    Draft202012Validator.check_schema(site_schema())


@pytest.mark.parametrize("name", ["baremetal", "cloud", "corporate"])
def test_shipped_sites_fit(name: str) -> None:
    text = site_files(REPOSITORY)[name].read_text(encoding="utf-8")
    assert [error.message for error in VALIDATOR.iter_errors(yaml.safe_load(text))] == []


def test_what_the_engine_writes_fits() -> None:
    found = document({"hosts.access.key": {"secure": "v1:x"}})
    found["config"] |= {"pulumi:disable-default-providers": ["*"]}
    VALIDATOR.validate({**found, "encryptionsalt": "v1:x", "secretsprovider": "passphrase"})
    VALIDATOR.validate(document({"hosts": ..., "cluster": {"kind": "existing", "kubeconfig": {"secure": "v1:x"}}}))
    VALIDATOR.validate(document(FURTHER))
    corporate = {"kind": "corporate", "certificate": INTERMEDIATE.pem, "chain": ROOT.pem, "key": {"secure": "v1:x"}}
    VALIDATOR.validate(document({"trust.authority": corporate}))


BAD: dict[str, dict[str, object]] = {
    "unknown section": {"observatory": {}},
    "unknown key": {"network.podcidr": "10.1.0.0/16"},
    "section missing": {"network": ...},
    "key missing": {"hosts.nodes.0.hostKey": ...},
    "secret in clear": {"hosts.access.key": "hunter2"},
    "wrong type": {"hosts.access.port": "22"},
    "wrong number": {"hosts.access.port": 0},
    "wrong word": {"hosts.onDestroy": "wipe"},
    "wrong role": {"hosts.nodes.0.roles.0": "master"},
    "wrong kind": {"cluster.kind": "k3s"},
    "key of another kind": {"cluster.context": "x"},
    "wrong channel": {"cluster.channel": "latest/stable"},
    "wrong network": {"network.podCidr": "10.1.0.0"},
    "wrong range": {"network.loadBalancerRange": "172.16.20.0/28"},
    "wrong host key": {"hosts.nodes.0.hostKey": "ssh-rsa AAAA"},
    "wrong domain": {"domain": "MLOPS"},
    "no hosts": {"hosts.nodes": []},
    "unknown part of Kubeflow": {"kubeflow": {"parts": ["pipeline"]}},
    "no time at all": {"deadlines.webhookSeconds": 0},
    "both ways of a truth": {"hosts.access.agent": "yes"},
    "key file by a relative path": {"hosts.access.keyFile": "id_ed25519"},
    "disk by a name that changes": {"hosts.nodes.0.dataDisks": ["/dev/sdb"]},
    "label's key": {"hosts.nodes.0.labels": {"the rack": "a1"}},
    "label's value": {"hosts.nodes.0.labels": {"rack": "a 1"}},
    "taint without effect": {"hosts.nodes.0.taints": [{"key": "gpu"}]},
    "skip without a reason": {"hosts.preflight": {"skip": [{"check": "memory"}]}},
    "issuer without TLS": {"cluster.authentication": {"issuerUrl": "http://x.example", "audiences": ["x"]}},
    "argument without dashes": {"cluster.arguments": {"kubelet": {"max-pods": "250"}}},
    "offline folder by a relative path": {"cluster.offline": {"snaps": "snaps"}},
    "registry with a path": {"registries": [{"host": "quay.io/x"}]},
    "password in clear": {"registries": [{"host": "quay.io", "username": "u", "password": "hunter2"}]},
    "no PEM": {"trust.extraRoots": ["x"]},
}


@pytest.mark.parametrize("name", BAD)
def test_bad_site_does_not_fit(name: str) -> None:
    VALIDATOR.validate(document({}))
    assert not VALIDATOR.is_valid(document(BAD[name]))


def test_key_without_namespace_does_not_fit() -> None:
    assert not VALIDATOR.is_valid({"config": {**document({})["config"], "name": "x"}})
    assert not VALIDATOR.is_valid({**document({}), "colour": "red"})


def test_every_key_is_described() -> None:
    def undescribed(schema: Any, path: str = "") -> Iterator[str]:
        if isinstance(schema, dict):
            for key, value in schema.get("properties", {}).items():
                if not value.get("description"):
                    yield f"{path}.{key}"
            for key, value in schema.items():
                yield from undescribed(value, f"{path}.{key}")

    assert list(undescribed(site_schema())) == []
