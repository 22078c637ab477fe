"""The scripts' own machinery, run by the real bash; what they do to a host is tested on throw-away hosts."""

from __future__ import annotations

import os
import subprocess
from importlib import resources
from pathlib import Path

import pytest
import yaml

from mlops.hosts import LAUNCHER, STEPS, compose, launch_configuration

LIBRARY = resources.files("mlops.hosts").joinpath("scripts", "lib.sh").read_text(encoding="utf-8")


def bash(text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", "-s", "--", *arguments], input=text, capture_output=True, text=True, check=False)


def library(text: str) -> subprocess.CompletedProcess[str]:
    return bash(f"{LIBRARY}\nHOST_NAME=node1 STEP=test\n{text}\n")


@pytest.mark.parametrize("step", STEPS)
def test_every_step_parses_and_defines_both_actions(step: str) -> None:
    script = compose(step, values={"HOST_NAME": "node1"})
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0
    assert "\napply() {" in script
    assert "\nreset() {" in script


def test_any_value_arrives_as_it_is() -> None:
    nasty = "a'b\"c $(touch /x) `id` \\ \n%s ü €"
    script = compose("describe", values={"HOST_NAME": nasty}).replace('{ main "$@"; exit; } </dev/null', 'printf "%s" "$HOST_NAME"')
    assert bash(script).stdout == nasty


def test_a_script_cut_short_runs_nothing(tmp_path: Path) -> None:
    script = compose("describe", values={"HOST_NAME": "n"}).replace("say 'nothing to undo'", f"touch {tmp_path}/ran")
    assert bash(script, "reset").returncode == 0
    assert (tmp_path / "ran").exists()
    (tmp_path / "ran").unlink()
    for length in range(0, len(script) - 20, 997):
        bash(script[:length], "reset")
        assert not (tmp_path / "ran").exists()


def test_a_value_name_that_is_no_shell_name_is_refused() -> None:
    with pytest.raises(ValueError, match="not shell names"):
        compose("describe", values={"x; rm": "1"})
    with pytest.raises(ValueError, match="secrets without a value"):
        compose("describe", values={"A": "1"}, secrets=("TOKEN",))
    with pytest.raises(ValueError, match="unknown step"):
        compose("nonsense", values={})


def test_all_problems_are_told_at_once_with_what_to_do() -> None:
    done = library('problem one "a" "do a"; problem two "b" "do b"; stop_on_problems; echo not reached')
    assert done.returncode == 1
    for part in ("host node1", "found: one", "allowed: a", "mend: do a", "found: two"):
        assert part in done.stderr
    assert "not reached" not in done.stdout


def test_a_failing_program_shows_its_last_lines_cut_and_without_secrets() -> None:
    done = library(
        "TOKEN=very-secret-token SECRETS=(TOKEN)\n"
        "noisy() { head -c 100000 /dev/zero | tr '\\0' x; echo; echo \"token is $1\"; return 3; }\n"
        'quiet noisy "$TOKEN"; echo not reached'
    )
    assert done.returncode == 3
    assert "very-secret-token" not in done.stdout + done.stderr
    assert "token is ****" in done.stderr
    assert max(len(line) for line in done.stderr.splitlines()) < 1000, "a line of 64 KiB and more hangs the command provider"


def test_a_quiet_program_does_not_inherit_the_lock() -> None:
    done = library("exec 9>/dev/null; quiet bash -c 'test ! -e /proc/self/fd/9'; echo clean")
    assert done.stdout == "clean\n"


def test_waiting_ends_at_its_deadline_and_says_for_what() -> None:
    done = library("until_true 1 'the moon is full' false; echo not reached")
    assert done.returncode == 1
    assert "the moon is full" in done.stderr


def test_a_file_is_written_whole_and_only_when_it_differs(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    first = library(
        f"CHANGED=no; write_file {path} 0640 <<<hello; echo $CHANGED; CHANGED=no; write_file {path} 0640 <<<hello; echo $CHANGED"
    )
    assert first.stdout == "yes\nno\n"
    assert path.read_text() == "hello\n"
    assert path.stat().st_mode & 0o777 == 0o640
    assert [entry.name for entry in path.parent.iterdir()] == ["file"], "no temporary file stays"


def as_user(tmp_path: Path, sudo: str, step: str) -> subprocess.CompletedProcess[str]:
    """Runs a composed script as user bob, whose sudo does what is given; ``step`` takes the place of the step's own work."""
    for name, text in {"id": 'if [ "$1" = -u ]; then echo 1000; else echo bob; fi', "sudo": sudo}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    script = compose("describe", values={"HOST_NAME": "node1"}).replace('{ main "$@"; exit; } </dev/null', step)
    return subprocess.run(["sh", "-c", LAUNCHER], input=script, capture_output=True, text=True, check=False, env=environment)


def test_a_user_without_sudo_is_told_what_to_do(tmp_path: Path) -> None:
    done = as_user(tmp_path, "exit 1", "echo ran")
    assert done.returncode == 77
    assert "found: user bob, who may not use sudo without a password" in done.stderr
    assert "mend: in /etc/sudoers.d/bob on the host: bob ALL=(ALL) NOPASSWD: ALL" in done.stderr
    assert "ran" not in done.stdout


def test_the_head_hands_on_the_action_and_the_exit_code_and_reads_nothing_of_the_step(tmp_path: Path) -> None:
    done = as_user(tmp_path, 'shift; exec "$@"', 'echo "ran $1"; exit 5')
    assert (done.returncode, done.stdout, done.stderr) == (5, "ran apply\n", "")


def test_a_step_that_is_killed_does_not_end_without_a_word(tmp_path: Path) -> None:
    done = as_user(tmp_path, 'shift; exec "$@"', "kill -9 $$\necho not reached")
    assert done.returncode == 137
    assert "step describe) was ended half way" in done.stderr
    assert "mend:" in done.stderr
    assert "not reached" not in done.stdout


def test_the_launch_configuration_repeats_the_dns_settings_of_the_built_in_one() -> None:
    text = launch_configuration(
        pod_cidr="10.1.0.0/16",
        service_cidr="10.99.0.0/24",
        api_server_names=["node1", "192.0.2.1"],
        dns_servers=["192.0.2.53", "192.0.2.54"],
        cluster_token="t" * 32,
    )
    document = yaml.safe_load(text)
    assert document["extraKubeletArgs"] == {"--cluster-domain": "cluster.local", "--cluster-dns": "10.99.0.10"}
    assert document["extraKubeAPIServerArgs"]["--authorization-mode"] == "RBAC,Node"
    assert document["extraSANs"] == ["10.99.0.1", "192.0.2.1", "node1"]
    assert document["addons"] == [{"name": "dns", "args": ["192.0.2.53,192.0.2.54"]}, {"name": "hostpath-storage"}]
    assert document["persistentClusterToken"] == "t" * 32


def test_a_joining_node_starts_no_addons_and_knows_no_token() -> None:
    document = yaml.safe_load(launch_configuration(pod_cidr="10.1.0.0/16", service_cidr="10.152.183.0/24", api_server_names=[]))
    assert not {"addons", "persistentClusterToken"} & set(document)


def test_our_block_in_a_file_of_others_comes_changes_and_goes(tmp_path: Path) -> None:
    path = tmp_path / "environment"
    path.write_text("PATH=/bin\n", encoding="utf-8")
    first = library(
        f"CHANGED=no; write_block {path} 0644 'A=1'; echo $CHANGED; CHANGED=no; write_block {path} 0644 'A=1'; echo $CHANGED"
    )
    assert first.stdout == "yes\nno\n"
    assert path.read_text() == "PATH=/bin\n# onprem-mlops: begin\nA=1\n# onprem-mlops: end\n"
    library(f"write_block {path} 0644 'A=2'")
    assert "A=1" not in path.read_text()
    library(f"write_block {path} 0644 ''")
    assert path.read_text() == "PATH=/bin\n"
