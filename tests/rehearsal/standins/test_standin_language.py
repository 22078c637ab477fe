"""The language host's parts that need no engine: which Python, and how a program is run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mlops
from mlops.rehearsal.standins.language import executor
from mlops.rehearsal.standins.language.interpreter import OptionError, find


def test_virtualenv_is_relative_to_the_project(tmp_path: Path) -> None:
    (tmp_path / "env" / "bin").mkdir(parents=True)
    (tmp_path / "env" / "bin" / "python").symlink_to(sys.executable)
    found = find({"virtualenv": "env", "toolchain": "pip"}, tmp_path)
    assert found.executable == tmp_path / "env" / "bin" / "python"
    assert found.environment["VIRTUAL_ENV"] == str(tmp_path / "env")
    assert found.environment["PATH"].startswith(f"{tmp_path}/env/bin:")


def test_missing_virtualenv_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"'virtualenv' option .*'\.venv', but '.*' doesn't exist; make it with: python3 -m venv"):
        find({"virtualenv": ".venv"}, tmp_path)
    (tmp_path / ".venv").mkdir()
    with pytest.raises(OptionError, match="doesn't appear to be a virtual environment"):
        find({"virtualenv": ".venv"}, tmp_path)


@pytest.mark.parametrize("options", [{"toolchain": "uv"}, {"typechecker": "mypy"}])
def test_options_this_host_lacks_are_refused(tmp_path: Path, options: dict[str, str]) -> None:
    with pytest.raises(OptionError, match="stand-in language host knows the toolchain pip and no type checker"):
        find(options, tmp_path)


def test_option_of_a_wrong_type(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="virtualenv option must be a string"):
        find({"virtualenv": 1.0}, tmp_path)


def test_without_virtualenv_python_comes_from_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PULUMI_PYTHON_CMD", raising=False)
    assert str(find({}, tmp_path).executable) == (shutil.which("python3") or shutil.which("python"))
    monkeypatch.setenv("PULUMI_PYTHON_CMD", "nosuchpython")
    with pytest.raises(OptionError, match="failed to locate any of"):
        find({}, tmp_path)


def test_plugins_and_packages_of_an_environment() -> None:
    found = find({"virtualenv": sys.prefix}, Path("/"))
    assert {plugin["name"] for plugin in found.plugins()} >= {"command", "tls", "random", "kubernetes"}
    assert "pulumi" in {package.name for package in found.packages()}


def test_traceback_starts_in_the_program(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("def fail():\n    raise ValueError('wrong')\n")
    program = tmp_path / "__main__.py"
    program.write_text("import helper\nhelper.fail()\n")
    sys.path.insert(0, str(tmp_path))
    try:
        exec(compile(program.read_text(), program, "exec"), {})  # noqa: S102 - the program of this test
    except ValueError as error:
        text = executor._program_traceback(error, tmp_path)
    finally:
        sys.path.remove(str(tmp_path))
    assert text.splitlines()[1].strip().startswith(f'File "{program}", line 2')
    assert text.splitlines()[-1] == "ValueError: wrong"
    assert "test_standin_language" not in text


def test_program_ends_with_its_host() -> None:
    code = "import sys, time; from mlops.rehearsal.standins.language.executor import _end_with; _end_with(int(sys.argv[1]))"
    command = f'{sys.executable} -c "{code}; print(1, flush=True); time.sleep(60)" $$ & wait'
    root = Path(mlops.__file__).parent.parent
    host = subprocess.Popen(["sh", "-c", command], cwd=root, stdout=subprocess.PIPE, text=True)
    assert host.stdout is not None
    assert host.stdout.readline() == "1\n"
    host.kill()
    # The pipe reaches its end only when the program, which holds it too, is gone.
    assert host.communicate(timeout=10)[0] == ""


def test_executor_leaves_when_its_host_is_gone_before_it_starts(tmp_path: Path) -> None:
    (tmp_path / "__main__.py").write_text("print('ran')")
    command = [sys.executable, executor.__file__, "--parent", str(os.getppid()), "--parallel", "1", "."]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
