"""The scripts' own machinery, run by the real bash; what they do to a host is tested on throw-away hosts."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import pytest

from mlops.hosts import LAUNCHER, LIBRARIES, REMOVALS, STEPS, compose, program, script_version
from tests.hosts.unpacked import CALL, unpacked

SCRIPTS = resources.files("mlops.hosts").joinpath("scripts")
LIBRARY = SCRIPTS.joinpath("lib.sh").read_text(encoding="utf-8")


NASTY = "a'b\"c $(touch /x) `id` \\ \n}\n%s ü €"


def bash(text: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    argv, variables = ["bash", "-s", "--", *arguments], {**os.environ, **environment}
    return subprocess.run(argv, input=text, capture_output=True, text=True, check=False, env=variables)


ROOT = "#!/bin/sh\necho 0\n"
"""Stands in for ``id -u``, whoever runs the tests."""


def with_programs(folder: Path, **texts: str) -> str:
    """A PATH on which these programs come before all others."""
    for name, text in texts.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def library(text: str) -> subprocess.CompletedProcess[str]:
    return bash(f"HOST_NAME=node1 STEP=test SECRETS=()\n{LIBRARY}\n{text}\n")


@pytest.mark.parametrize("step", STEPS)
def test_every_step_parses_and_defines_its_action(step: str) -> None:
    script = compose(step, values={"HOST_NAME": "node1"})
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0
    if step != "probe":  # which has a main of its own: it waits for no lock
        assert ("\napply() {" in program(step), "\nreset() {" in program(step)) == (step not in REMOVALS, step in REMOVALS)


def test_every_script_is_part_of_a_step() -> None:
    used = {"root", "lib", *STEPS, *(library for libraries in LIBRARIES.values() for library in libraries)}
    assert {f"{name}.sh" for name in used} == {script.name for script in SCRIPTS.iterdir() if script.name.endswith(".sh")}


@pytest.mark.parametrize("step", STEPS)
def test_no_function_of_a_step_is_defined_twice(step: str) -> None:
    """A library that redefines another's function changes what that one does; only probe's own main is meant to."""
    names = re.findall(r"^([a-z_]+)\(\) ", program(step), re.MULTILINE)
    twice = {name for name in names if names.count(name) > 1}
    assert twice <= ({"main"} if step == "probe" else set())


def test_the_version_of_a_step_changes_with_its_scripts_only() -> None:
    assert script_version("describe") == script_version("describe") != script_version("join")
    for step in ("describe", "prepare"):
        assert f"SCRIPT_VERSION={script_version(step)}\n" in compose(step, values={"HOST_NAME": "n"})


def describe(values: dict[str, str], **replacements: str) -> str:
    """Step describe, whose own work is replaced."""
    script = unpacked("describe", values)
    start = script.rindex("\napply() {")
    body = replacements.get("apply", ":")
    return script[:start] + "\napply() {\n" + body + "\n}\n" + replacements.get("call", CALL) + "\n"


def test_any_value_arrives_as_it_is() -> None:
    assert bash(describe({"HOST_NAME": NASTY}, call='printf "%s" "$HOST_NAME"')).stdout == NASTY


def test_packing_leaves_comments_out_and_nothing_else() -> None:
    def parsed(text: str) -> str:
        return bash(f"f() {{\n{text}\n}}\ndeclare -f f").stdout

    for step in STEPS:
        sources = "".join(SCRIPTS.joinpath(f"{name}.sh").read_text(encoding="utf-8") for name in ("lib", *LIBRARIES[step], step))
        assert parsed(program(step)) == parsed(sources) != ""
        assert len(program(step)) < len(sources)


def test_a_host_costs_little_state() -> None:
    """The engine keeps each of these texts twice in its state, encrypted, and writes all of it at each step."""
    kept = [step for step in STEPS if step not in {"describe", "members"}]
    assert sum(len(compose(step, values={})) for step in kept) < 90_000


def test_a_script_cut_short_runs_nothing(tmp_path: Path) -> None:
    script = compose("describe", values={"HOST_NAME": "n"}).replace(CALL, f"touch {tmp_path}/ran")
    path = with_programs(tmp_path, id=ROOT)
    assert bash(script, "apply", PATH=path).returncode == 0
    assert (tmp_path / "ran").exists()
    (tmp_path / "ran").unlink()
    for length in (*range(0, len(script), 997), *range(len(script) - 30, len(script) - 1)):
        bash(script[:length], "apply", PATH=path)
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
    write = f"CHANGED=no; replace_file {path} 0640 <<<hello; echo $CHANGED"
    assert library(f"{write}; {write}").stdout == "yes\nno\n"
    assert path.read_text() == "hello\n"
    assert path.stat().st_mode & 0o777 == 0o640
    assert [entry.name for entry in path.parent.iterdir()] == ["file"], "no temporary file stays"


def test_what_a_run_that_was_cut_has_left_of_a_file_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "file"
    (tmp_path / "file.onprem-mlops").write_text("half")
    assert library(f"replace_file {path} 0600 <<<whole").returncode == 0
    assert [(entry.name, entry.read_text()) for entry in tmp_path.iterdir()] == [("file", "whole\n")]


@dataclass(frozen=True)
class Recorded:
    """Runs a step named test whose records are kept below a folder."""

    folder: Path

    def run(self, action: str, apply: str, reset: str = ":") -> subprocess.CompletedProcess[str]:
        step = f"apply() {{ {apply}\n}}\nreset() {{ {reset}\n}}\nlock_host() {{ :; }}"
        return library(f"RECORDS={self.folder}/deployed SCRIPT_VERSION=abc\n{step}\nmain {action}")

    def record(self) -> list[str] | None:
        file = self.folder / "deployed/test"
        return file.read_text().splitlines() if file.exists() else None


def test_a_step_that_ends_well_leaves_its_record_and_a_removal_takes_it_away(tmp_path: Path) -> None:
    step = Recorded(tmp_path)
    path = tmp_path / "file"
    machine = Path("/etc/machine-id").read_text().strip() if Path("/etc/machine-id").exists() else None
    if machine is None:
        pytest.skip("this machine has no /etc/machine-id")
    apply = f"write_file {path} 0600 <<<hello; printf x | write_file {path}2 0600; record snap microk8s 1.35/stable held"
    assert step.run("apply", apply).returncode == 0
    assert step.record() == [
        f"file\t{path}\t{hashlib.sha256(path.read_bytes()).hexdigest()}",
        f"file\t{path}2\t{hashlib.sha256(b'x').hexdigest()}",
        "snap\tmicrok8s\t1.35/stable\theld",
        f"machine\t{machine}",
        "version\tabc",
    ]
    failed = step.run("apply", "record module other; fail a b c")
    assert failed.returncode == 1
    assert step.record() is not None
    assert "other" not in str(step.record()), "a step that failed leaves the record of the one before"
    assert step.run("apply", "record module mine").returncode == 0
    assert step.record() == ["module\tmine", f"machine\t{machine}", "version\tabc"], "nothing of the run that failed"
    assert step.run("reset", ":").returncode == 0
    assert list((tmp_path / "deployed").iterdir()) == []


def test_a_step_that_only_reads_leaves_no_record(tmp_path: Path) -> None:
    assert Recorded(tmp_path).run("apply", "say hello").stdout == "hello\n"
    assert list(tmp_path.iterdir()) == []


SUDO = """#!/bin/bash
# stands in for sudo: wants the password from its standard input unless NOPASSWD, reads that one line only
echo "sudo $*" >>"$TRACE"
ask=yes input=no
while true; do
  case "$1" in -k) shift ;; -n) ask=no; shift ;; -S) input=yes; shift ;; -p) shift 2 ;; *) break ;; esac
