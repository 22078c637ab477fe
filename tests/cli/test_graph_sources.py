"""What `mlops graph` is given, and how it says that it cannot use it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mlops.bundles.fetch import Report
from mlops.cli.graph import app
from mlops.cli.places import MANIFESTS
from mlops.errors import UserError
from mlops.ordering.documents import MAX_BYTES
from mlops.tools.progress import Progress
from tests.cli.test_graph_command import BOTH, CONFIG_MAP, NAMESPACE, refused, run, url

__all__ = ["url"]  # a fixture


def test_a_url_without_an_answer(url: str) -> None:
    assert "HTTP 404" in str(refused(f"{url}/gone.yaml"))
    assert "no URL: Invalid IPv6 URL" in str(refused("http://[bad"))


def test_text_that_is_none() -> None:
    told = str(refused("-", given=b"a: 1\nb: \xff\xfe"))
    assert "standard input, line 2" in told
    assert "byte 0xff, which is no UTF-8" in told
    assert "at least one Kubernetes object" in str(refused("-", given=""))


def test_a_closed_standard_input() -> None:
    command = f"exec {sys.executable} -m mlops.cli graph - <&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "found:   closed" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("text", [BOTH, "a" * 300, NAMESPACE + "#" * 5000])
def test_manifests_in_place_of_a_name(text: str) -> None:
    told = str(refused(text))
    assert "a text in place of a name" in told
    assert "mlops graph -" in told
    assert len(told) < 1000


def test_a_file_that_is_too_big(tmp_path: Path) -> None:
    (tmp_path / "big.yaml").write_bytes(b"# " + "ä".encode() * (10 * 2**20))
    for told in (str(refused(str(tmp_path / "big.yaml"))), str(refused("-", given=b"#" * (MAX_BYTES + 1)))):
        assert "more than 16 MiB" in told
        assert "at most 16 MiB" in told


def test_all_that_is_wrong_in_a_folder(tmp_path: Path) -> None:
    assert "no file that ends in .yaml" in str(refused(str(tmp_path)))
    (tmp_path / "a.yaml").write_text("a: [\n")
    (tmp_path / "b.yaml").write_text("apiVersion: v1\nkind: ConfigMap\n")
    (tmp_path / "c.yaml").write_text(CONFIG_MAP.replace("apiVersion: v1\n", ""))
    (tmp_path / "d.yaml").write_text(CONFIG_MAP.replace("kind: ConfigMap\n", ""))
    told = [(problem.where, problem.found) for problem in refused(str(tmp_path)).problems]
    assert told[0][0] == f"{tmp_path}/a.yaml, line 2, column 1"
    assert told[1:] == [
        (f"{tmp_path}/b.yaml, document 1, v1 ConfigMap", "no metadata.name"),
        (f"{tmp_path}/c.yaml, document 1, ConfigMap", "no apiVersion"),
        (f"{tmp_path}/d.yaml, document 1, v1", "no kind"),
    ]
    assert [problem.where for problem in refused("one.yaml", "two.yaml").problems] == ["one.yaml", "two.yaml"]


def test_folders_that_have_to_be_rendered_first(tmp_path: Path) -> None:
    inner, chart = tmp_path / "deep" / "inner", tmp_path / "chart"
    for folder in (inner / "base", chart / "templates"):
        folder.mkdir(parents=True)
    (tmp_path / "fine.yaml").write_text(NAMESPACE)
    (inner / "kustomization.yaml").write_text("resources: [base]\n")
    (inner / "base" / "kustomization.yml").write_text("resources: []\n")
    (chart / "Chart.yaml").write_text("name: c\n")
    (chart / "templates" / "t.yaml").write_text("{{ no YAML")
    assert [(problem.where, problem.mend) for problem in refused(str(tmp_path)).problems] == [
        (str(chart), f"helm template {chart} | mlops graph -"),
        (str(inner), f"kustomize build {inner} | mlops graph -"),
    ]
    assert refused(str(inner)).problems[0].where == str(inner)


def test_a_bundle_of_ours_is_rendered_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(MANIFESTS)
    for name in ("kserve/", "./kserve", str(MANIFESTS / "kserve")):
        assert refused(name).problems[0].mend == "mlops graph kserve"


def test_rendering_shows_that_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(names: list[str], *, progress: Progress, report: Report, **_others: object) -> tuple[()]:
        progress.start(f"bundle {names[0]}")
        report("fetched it")
        return ()

    monkeypatch.setattr("mlops.cli.graph_sources.load_bundles", load)
    result = CliRunner().invoke(app, ["kserve"], catch_exceptions=False)
    assert result.stderr.splitlines() == ["bundle kserve", "fetched it"]


def test_objects_twice_are_told_at_once_from_all_files(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(f"{CONFIG_MAP}---\n{NAMESPACE}")
    (tmp_path / "b.yaml").write_text(CONFIG_MAP.replace(", namespace: n", ""))
    problems = refused(str(tmp_path), "-", "--namespace", "n", given=NAMESPACE).problems
    assert [problem.where for problem in problems] == ["ConfigMap n/c", "Namespace n"]
    assert run(str(tmp_path), "--namespace", "other").splitlines()[-1].startswith("3 objects")


def test_the_sources_of_bundles_are_those_of_the_site(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str | None] = []
    monkeypatch.setattr("mlops.cli.graph_sources.places_of", asked.append)
    monkeypatch.setattr("mlops.cli.graph_sources.load_bundles", lambda *_, **__: ())
    for arguments in (["kserve"], ["kserve", "--site", "corporate"]):
        CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert asked == [None, "corporate"]


def test_a_site_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    result = CliRunner().invoke(app, ["kserve", "--site", "moon"])
    assert isinstance(result.exception, UserError)
    assert "Pulumi.moon.yaml" in str(result.exception)
