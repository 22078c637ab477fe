"""House rules that a machine can see: no slept order, no swallowed error, no repeated write, nothing of anybody's machine."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# What deploys. The rehearsal polls its own processes while they start, and stands in for programs that wait.
DEPLOYS = (
    "components",
    "manifests",
    "mlops/bundles",
    "mlops/hosts",
    "mlops/objectset",
    "mlops/ordering",
    "mlops/settings",
    "__main__.py",
)
POLLS = {
    "components/gates/questions.py": "await asyncio.sleep(POLL_SECONDS)",
    "mlops/hosts/scripts/lib.sh": "sleep 1",
    "mlops/objectset/kubectl.py": "time.sleep(_POLL_SECONDS)",
}
"""Each wait there is: a poll of a read-only condition that has a deadline."""


def tracked(*paths: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z", *paths], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    files = [ROOT / name for name in listed.split("\0") if name]
    return [path for path in files or sorted(ROOT.glob("components/**/*.py")) if path.is_file()]


def lines_with(pattern: str, *paths: str) -> list[str]:
    expression = re.compile(pattern)
    return [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in tracked(*paths)
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines()
        if expression.search(line)
    ]


def test_every_wait_is_a_known_poll() -> None:
    waits = lines_with(r"\bsleep[ (]", *DEPLOYS)
    assert waits == [f"{path}: {line}" for path, line in POLLS.items()]


@pytest.mark.parametrize("pattern", [r"\|\|\s*(true|:)\s*(#|$|\))", r"except[^:]*:\s*pass\b"])
def test_no_error_is_swallowed(pattern: str) -> None:
    assert not lines_with(pattern, *DEPLOYS)


def test_no_write_is_repeated() -> None:
    # an error hook may have the failed write repeated by returning True: the only one there is cannot (mypy), it explains the error
    assert lines_with(r"\bErrorHookArgs|on_error=|error_hook\(", *DEPLOYS) == [
        "components/remote.py: def _error_hook(name: str, host: Host, access: HostAccess) -> pulumi.ErrorHook:",
        "components/remote.py: def tell(failure: pulumi.ErrorHookArgs) -> Literal[False]:",
        "components/remote.py: hooks = pulumi.ResourceHookBinding(on_error=[_error_hook(name, host, access)])",
    ]


def test_files_stay_readable_in_one_sitting() -> None:
    long = {
        str(path.relative_to(ROOT)): count
        for path in tracked("*.py", "*.sh")
        if (count := len(path.read_text().splitlines())) > 400
    }
    assert not long


def test_nothing_names_a_home_or_a_work_folder() -> None:
    assert not lines_with(
        r"(?<![\w/])/(home|work|root)/\w", "components", "mlops", "manifests", "docs", "README.md", "Makefile", ".ci"
    )
