"""`mlops doctor`: what it prints and how it ends; hosts are played by what they would answer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from mlops.cli import doctor as command
from mlops.hosts import examination
from mlops.hosts.checks import table
from mlops.hosts.ssh import Answer, Target
from mlops.settings import CHECK_NAMES
from tests.hosts.doctor import samples
from tests.hosts.doctor.site_file import write_site
from tests.rehearsal.site.site_for_tests import SiteForTests, make_site

ROOT = Path(__file__).parents[2]
NOW = samples.NOW


class Hosts:
    """Stands in for the hosts of the site."""

    def __init__(self, site: SiteForTests) -> None:
        self.changes: dict[str, dict[str, Any]] = {}
        self.silent: set[str] = set()
        self.interrupt = False
        self._addresses = {host.name: host.address for host in site.spec.hosts}

    def __call__(self, targets: Sequence[Target], scripts: Mapping[str, str], told: Any) -> dict[str, Answer]:
        if self.interrupt:
            raise KeyboardInterrupt
        assert set(scripts) >= {target.name for target in targets}
        found = {}
        for target in targets:
            found[target.name] = self._answer(target.name)
            told(target.name, found[target.name])
        return found

    def _answer(self, name: str) -> Answer:
        if name in self.silent:
            return Answer(255, "", "ssh: connect to host x port 22: No route to host", "", NOW, 10.0)
        others = {other: address for other, address in self._addresses.items() if other != name}
        usual = {
            "addresses": f"2: eth0    inet {self._addresses[name]}/24 scope global eth0",
            "names": "\n".join(f"{other} {address}" for other, address in others.items()),
            "peers": "\n".join(f"{a} {port} refused" for a in others.values() for port in (16443, 25000, 19001, 10250)),
            "origins": "\n".join(
                samples.origin(host, "open", via="direct")
                for host in (samples.STORE, "registry-1.docker.io", "auth.docker.io", "registry.k8s.io")
            ),
            "data_disks": [],
        }
        return Answer(0, json.dumps(samples.facts(name, **{**usual, **self.changes.get(name, {})})), "", "", NOW, 1.0)


@pytest.fixture
def hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hosts:
    site = make_site()
    site.write(tmp_path)
    write_site(tmp_path / "Pulumi.test.yaml", site)
    (tmp_path / "Pulumi.yaml").touch()
    monkeypatch.chdir(tmp_path)
    played = Hosts(site)
    monkeypatch.setattr(examination, "ask", played)
    monkeypatch.setattr(examination, "backend_faults", list)
    monkeypatch.setattr(command, "_demand", lambda *_: None)
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "x")
    return played


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command.app, list(arguments), catch_exceptions=False)


def declare_lost(name: str) -> None:
    path = Path("Pulumi.test.yaml")
    values = yaml.safe_load(path.read_text())
    (node,) = [entry for entry in values["config"]["onprem-mlops:hosts"]["nodes"] if entry["name"] == name]
    node["lost"] = True
    path.write_text(yaml.safe_dump(values))


def flat(text: str) -> str:
    """Without the breaks that a narrow terminal makes."""
    return " ".join(text.split())


def test_a_clean_site_ends_with_0(hosts: Hosts) -> None:
    done = run("test")
    assert done.exit_code == 0, done.output
    assert "3 host(s) examined" in done.stdout
    assert "0 error(s)" in done.stdout
    assert "node2: answered (1.0 s)" in done.stderr


def test_errors_are_told_with_what_to_do_and_end_with_1(hosts: Hosts) -> None:
    hosts.changes["node2"] = {"cgroup2": False}
    hosts.silent.add("node3")
    done = run("test")
    assert done.exit_code == 1
    for words in ("node2: cgroup", "systemd.unified_cgroup_hierarchy=1", "node3: reachable", "No route to host", "2 error(s)"):
        assert words in flat(done.stdout)


def test_a_command_to_copy_stands_on_one_line(hosts: Hosts) -> None:
    path = Path("Pulumi.test.yaml")
    text = path.read_text()
    path.write_text("".join(line for line in text.splitlines(keepends=True) if "keyFile:" not in line and "agent:" not in line))
    assert path.read_text() != text
    done = run("test")
    assert "pulumi config set --secret --path 'onprem-mlops:hosts.access.key' -s test < key-file\n" in done.stdout
    assert not [line for line in done.stdout.splitlines() if line != line.rstrip()]


def test_the_report_as_json(hosts: Hosts) -> None:
    hosts.changes["node2"] = {"cgroup2": False}
    done = run("test", "--json")
    document = json.loads(done.stdout)
    assert done.exit_code == 1
    assert document["errors"] == 1
    assert document["hosts"] == ["node1", "node2", "node3"]
    (finding,) = [entry for entry in document["findings"] if entry["severity"] == "error"]
    assert set(finding) == {"check", "severity", "host", "found", "needed", "mend"}
    assert (finding["check"], finding["host"]) == ("cgroup", "node2")


def test_one_host_only(hosts: Hosts) -> None:
    hosts.changes["node2"] = {"cgroup2": False}
    done = run("test", "--host", "node1", "--json")
    assert (done.exit_code, json.loads(done.stdout)["hosts"]) == (0, ["node1"])


@pytest.mark.parametrize("options", [(), ("--json",), ("--drift", "--json")])
def test_a_host_that_is_not_in_the_file_is_told_in_the_report(hosts: Hosts, options: tuple[str, ...]) -> None:
    done = run("test", "--host", "wrong", "--host", "node1", *options)
    assert done.exit_code == 1
    if "--json" not in options:
        assert "--host: wrong" in flat(done.stdout)
        assert "no host was asked in" in flat(done.stdout)
        return
    document = json.loads(done.stdout)
    (finding,) = [entry for entry in document["findings"] if entry["severity"] == "error"]
    assert (finding["found"], document["errors"], document["hosts"]) == ("--host: wrong", 1, [])
    assert "node1, node2, node3" in finding["needed"]


def test_a_lost_host_that_is_named_is_told_as_lost(hosts: Hosts) -> None:
    declare_lost("node2")
    done = run("test", "--host", "node2", "--json")
    assert "node2, which the settings declare lost" in done.stdout
    assert done.exit_code == 1


def test_a_host_that_is_declared_lost_and_lives_is_an_error(hosts: Hosts) -> None:
    declare_lost("node2")
    hosts.changes["node1"] = {"nodes": samples.node("node1", plane=True) + "\n" + samples.node("node2")}
    errors = [entry for entry in json.loads(run("test", "--json").stdout)["findings"] if entry["severity"] == "error"]
    assert [(entry["check"], entry["host"]) for entry in errors] == [("lost", "node2")]


def test_drift_of_hosts_that_were_never_deployed(hosts: Hosts) -> None:
    done = run("test", "--drift", "--json")
    assert done.exit_code == 1
    assert {entry["check"] for entry in json.loads(done.stdout)["findings"]} == {"record"}


def test_interrupted_it_ends_with_130(hosts: Hosts) -> None:
    hosts.interrupt = True
    done = run("test")
    assert done.exit_code == 130
    assert "nothing was changed" in done.stderr


def test_settings_with_mistakes_are_findings(hosts: Hosts) -> None:
    path = Path("Pulumi.test.yaml")
    path.write_text(path.read_text().replace("1.35/stable", "latest/stable"))
    done = run("test")
    assert done.exit_code == 1
    assert "site: settings" in done.stdout
    assert "1.35/stable" in done.stdout


def test_a_root_that_is_a_leaf_is_a_finding_of_trust(hosts: Hosts) -> None:
    from tests.hosts.doctor.test_deployer import certificate  # noqa: PLC0415 - makes keys while it is imported

    path = Path("Pulumi.test.yaml")
    leaf = json.dumps([certificate(authority=False)])
    text = path.read_text()
    path.write_text(text.replace("organization: Example", f"organization: Example\n    extraRoots: {leaf}"))
    assert path.read_text() != text
    done = run("test")
    assert done.exit_code == 1
    assert "site: trust" in done.stdout
    assert "no certificate authority" in flat(done.stdout)


def test_the_checks_as_json() -> None:
    rows = json.loads(run("--checks", "--json").stdout)
    assert [row["name"] for row in rows] == list(CHECK_NAMES)
    assert set(rows[0]) == {"name", "scope", "severity", "needed", "mend"}


def test_the_page_has_the_table_that_the_command_prints() -> None:
    printed = run("--checks").stdout.strip()
    assert printed == table()
    assert printed in (ROOT / "docs" / "doctor.md").read_text(encoding="utf-8"), "mlops doctor --checks"