done
if [ "$NOPASSWD" != yes ]; then
  if [ "$ask" = no ] || [ "$input" = no ]; then echo 'sudo: a password is required' >&2; exit 1; fi
  tries=0
  until IFS= read -r line && [ "$line" = "$(cat "$TRACE.right")" ]; do
    if [ "$tries" = 3 ] || [ -z "$line" ]; then echo 'sudo: incorrect password attempt' >&2; exit 1; fi
    tries=$((tries + 1))
    echo "sudo: try $tries" >>"$TRACE"
  done
fi
exec "$@"
"""
PASSWORD = "s'e cret $x"


def as_user(tmp_path: Path, step: str, *, right: str | None, given: str = "") -> subprocess.CompletedProcess[str]:
    """Runs a composed script as user bob; ``step`` takes the place of the step's own work.

    ``right`` is the password that sudo wants, None when it wants none.
    """
    path = with_programs(tmp_path, id='#!/bin/sh\nif [ "$1" = -u ]; then echo 1000; else echo bob; fi\n', sudo=SUDO)
    (tmp_path / "trace.right").write_text(right or "")
    environment = {
        **os.environ,
        "PATH": path,
        "NOPASSWD": "yes" if right is None else "no",
        "TRACE": str(tmp_path / "trace"),
    }
    script = compose("describe", values={"HOST_NAME": NASTY}, sudo_password=given).replace(CALL, step)
    return subprocess.run(["sh", "-c", LAUNCHER], input=script, capture_output=True, text=True, check=False, env=environment)


@pytest.mark.parametrize(
    ("right", "given", "parts"),
    [
        (
            "x",
            "",
            ("user bob, who may not use sudo without a password", "bob ALL=(ALL) NOPASSWD: ALL", "hosts.access.sudoPassword"),
        ),
        ("x", "y", ("user bob, for whom sudo does not take hosts.access.sudoPassword", "incorrect password", "mend: set ")),
    ],
)
def test_a_user_who_does_not_become_root_is_told_what_to_do(tmp_path: Path, right: str, given: str, parts: tuple[str, ...]) -> None:
    done = as_user(tmp_path, "echo ran", right=right, given=given)
    assert done.returncode == 77
    for part in parts:
        assert part in done.stderr
    assert "ran" not in done.stdout
    assert (tmp_path / "trace").read_text().count("try") <= 1, "a wrong password is tried once"


def test_a_shell_that_dies_while_it_hands_the_step_on_is_no_step_that_is_done(tmp_path: Path) -> None:
    """Root's bash would come to the end of half a text, and end well."""
    path = with_programs(tmp_path, id=ROOT, timeout='#!/bin/bash\nshift 3\nhead -c $LENGTH | "$@"\n')
    script = compose("describe", values={"HOST_NAME": "n"}).replace(CALL, "echo ran")
    assert bash(script, "apply", PATH=path, LENGTH="100000").stdout == "ran\n"
    for length in range(0, len(program("describe")), 499):
        done = bash(script, "apply", PATH=path, LENGTH=str(length))
        assert (done.returncode != 0, done.stdout) == (True, ""), length


