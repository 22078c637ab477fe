"""Site files: read with line numbers, refused with line numbers, and never with a traceback."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from mlops.settings import NAMESPACE, Origin, SecretState, SettingsError, parse_site, read_site_file, site_files
from mlops.settings.stackfile import read_stack_file
from tests.settings.site_examples import KEYS, REPOSITORY, changed, good

SITES = ("baremetal", "cloud", "corporate")


def write(directory: Path, text: str, name: str = "Pulumi.test.yaml") -> Path:
    path = directory / name
    path.write_text(text, encoding="utf-8")
    return path


def written(directory: Path, changes: Mapping[str, object] | None = None) -> Path:
    config = {f"{NAMESPACE}:{key}": value for key, value in changed(changes or {}).items()}
    return write(directory, yaml.safe_dump({"config": config}, sort_keys=False))


@pytest.mark.parametrize("name", SITES)
def test_shipped_site_is_complete_and_holds_no_secret(name: str) -> None:
    path = REPOSITORY / f"Pulumi.{name}.yaml"
    site = read_site_file(path)
    assert site.name == name
    assert [missing.path for missing in site.missing_secrets()] == ["hosts.access.key"]
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=docs/site.schema.json\n")
    assert "PRIVATE KEY" not in text
    assert "secure:" not in text


def test_shipped_sites_share_no_network() -> None:
    subnets = [read_site_file(path).network.node_subnet for path in site_files(REPOSITORY).values()]
    assert len(subnets) == len(SITES)
    assert not any(a and b and a.overlaps(b) for a in subnets for b in subnets if a is not b)


FILES = {
    "empty": ("", ":1", "an empty file"),
    "only a comment": ("# nothing\n", ":1", "an empty file"),
    "a list": ("- a\n", ":1", "no mapping"),
    "no config": ("encryptionsalt: v1:x\n", ":1 config", "the site's settings"),
    "config is empty": ("config:\n", ":1 config", "no mapping"),
    "config is a list": ("config:\n  - a\n", ":2 config", "no mapping"),
    "tab": ("config:\n\tonprem-mlops:name: x\n", ":2", "a tab in the indentation"),
    "tab further down": ("config:\n  onprem-mlops:network:\n    podCidr: x\n\t serviceCidr: y\n", ":4", "a tab in the indentation"),
    "unclosed quote": ('config:\n  onprem-mlops:name: "x\n', ":", "no valid YAML"),
    "unclosed bracket": ("config:\n  onprem-mlops:name: [a\n  b: c\n", ":", "no valid YAML"),
    "wrong indentation": ("config:\n  onprem-mlops:name: x\n onprem-mlops:domain: y\n", ":3", "no valid YAML"),
    "alias that does not exist": ("config:\n  onprem-mlops:name: *topsecret\n", ":2", "no valid YAML"),
    "two documents": ("config: {}\n---\nconfig: {}\n", ":2", "no valid YAML"),
    "control character": ("config: \x07\n", "Pulumi.test.yaml", "control characters"),
    "key twice": ("config:\n  onprem-mlops:name: x\n  onprem-mlops:name: y\n", ":3 onprem-mlops:name", "stands in line 2 as well"),
    "key twice further down": (
        "config:\n  onprem-mlops:network:\n    podCidr: x\n    podCidr: y\n",
        ":4 network.podCidr",
        "stands in line 3 as well",
    ),
    "section beside config": (
        "config: {}\nonprem-mlops:name: x\n",
        ":2 onprem-mlops:name",
        "move `onprem-mlops:name` below `config:`",
    ),
    "alias to a value around it": ("config:\n  onprem-mlops:x: &a {b: *a}\n", ":2 x", "a value inside itself"),
    "unknown key beside config": ("config: {}\ncolour: x\n", ":2 colour", "the unknown key `colour`"),
    "key without namespace": ("config:\n  name: x\n", ":2 name", "write `onprem-mlops:name:`"),
}


@pytest.mark.parametrize("name", FILES)
def test_file_that_is_wrong_as_such(name: str, tmp_path: Path) -> None:
    text, where, part = FILES[name]
    with pytest.raises(SettingsError) as caught:
        read_site_file(write(tmp_path, text))
    assert [p for p in caught.value.problems if where in p.where and part in str(p)], str(caught.value)
    assert "topsecret" not in str(caught.value)


def test_file_that_does_not_exist_names_those_that_do(tmp_path: Path) -> None:
    written(tmp_path)
    with pytest.raises(SettingsError, match="sites here: test"):
        read_site_file(tmp_path / "Pulumi.other.yaml")


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.test.yaml").mkdir()
    with pytest.raises(SettingsError, match="a readable file"):
        read_site_file(tmp_path / "Pulumi.test.yaml")


def test_file_in_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.test.yaml"
    path.write_bytes("config: {a:b: Köln}".encode("latin-1"))
    with pytest.raises(SettingsError, match="not UTF-8"):
        read_site_file(path)


def test_each_problem_names_its_line(tmp_path: Path) -> None:
    text = "\n".join(
        (
            "config:",
            "  other:key: left alone",
            "  onprem-mlops:name: test",
            "  onprem-mlops:domain: mlops",  # 4
            "  onprem-mlops:hosts:",
            "    access: {user: deploy}",
            "    nodes:",
            "      - name: n0",
            "        address: 172.16.20.999",  # 9
            f"        hostKey: {KEYS[0]}",
            "        roles:",
            "          - control-plane",
            "          - workr",  # 13
            "      - name: n1",  # 14, host key missing
            "        address: 172.16.20.11",
            "        roles: [worker]",
            "  onprem-mlops:cluster: {kind: microk8s, channel: 1.35/stable}",
            "  onprem-mlops:network:",
            "    nodeSubnet: 172.16.20.0/24",
            "    loadBalancerRange: 172.16.20.200-172.16.20.210",
            "    gatewayAddress: 172.16.20.5",  # 21
            "  onprem-mlops:trust:",  # 22
        )
    )
    path = write(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        read_site_file(path)
    assert [p.where.removeprefix(f"{path}:") for p in caught.value.problems] == [
        "4 domain",
        "9 hosts.nodes[0].address",
        "13 hosts.nodes[0].roles[1]",
        "14 hosts.nodes[1].hostKey",
        "21 network.gatewayAddress",
        "22 trust",
    ]


def test_problems_of_the_file_and_of_its_settings_come_together(tmp_path: Path) -> None:
    path = written(tmp_path, {"name": "X"})
    path.write_text(path.read_text(encoding="utf-8") + "colour: red\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="2 problems"):
        read_site_file(path)


def test_plain_scalars_are_read_as_the_engine_reads_them(tmp_path: Path) -> None:
    text = "config: {onprem-mlops:x: [yes, 1:30, 2026-01-01, 1_000, 010, true, 7, 1.5, ~, '7', null]}"
    values = read_stack_file(write(tmp_path, text)).values["x"]
    assert values == ["yes", "1:30", "2026-01-01", "1_000", "010", True, 7, 1.5, None, "7", None]


@pytest.mark.parametrize("text", ["9" * 5000, "!!float 1.2.3", "!!float .", "!!float x", "!!int x", "!!bool x", "!!timestamp x"])
@pytest.mark.parametrize("setting", ["hosts:\n    access: {port: VALUE}", "network:\n    podCidr: VALUE"])
def test_a_number_that_is_none_is_refused_as_text(tmp_path: Path, setting: str, text: str) -> None:
    path = write(tmp_path, f"config:\n  onprem-mlops:{setting.replace('VALUE', text)}\n")
    with pytest.raises(SettingsError) as caught:
        read_site_file(path)
    problem = next(problem for problem in caught.value.problems if problem.where.endswith((".port", ".podCidr")))
    assert problem.where.startswith(f"{path}:3 ")
    assert problem.found.startswith('"')
    assert len(str(caught.value)) < 5000


def test_keys_of_other_namespaces_and_of_the_engine_are_left_alone(tmp_path: Path) -> None:
    path = written(tmp_path)
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    document["config"] |= {"pulumi:disable-default-providers": ["*"], "aws:region": {"secure": "x"}}
    document |= {"encryptionsalt": "v1:x", "secretsprovider": "passphrase"}
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    assert read_site_file(path).name == "test"


def test_encrypted_value_is_sealed_and_only_a_secret_may_be(tmp_path: Path) -> None:
    site = read_site_file(written(tmp_path, {"hosts.access.key": {"secure": "v1:abc"}}))
    assert site.hosts
    assert site.hosts.access.key is not None
    assert site.hosts.access.key.state is SecretState.SEALED
    assert site.missing_secrets() == ()
    for place in ("network.podCidr", "network", "hosts.nodes"):
        with pytest.raises(SettingsError) as caught:
            read_site_file(written(tmp_path, {place: {"secure": "v1:abc"}}))
        text = str(caught.value)
        assert "an encrypted value" in text
        assert "this setting is not a secret" in text
        assert "v1:abc" not in text


def test_secret_in_clear_text_is_refused_with_the_command_that_mends_it(tmp_path: Path) -> None:
    clear = {
        "hosts.access.key": "-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2\n",
        "proxy": {"http": "http://proxy:3128", "username": "bob", "password": "hunter2"},
    }
    with pytest.raises(SettingsError) as caught:
        read_site_file(written(tmp_path, clear))
    text = str(caught.value)
    assert "hunter2" not in text
    assert "pulumi config set --secret --path 'onprem-mlops:hosts.access.key' -s test < key-file" in text
    assert "pulumi config set --secret --path 'onprem-mlops:proxy.password' -s test\n" in text + "\n"


def test_values_of_the_engine_get_their_lines_from_the_file(tmp_path: Path) -> None:
    path = written(tmp_path)
    line = next(i for i, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1) if "podCidr" in text)
    values = changed({"network.podCidr": "x"})
    with pytest.raises(SettingsError, match=f"{path}:{line} network.podCidr"):
        parse_site(values, origin=Origin(stack="test", file=path, from_engine=True))
    # A file that is gone or broken costs the line only.
    path.write_text("\t", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"stack test onprem-mlops:network\.podCidr"):
        parse_site(values, origin=Origin(stack="test", file=path, from_engine=True))
    assert parse_site(good(), origin=Origin(stack="test", file=path, from_engine=True)).name == "test"


@pytest.mark.parametrize("key", ["onprem_mlops:proxy", "mlops:name", "onprem-mlop:trust", "OnPrem-MLOps:trust"])
def test_a_misspelt_namespace_is_no_silent_setting(tmp_path: Path, key: str) -> None:
    path = tmp_path / "Pulumi.x.yaml"
    path.write_text(f"config:\n  {key}: x\n  pulumi:disable-default-providers: ['*']\n  aws:region: x\n", encoding="utf-8")
    file = read_stack_file(path)
    assert [problem.found for problem in file.problems] == [f"the key `{key}`"]


def test_aliases_of_aliases_end_soon(tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.x.yaml"
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]
    path.write_text("config:\n  onprem-mlops:hosts:\n" + "".join(f"    {level}\n" for level in levels), encoding="utf-8")
    assert any("more than" in problem.found for problem in read_stack_file(path).problems)
