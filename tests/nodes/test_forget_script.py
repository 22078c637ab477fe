"""forget.sh and the removal that it shares with members.sh, by the real bash, with a MicroK8s of a few files."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import pytest

SCRIPTS = resources.files("mlops.hosts").joinpath("scripts")
LIBRARIES = "\n".join(
    SCRIPTS.joinpath(f"{name}.sh").read_text(encoding="utf-8") for name in ("lib", "cluster", "registered", "forget")
)
# as scripts/wrappers/remove_node.py: without --force it refuses what the datastore has, and of no node it ends with 1 in any case
MICROK8S = """
microk8s_remove() {
  echo "called $*"
  if [ "$1" = w1 ] && [ -f node ]; then
    if [ -f member ] && [ "${2-}" != --force ]; then echo 'is registered with dqlite' >&2; return 1; fi
    [ ! -f broken ] || return 2
    rm -f node member
    return 0
  fi
  [ "${2-}" != --force ] || [ -f broken ] || rm -f member
  return 1
}
"""


@dataclass(frozen=True)
class Case:
    """``there`` names what is there of: node, member (of the datastore), mark, broken (a datastore without a majority)."""

    name: str
    there: str
    calls: tuple[str, ...]
    left: str = ""
    fails: bool = False
    told: str = ""


CASES = (
    Case("a host that has left", "node mark", ("w1",), "mark", told="node w1 is removed"),
    Case("a host whose leave was cut", "node member mark", ("w1 --force",), "mark", told="node w1 is removed"),
    Case("a node that nobody has marked", "node member", (), "member node", told="stays: it was not taken out"),
    Case("no node any more", "", (), told="not registered any more"),
    Case(
        "no majority",
        "node member mark broken",
        ("w1 --force",),
        "broken mark member node",
        fails=True,
        told="whether its datastore has a majority",
    ),
)
OF_MEMBERS = (
    Case("an address without a node", "member", ("10.0.0.4 --force",)),
    Case("neither", "", ()),
    Case(
        "an address that stays",
        "member broken",
        ("10.0.0.4 --force",),
        "broken member",
        fails=True,
        told="remove-node w1 ended with an error",
    ),
)


def run(case: Case, call: str, folder: Path) -> subprocess.CompletedProcess[str]:
    for name in case.there.split():
        (folder / name).touch()
    text = f"""{LIBRARIES}
cd {folder}
wait_until_ready() {{ :; }}
STEP=forget HOST_NAME=c1 DEPARTED=w1
{MICROK8S}
registered_nodes() {{ if [ -f node ]; then echo 'w1|m|Unknown||10.0.0.4'; fi; echo 'c1|m|True|plane|10.0.0.1'; }}
datastore_members() {{ if [ -f member ]; then echo '10.0.0.4 voter'; fi; echo '10.0.0.1 voter'; }}
kubectl() {{
  case "$*" in
    *leaving*) if [ -f mark ]; then printf true; fi ;;
    *ignore-not-found*) if [ -f node ]; then echo node/w1; fi ;;
  esac
}}
quiet() {{ shift 2; microk8s_remove "$@"; }}
trap 'unforeseen "$LINENO" "$BASH_COMMAND"' ERR
{call}
"""
    return subprocess.run(["bash", "-s"], input=text, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("case", "call"),
    [*((case, "reset") for case in CASES), *((case, "remove_node w1 10.0.0.4") for case in OF_MEMBERS)],
    ids=lambda value: value.name if isinstance(value, Case) else "",
)
def test_what_is_removed(case: Case, call: str, tmp_path: Path) -> None:
    done = run(case, call, tmp_path)
    assert (done.returncode != 0) is case.fails, done.stderr
    assert tuple(line.removeprefix("called ") for line in done.stdout.splitlines() if line.startswith("called ")) == case.calls
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(case.left.split())
    assert case.told in done.stdout + done.stderr
    assert "ended with exit code" not in done.stderr