def test_the_head_is_measured_in_characters_and_bytes_alike() -> None:
    assert SCRIPTS.joinpath("root.sh").read_text(encoding="utf-8").isascii(), "${PROGRAM:0:N} counts bytes in some locales"


@pytest.mark.parametrize(
    ("right", "given"), [(None, ""), (None, PASSWORD), (PASSWORD, PASSWORD)], ids=["sudo asks nothing", "in vain", "sudo asks"]
)
def test_the_head_hands_on_the_action_and_the_exit_code_and_reads_nothing_of_the_step(
    tmp_path: Path, right: str | None, given: str
) -> None:
    step = 'echo "ran $1 ${SUDO_PASSWORD-unknown}: $HOST_NAME"; env | grep -c cret || exit 5'
    done = as_user(tmp_path, step, right=right, given=given)
    assert (done.returncode, done.stdout, done.stderr) == (5, f"ran apply unknown: {NASTY}\n0\n", "")
    assert "cret" not in (tmp_path / "trace").read_text(), "not in the arguments"


def test_a_step_that_is_killed_does_not_end_without_a_word(tmp_path: Path) -> None:
    done = as_user(tmp_path, "kill -9 $$\necho not reached", right=PASSWORD, given=PASSWORD)
    assert done.returncode == 137
    assert "step describe) was ended half way" in done.stderr
    assert "mend:" in done.stderr
    assert "not reached" not in done.stdout


def test_our_block_in_a_file_of_others_comes_changes_and_goes(tmp_path: Path) -> None:
    path = tmp_path / "environment"
    path.write_text("PATH=/bin\n", encoding="utf-8")

    def write(text: str) -> str:
        command = f"RECORDS={tmp_path}/deployed; CHANGED=no; write_block {path} 0644 '{text}'; echo $CHANGED"
        return library(command).stdout

    assert [write("A=1"), write("A=1")] == ["yes\n", "no\n"]
    assert path.read_text() == "PATH=/bin\n# onprem-mlops: begin\nA=1\n# onprem-mlops: end\n"
    assert write("A=2") == "yes\n"
    assert "A=1" not in path.read_text()
    assert [write(""), write("")] == ["yes\n", "no\n"]
    assert path.read_text() == "PATH=/bin\n"
