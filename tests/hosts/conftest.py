"""What the tests of the host scripts share: hosts of files, certificates, and the values of a prepared host."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mlops.rehearsal.site.pki import Authority
from tests.hosts.fake_host import FakeHost
from tests.hosts.values import values_of

HostMaker = Callable[..., FakeHost]
PreparedHost = Callable[[str], FakeHost]
SayingHost = Callable[[str], tuple[FakeHost, str]]


@pytest.fixture(scope="session")
def certificates() -> list[str]:
    """Three roots: what the distribution trusts, and two of the site."""
    return [Authority(name).pair.certificate.strip() + "\n" for name in ("public", "root of the site", "proxy")]


@pytest.fixture
def make_host(tmp_path: Path, certificates: list[str]) -> HostMaker:
    def make(os_name: str, folder: str = "host") -> FakeHost:
        return FakeHost.make(tmp_path / folder, os_name, certificates[0])

    return make


@pytest.fixture(scope="session")
def values(certificates: list[str]) -> dict[str, str]:
    """Of a storage host behind a proxy with a password."""
    return values_of("node1", "192.0.2.11", certificates[1:])


@pytest.fixture(scope="session")
def hosts_prepared(tmp_path_factory: pytest.TempPathFactory, certificates: list[str], values: dict[str, str]) -> SayingHost:
    """Prepares one host of a system for all tests, each gets it as that has left it; in its place, as paths stand in its files."""
    prepared: dict[str, tuple[FakeHost, str]] = {}

    def get(os_name: str) -> tuple[FakeHost, str]:
        if os_name not in prepared:
            host = FakeHost.make(tmp_path_factory.mktemp(os_name) / "host", os_name, certificates[0])
            done = host.run("prepare", values)
            assert done.returncode == 0, done.stderr
            shutil.copytree(host.folder, host.folder.with_name("copy"), symlinks=True)
            prepared[os_name] = host, done.stdout + done.stderr
        host, said = prepared[os_name]
        shutil.rmtree(host.folder)
        shutil.copytree(host.folder.with_name("copy"), host.folder, symlinks=True)
        return host, said

    return get


@pytest.fixture
def prepared_host(hosts_prepared: SayingHost) -> PreparedHost:
    """A host of a system, after a first `prepare` with ``values``; ``calls`` are those of that run."""
    return lambda os_name: hosts_prepared(os_name)[0]
