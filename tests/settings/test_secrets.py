"""Secrets: never shown, never written, and told of when they are missing or wrong."""

from __future__ import annotations

import base64
import copy
import json
import pickle
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mlops.errors import UserError
from mlops.settings import Origin, Secret, SecretState, SettingsError, decode_config, parse_site, unseal
from tests.settings.site_examples import EXISTING, INTERMEDIATE, KEYS, NOW, ROOT, changed

ENGINE = Origin(stack="test", from_engine=True)
SSH_KEY = Ed25519PrivateKey.generate()
SSH_PEM = SSH_KEY.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
KUBECONFIG = json.dumps(
    {
        "current-context": "a",
        "contexts": [{"name": "a", "context": {"cluster": "c"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://api.other.example:6443"}}],
    }
)
GIVEN: dict[str, object] = {
    "hosts.access.key": SSH_PEM,
    "hosts.access.bastion": {"address": "172.16.8.4", "user": "jump", "hostKey": KEYS[3], "key": SSH_PEM},
    "proxy": {"http": "http://proxy:3128", "username": "b@b", "password": "hunter 2/"},
    "trust.authority": {"kind": "corporate", "certificate": INTERMEDIATE.pem, "chain": ROOT.pem, "key": INTERMEDIATE.key_pem},
}


def test_given_secrets_show_in_no_form() -> None:
    site = parse_site(changed(GIVEN), origin=ENGINE, now=NOW)
    assert site.hosts
    forms = [
        repr(site),
        str(site),
        str(site.model_dump()),
        site.model_dump_json(),
        str(site.model_dump(mode="json")),
        f"{site.proxy}",
    ]
    forms += [repr(copy.deepcopy(site)), repr(site.proxy_environment()), str(vars(site.hosts.access))]
    for form in forms:
        assert "PRIVATE KEY" not in form
        assert "hunter" not in form
    assert "****" in forms[0]
    with pytest.raises(TypeError, match="never written down"):
        pickle.dumps(site)


def test_given_secrets_can_be_revealed() -> None:
    # The engine drops the line break at the end; OpenSSH needs it.
    site = parse_site(changed({**GIVEN, "hosts.access.key": SSH_PEM.rstrip()}), origin=ENGINE, now=NOW)
    assert site.hosts
    assert site.proxy
    assert site.hosts.access.key is not None
    assert site.hosts.access.key.reveal() == SSH_PEM
    assert site.missing_secrets() == ()
    assert site.proxy.password is not None
    assert site.proxy.password.reveal() == "hunter 2/"
    environment = site.proxy_environment()
    assert environment["https_proxy"].reveal() == "http://b%40b:hunter%202%2F@proxy:3128"
    assert environment["NO_PROXY"].reveal() == ",".join(site.no_proxy)
    assert set(environment) == {"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"}


def test_missing_secrets_are_no_mistake_but_listed_with_their_command() -> None:
    changes = {
        "hosts.access.bastion": {"address": "172.16.8.4", "user": "jump", "hostKey": KEYS[3]},
        "proxy": {"http": "http://proxy:3128", "username": "bob"},
        "trust.authority": {"kind": "corporate", "certificate": INTERMEDIATE.pem, "chain": ROOT.pem},
    }
    site = parse_site(changed(changes), origin=Origin(stack="test"), now=NOW)
    assert {missing.path: missing.command for missing in site.missing_secrets()} == {
        "hosts.access.key": "pulumi config set --secret --path 'onprem-mlops:hosts.access.key' -s test < key-file",
        "proxy.password": "pulumi config set --secret --path 'onprem-mlops:proxy.password' -s test",
        "trust.authority.key": "pulumi config set --secret --path 'onprem-mlops:trust.authority.key' -s test"
        " < intermediate-key.pem",
    }
    assert site.hosts
    assert site.hosts.access.key is not None
    with pytest.raises(UserError, match=r"hosts\.access\.key(.|\n)*pulumi config set"):
        site.hosts.access.key.reveal()
    existing = parse_site(changed({"hosts": ..., "cluster": {"kind": "existing"}}), origin=Origin(stack="test"), now=NOW)
    assert [missing.path for missing in existing.missing_secrets()] == ["cluster.kubeconfig"]
    with pytest.raises(UserError, match="kubeconfig"):
        existing.url("kubernetes")


def test_sealed_secret_cannot_be_revealed() -> None:
    with pytest.raises(UserError, match="PULUMI_CONFIG_PASSPHRASE_FILE"):
        Secret(SecretState.SEALED, path="hosts.access.key").reveal()


def test_secrets_compare_by_value() -> None:
    assert Secret(SecretState.GIVEN, "a") == Secret(SecretState.GIVEN, "a")
    assert Secret(SecretState.GIVEN, "a") != Secret(SecretState.GIVEN, "b")
    assert Secret(SecretState.GIVEN, "") != Secret.missing()
    assert Secret(SecretState.GIVEN, "a") != "a"


def locked() -> str:
    """The outside of an OpenSSH key with a passphrase (PROTOCOL.key of OpenSSH); nobody looks further without one."""

    def part(content: bytes) -> bytes:
        return len(content).to_bytes(4, "big") + content

    kdf = part(part(bytes(16)) + (16).to_bytes(4, "big"))
    public = base64.b64decode(KEYS[0].split()[1])
    blob = (
        b"openssh-key-v1\0" + part(b"aes256-ctr") + part(b"bcrypt") + kdf + (1).to_bytes(4, "big") + part(public) + part(bytes(160))
    )
    return f"-----BEGIN OPENSSH PRIVATE KEY-----\n{base64.b64encode(blob).decode()}\n-----END OPENSSH PRIVATE KEY-----\n"


LOCKED = locked()
BAD: dict[str, tuple[dict[str, object], str, str]] = {
    "SSH key is a public key": ({"hosts.access.key": KEYS[0]}, "hosts.access.key", "a private key in PEM form"),
    "SSH key has a passphrase": ({"hosts.access.key": LOCKED}, "hosts.access.key", "without a passphrase"),
    "SSH key is cut": ({"hosts.access.key": SSH_PEM[:120]}, "hosts.access.key", "a private key in PEM form"),
    "bastion key": ({**GIVEN, "hosts.access.bastion.key": "hunter2"}, "hosts.access.bastion.key", "a private key in PEM form"),
    "secret is a number": ({"hosts.access.key": 7}, "hosts.access.key", "****"),
    "key of another certificate": (
        {**GIVEN, "trust.authority.key": ROOT.key_pem},
        "trust.authority.key",
        "the key of another certificate",
    ),
    "key with a passphrase": (
        {**GIVEN, "trust.authority.key": INTERMEDIATE.locked_key_pem},
        "trust.authority.key",
        "without a passphrase",
    ),
    "kubeconfig is no YAML": ({**EXISTING, "cluster.kubeconfig": "{"}, "cluster.kubeconfig", "a self-contained kubeconfig"),
    "kubeconfig is text": ({**EXISTING, "cluster.kubeconfig": "hunter2"}, "cluster.kubeconfig", "a self-contained kubeconfig"),
    "context is not there": (
        {**EXISTING, "cluster.kubeconfig": KUBECONFIG, "cluster.context": "b"},
        "cluster.kubeconfig",
        "a kubeconfig that has the context b",
    ),
    "server without TLS": (
        {**EXISTING, "cluster.kubeconfig": KUBECONFIG.replace("https", "http")},
        "cluster.kubeconfig",
        "https:// URL",
    ),
    "proxy serves the API server": (
        {**EXISTING, "cluster.kubeconfig": KUBECONFIG, "proxy": {"http": "http://proxy:3128"}},
        "proxy.noProxy",
        "add `- api.other.example`",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_wrong_secret_is_told_of_without_showing_it(name: str) -> None:
    changes, where, part = BAD[name]
    with pytest.raises(SettingsError) as caught:
        parse_site(changed(changes), origin=ENGINE, now=NOW)
    text = str(caught.value)
    assert [p for p in caught.value.problems if p.where == f"stack test onprem-mlops:{where}" and part in str(p)], text
    for hidden in ("PRIVATE KEY-----\n", "hunter2", KEYS[0], "b3BlbnNzaC1rZXktdjE"):
        assert hidden not in text


@pytest.mark.parametrize("place", ["hosts", "hosts.access", "cluster", "proxy", "trust", "trust.authority"])
def test_secret_that_stands_a_level_too_high_is_not_shown(place: str) -> None:
    for origin in (ENGINE, Origin(stack="test")):
        with pytest.raises(SettingsError) as caught:
            parse_site(changed({place: "hunter2"}), origin=origin, now=NOW)
        assert "hunter2" not in str(caught.value)
    # The same beside the right name.
    with pytest.raises(SettingsError) as caught:
        parse_site(changed({f"{place}.keey": "hunter2"}), origin=ENGINE, now=NOW)
    assert "hunter2" not in str(caught.value)


def test_existing_cluster_behind_a_proxy_that_spares_it() -> None:
    proxy = {"http": "http://proxy:3128", "noProxy": [".other.example"]}
    site = parse_site(changed({**EXISTING, "cluster.kubeconfig": KUBECONFIG, "proxy": proxy}), origin=ENGINE, now=NOW)
    assert site.url("kubernetes") == "https://api.other.example:6443"


def engine(stdout: str = "", stderr: str = "", code: int = 0) -> Any:
    calls: list[list[str]] = []

    def run(argv: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        calls.append(argv)
        return subprocess.CompletedProcess(argv, code, stdout, stderr)

    run.calls = calls  # type: ignore[attr-defined]  # the test looks at what was called
    return run


def engine_config() -> dict[str, object]:
    values = changed({"hosts.access.key": SSH_PEM})
    texts = {f"onprem-mlops:{key}": value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}
    return {key: {"value": text, "secret": key.endswith("hosts")} for key, text in ({**texts, "other:x": "{"}).items()}


def test_unseal_reads_secrets_through_the_engine(tmp_path: Path) -> None:
    run = engine(json.dumps(engine_config()))
    site = unseal(tmp_path / "Pulumi.test.yaml", "test", run=run)
    assert site.hosts
    assert site.hosts.access.key is not None
    assert site.hosts.access.key.reveal() == SSH_PEM
    assert run.calls[0][:2] == ["pulumi", "config"]
    assert {"--show-secrets", "--json", "--non-interactive"} <= set(run.calls[0])


# The engine's own words, as pulumi 3.272 and 3.274 print them.
@pytest.mark.parametrize(
    ("stderr", "part"),
    [
        (
            "error: passphrase must be set with PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE environment variables",
            "no passphrase",
        ),
        ("error: incorrect passphrase", "a wrong passphrase"),
        ("error: no stack named 'test' found", "pulumi stack init test"),
        ("warning: x\nerror: something else", "something else"),
    ],
)
def test_engine_that_refuses_is_told_of(stderr: str, part: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=part) as caught:
        unseal(tmp_path / "Pulumi.test.yaml", "test", run=engine(stderr=stderr, code=255))
    if "passphrase" in stderr:
        assert "PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE" in str(caught.value)


def test_engine_that_cannot_be_started(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"(?s)the pulumi command.*make -s env"):
        unseal(tmp_path / "Pulumi.test.yaml", "test", pulumi=tmp_path / "none")


def test_text_where_the_engine_should_have_json_is_refused_in_the_users_words() -> None:
    with pytest.raises(SettingsError, match="a mapping with the keys podCidr"):
        parse_site({**changed({}), **decode_config({"onprem-mlops:network": "10.1.0.0/16"})}, origin=ENGINE)
