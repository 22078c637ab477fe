"""What the tests of the host scripts share: hosts of files, certificates, and the values of a prepared host."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mlops.rehearsal.site.pki import Authority
from tests.hosts.fake_host import FakeHost
from tests.hosts.values import values_of

HostMaker = Callable[..., FakeHost]


@pytest.fixture(scope="session")
def certificates() -> list[str]:
    """Three roots: what the distribution trusts, and two of the site."""
    return [Authority(name).pair.certificate.strip() + "\n" for name in ("public", "root of the site", "proxy")]


@pytest.fixture
def make_host(tmp_path: Path, certificates: list[str]) -> HostMaker:
    def make(os_name: str, folder: str = "host") -> FakeHost:
        return FakeHost.make(tmp_path / folder, os_name, certificates[0])

    return make


@pytest.fixture
def values(certificates: list[str]) -> dict[str, str]:
    """Of a storage host behind a proxy with a password."""
    return values_of("node1", "192.0.2.11", certificates[1:])
