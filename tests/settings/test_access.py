"""How hosts are reached: one of three places for the key, the jump host's own or the hosts' one, addresses of any kind."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from mlops.errors import UserError
from mlops.settings import HostAccess, Hosts, Origin, parse_site
from tests.settings.site_examples import KEYS, NOW, changed

KEY = Ed25519PrivateKey.generate()
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
LOCKED = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"pass")).decode()
BASTION: dict[str, object] = {"hosts.access.bastion": {"address": "2001:db8::4", "user": "jump", "hostKey": KEYS[3]}}


def hosts(changes: dict[str, object]) -> Hosts:
    found = parse_site(changed(changes), origin=Origin(stack="test", from_engine=True), now=NOW).hosts
    assert found
    return found


def access(changes: dict[str, object]) -> HostAccess:
    found = hosts(changes)
    return found.access_of(found.nodes[0])


# what is set, and which ways are there then: of the host, of the jump host
WAYS: dict[str, tuple[dict[str, object], set[str], set[str]]] = {
    "nothing": ({}, {"key"}, set()),  # told as a missing secret
    "agent said to be none": ({"hosts.access.agent": False}, {"key"}, set()),
    "key": ({"hosts.access.key": PEM}, {"key"}, set()),
    "file": ({"hosts.access.keyFile": "~/k"}, {"key_file"}, set()),
    "agent": ({"hosts.access.agent": True}, {"agent"}, set()),
    "key through a bastion": ({"hosts.access.key": PEM, **BASTION}, {"key"}, {"key"}),
    "file through a bastion": ({"hosts.access.keyFile": "/k", **BASTION}, {"key_file"}, {"key_file"}),
    "agent through a bastion": ({"hosts.access.agent": True, **BASTION}, {"agent"}, {"agent"}),
    "agent through a bastion with a key": (
        {"hosts.access.agent": True, **BASTION, "hosts.access.bastion.key": PEM},
        {"agent"},
        {"key"},
    ),
    "key through a bastion with a file": (
        {"hosts.access.key": PEM, **BASTION, "hosts.access.bastion.keyFile": "/b"},
        {"key"},
        {"key_file"},
    ),
}


@pytest.mark.parametrize("name", WAYS)
def test_just_one_way_is_there(name: str) -> None:
    changes, own, jump = WAYS[name]
    found = access(changes)
    assert {way for way in ("key", "key_file", "agent") if getattr(found, way)} == own
    assert {way for way in ("key", "key_file", "agent") if getattr(found, f"bastion_{way}")} == jump


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({}, ["hosts.access.key"]),
        ({"hosts.access.agent": False}, ["hosts.access.key"]),
        ({"hosts.access.agent": True}, []),
        ({"hosts.access.keyFile": "/k"}, []),
        ({"hosts.access.key": PEM}, []),
        ({"hosts.access.agent": True, **BASTION}, []),
        ({"hosts.access.agent": True, "registries": [{"host": "quay.io", "username": "u"}]}, ["registries[0].password"]),
    ],
)
def test_a_secret_is_missing_where_nothing_stands_for_it(changes: dict[str, object], missing: list[str]) -> None:
    site = parse_site(changed(changes), origin=Origin(stack="test", from_engine=True), now=NOW)
    assert [each.path for each in site.missing_secrets()] == missing
    assert all(f"'onprem-mlops:{each.path}' -s test" in each.command for each in site.missing_secrets())


def test_the_ssh_address_is_the_hosts_own_unless_it_differs() -> None:
    found = hosts({"hosts.nodes.1.sshAddress": "2001:0DB8::0011", "hosts.nodes.2.sshAddress": "n2.test.example"})
    assert [found.access_of(node).ssh_address for node in found.nodes] == ["172.16.20.10", "2001:db8::11", "n2.test.example"]


def test_one_address_may_lead_to_several_hosts_by_their_ports() -> None:
    gate = "gate.test.example"
    found = hosts({f"hosts.nodes.{i}.{key}": value for i in (0, 1) for key, value in (("sshAddress", gate), ("port", 2200 + i))})
    assert [found.access_of(node).port for node in found.nodes] == [2200, 2201, 22]


def test_the_password_of_sudo_stays_secret() -> None:
    found = access({"hosts.access.sudoPassword": "hunter2"})
    assert found.sudo_password is not None
    assert found.sudo_password.reveal() == "hunter2"
    assert "hunter2" not in repr(found)


def test_the_key_is_read_from_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "own").write_text(PEM, encoding="utf-8")
    (tmp_path / "jump").write_text(PEM, encoding="utf-8")
    found = access({"hosts.access.keyFile": "~/own", **BASTION, "hosts.access.bastion.keyFile": str(tmp_path / "jump")})
    for key, path in ((found.private_key(), "hosts.access.keyFile"), (found.bastion_private_key(), "hosts.access.bastion.keyFile")):
        assert key is not None
        assert key.reveal() == PEM
        assert key.path == path


def test_a_key_of_the_settings_is_handed_on_and_the_agents_is_not_known() -> None:
    found = access({"hosts.access.key": PEM, **BASTION})
    assert found.private_key() is found.bastion_private_key() is found.key
    found = access({"hosts.access.agent": True, **BASTION})
    assert found.private_key() is found.bastion_private_key() is None
    assert access({"hosts.access.key": PEM}).bastion_private_key() is None


FILES: dict[str, tuple[bytes | None, str, str]] = {
    "not there": (None, "No such file", "ssh-keygen"),
    "empty": (b"", "a private key in PEM form", "not of its .pub"),
    "public": (KEYS[0].encode(), "a private key in PEM form", "not of its .pub"),
    "locked": (LOCKED.encode(), "a private key without a passphrase", "ssh-add"),
    "no text": (b"\xff\xfe", "which holds no text", "not of its .pub"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_without_a_usable_key_is_told_of_without_showing_it(name: str, tmp_path: Path) -> None:
    content, part, mend = FILES[name]
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UserError, match=part) as caught:
        access({"hosts.access.keyFile": str(file)}).private_key()
    assert "hosts.access.keyFile" in str(caught.value)
    assert str(file) in str(caught.value)
    assert mend in caught.value.problems[0].mend
    assert "PRIVATE KEY-----\n" not in str(caught.value)


def test_a_home_folder_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless(_: Path) -> Path:
        raise RuntimeError  # as of a user who is in no list of users

    found = access({"hosts.access.keyFile": "~/k"})
    monkeypatch.setattr(Path, "expanduser", homeless)
    with pytest.raises(UserError, match="no home folder"):
        found.private_key()
