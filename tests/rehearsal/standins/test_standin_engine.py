"""The stand-ins under the real engine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from mlops.rehearsal.standins import install

pytestmark = pytest.mark.engine


@dataclass
class Stack:
    """A project of one stack, with its own PULUMI_HOME, state and PATH."""

    directory: Path
    environment: dict[str, str]
    mark: str

    def program(self, text: str) -> None:
        (self.directory / "__main__.py").write_text(text)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.directory,
            env=self.environment,
            stdout=subprocess.PIPE,
            stdin=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, fails: bool = False, stdin: str = "") -> str:
        process = self.start(*arguments)
        output = process.communicate(stdin, timeout=120)[0]
        assert bool(process.returncode) == fails, output
        return output

    def state(self) -> str:
        (file,) = self.directory.parent.glob("state/.pulumi/stacks/tiny/dev.json")
        return file.read_text()

    def outputs(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run("stack", "output", "--json", "--show-secrets"))
        return found

    def processes(self) -> list[str]:
        """Command lines of everything that runs with this stack's environment."""
        found = []
        for directory in Path("/proc").iterdir():
            try:
                if directory.name.isdigit() and self.mark.encode() in (directory / "environ").read_bytes():
                    line = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
                    found += [line] if line else []  # a zombie has no command line
            except OSError:
                continue
        return found


@pytest.fixture
def stack(pulumi: Path, tmp_path: Path) -> Stack:
    project, home = tmp_path / "project", tmp_path / "home"
    for directory in (project, home, tmp_path / "state"):
        directory.mkdir()
    (project / "Pulumi.yaml").write_text(
        f"name: tiny\nruntime: {{name: python, options: {{toolchain: pip, virtualenv: {sys.prefix}}}}}\n"
    )
    mark = f"STANDIN_TEST={uuid.uuid4()}"
    environment = {
        **os.environ,
        "PATH": f"{tmp_path}/bin:{pulumi.parent}:{os.environ['PATH']}",
        "PULUMI_HOME": str(home),
        "PULUMI_BACKEND_URL": f"file://{tmp_path}/state",
        "PULUMI_CONFIG_PASSPHRASE": "test",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "STANDIN_TEST": mark.partition("=")[2],
    }
    install(tmp_path / "bin", plugins=home / "plugins", environment=environment)
    made = Stack(project, environment, mark)
    made.program("")
    made.run("stack", "init", "dev")
    return made


LIFE = """
import os
import pulumi, pulumi_command as command, pulumi_random as random, pulumi_tls as tls
config = pulumi.Config()
print(f"pid <{os.getpid()}> dry <{pulumi.runtime.is_dry_run()}> word <{config.require('word')}> stack <{pulumi.get_stack()}>")
hook = pulumi.ResourceHook("tell", lambda args: print(f"hook for {args.name}"))
password = random.RandomPassword("password", length=24)
key = tls.PrivateKey("key", algorithm="ECDSA", ecdsa_curve="P256")
ca = tls.SelfSignedCert("ca", private_key_pem=key.private_key_pem, validity_period_hours=9, allowed_uses=["cert_signing"],
                        is_ca_certificate=True, subject={"common_name": "Root"})
request = tls.CertRequest("request", private_key_pem=key.private_key_pem, dns_names=["a.example"])
leaf = tls.LocallySignedCert("leaf", cert_request_pem=request.cert_request_pem, ca_cert_pem=ca.cert_pem,
                             ca_private_key_pem=key.private_key_pem, validity_period_hours=1, allowed_uses=["server_auth"])
echo = command.local.Command("echo", create="cat", stdin=pulumi.Output.concat(password.result, config.require_secret("hidden")),
                             logging="none", opts=pulumi.ResourceOptions(additional_secret_outputs=["stdout"],
                             hooks=pulumi.ResourceHookBinding(before_create=[hook], before_delete=[hook])))
pulumi.export("password", password.result)
pulumi.export("key", key.private_key_pem)
pulumi.export("echo", echo.stdout)
pulumi.export("leaf", leaf.cert_pem)
"""


