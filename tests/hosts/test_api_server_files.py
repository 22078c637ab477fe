"""The API server's files as the real one takes them, and the change of the key for Secrets while only one of two has changed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.site
REPOSITORY = Path(__file__).resolve().parents[2]
OUR_NAMESPACES = ["-n", "-m", "-p", "-f", "--kill-child", "--mount-proc"]


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    scratch = tmp_path_factory.mktemp("api-servers")
    mapped = [] if os.geteuid() == 0 else ["-U", "--map-root-user"]
    # nothing may outlive the test, however it ends
    inside = [sys.executable, "-m", "tests.hosts.inside_api_servers", str(scratch)]
    argv = ["setpriv", "--pdeathsig", "KILL", "unshare", *mapped, *OUR_NAMESPACES, *inside]
    done = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    content: dict[str, Any] = json.loads((scratch / "result.json").read_text())
    return content


def test_a_secret_is_stored_with_the_key_of_the_epoch(result: dict[str, Any]) -> None:
    assert result["stored"] == {"first": "epoch-1", "second": "epoch-2"}


def test_a_server_that_has_not_changed_yet_reads_what_the_changed_one_writes(result: dict[str, Any]) -> None:
    assert result["read"] == {name: {"first": True, "second": True} for name in ("one", "two")}


def test_requests_for_secrets_are_written_down_without_their_values(result: dict[str, Any]) -> None:
    assert {"create", "list"} <= set(result["audited"])
    assert result["values in the audit log"] is False