def test_life_of_a_stack(stack: Stack) -> None:
    stack.program(LIFE)
    stack.run("config", "set-all", "--plaintext", "word=given", "--secret", "hidden=sesame")
    preview = stack.run("preview")
    assert "leaf    : [unknown]" in preview
    assert "hook for" not in preview
    assert "dry <True> word <given> stack <dev>" in preview
    assert "from $PATH at" not in preview.replace("pulumi-resource-kubernetes from $PATH at", "")

    up = stack.run("up", "--yes")
    assert "hook for echo" in up
    pids = {line.partition("pid <")[2].partition(">")[0] for line in up.splitlines() if "pid <" in line}
    assert len(pids) == 2, "preview and update must run in processes of their own"
    outputs = stack.outputs()
    assert outputs["echo"] == outputs["password"] + "sesame"
    hidden = (outputs["password"], outputs["key"].splitlines()[1], "sesame")
    for text in hidden:
        assert text not in stack.state()
        assert text not in up + preview

    assert "hook for" not in stack.run("up", "--yes", "--skip-preview", "--expect-no-changes")
    stack.run("refresh", "--yes", "--skip-preview", "--expect-no-changes")
    stack.run("config", "set", "word", "changed")
    assert "delete hooks" in stack.run("destroy", "--yes", "--skip-preview", fails=True)
    destroy = stack.run("destroy", "--yes", "--skip-preview", "--run-program")
    assert "hook for echo" in destroy
    assert '"urn"' not in stack.state().replace('"urn": "urn:pulumi:dev::tiny::pulumi:pulumi:Stack', "")
    assert stack.processes() == []


def test_failing_programs(stack: Stack) -> None:
    stack.program("import pulumi\nprint('before')\n\ndef inner():\n    raise KeyError('word')\n\ninner()\n")
    output = stack.run("preview", fails=True)
    assert "Program failed with an unhandled exception" in output
    assert "KeyError: 'word'" in output
    assert "before" in output
    assert "runpy" not in output
    assert "executor.py" not in output
    assert "non-zero exit code" not in output

    stack.program("import pulumi\npulumi.Config().require('absent')\n")
    assert "Missing required configuration variable 'tiny:absent'" in stack.run("preview", fails=True)
    stack.program("import os\nos._exit(3)\n")
    assert "program exited with non-zero exit code: 3" in stack.run("preview", fails=True)
    (stack.directory / "__main__.py").unlink()
    assert "__main__.py" in stack.run("preview", fails=True)


def test_missing_virtualenv(stack: Stack) -> None:
    (stack.directory / "Pulumi.yaml").write_text("name: tiny\nruntime: {name: python, options: {virtualenv: .venv}}\n")
    assert "make it with: python3 -m venv" in stack.run("preview", fails=True)


def test_about(stack: Stack) -> None:
    about = json.loads(stack.run("about", "--json").partition("\nwarning")[0])
    assert about["runtime"]["executable"] == f"{sys.prefix}/bin/python"
    assert "pulumi" in {dependency["name"] for dependency in about["dependencies"]}


ENDLESS = """
import pathlib, pulumi_command as command
command.local.Command("endless", create="touch started; sleep 600")
command.local.Command("done", create="true")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_outlives_the_engine(stack: Stack, number: signal.Signals) -> None:
    stack.program(ENDLESS)
    engine = stack.start("up", "--yes", "--skip-preview")
    wait_for((stack.directory / "started").exists)
    assert any("executor.py" in line for line in stack.processes())
    # As a terminal does on Ctrl-C: to the engine's whole process group (plugins have groups of their own).
    os.killpg(engine.pid, number)
    output = engine.communicate(timeout=60)[0]
    assert engine.returncode != 0
    assert "Traceback" not in output
    wait_for(lambda: stack.processes() == [])


REMOTE = """
import pulumi, pulumi_command as command
config = pulumi.Config()
connection = command.remote.ConnectionArgs(**config.require_object("connection"))
run = command.remote.Command("run", connection=connection, create=config.require("create"), stdin=config.require_secret("word"),
                             add_previous_output_in_env=False)
pulumi.export("stdout", run.stdout)
"""


def test_remote_command(stack: Stack, sshd: Any) -> None:
    stack.program(REMOTE)
    given = sshd.connection()
    names = {"privateKey": "private_key", "hostKey": "host_key", "dialErrorLimit": "dial_error_limit"}
    connection = {names.get(name, name): value for name, value in given.items()}
    stack.run("config", "set", "--secret", "connection", stdin=json.dumps(connection))
    stack.run("config", "set-all", "--plaintext", "create=wc -c", "--secret", "word=sesame")
    up = stack.run("up", "--yes", "--skip-preview")
    assert stack.outputs()["stdout"].strip() == "6"
    for text in ("sesame", given["privateKey"].splitlines()[2]):
        assert text not in up + stack.state()

    # A change that fails leaves the state as it was; the next run tries again.
    stack.run("config", "set", "create", "cat >/dev/null; echo broken; exit 9")
    failed = stack.run("up", "--yes", "--skip-preview", fails=True)
    assert 'Process exited with status 9: running "cat >/dev/null; echo broken; exit 9"' in failed
    assert stack.outputs()["stdout"].strip() == "6"
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    stack.run("config", "set", "--secret", "connection", stdin=json.dumps(connection | {"host_key": other}))
    assert "ssh: host key mismatch" in stack.run("up", "--yes", "--skip-preview", fails=True)
    stack.run("destroy", "--yes", "--skip-preview")


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
