"""Checks on the machine that deploys: certificates, folders, passphrase, the engine's state."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from mlops.hosts.checks import deployer
from mlops.settings import MicroK8sCluster, Site
from mlops.settings.cluster import Offline

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def certificate(*, authority: bool = True, days: int = 365) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Example")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=400))
        .not_valid_after(NOW + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(Encoding.PEM).decode()


def site(**sections: Any) -> Site:
    trust = SimpleNamespace(extra_roots=sections.get("roots", ()), authority=None)
    return cast("Site", SimpleNamespace(trust=trust, cluster=sections.get("cluster")))


@pytest.mark.parametrize(
    ("pem", "words", "severity"),
    [
        (certificate(authority=False), "no certificate authority", None),
        (certificate(days=-1), "expired", None),
        (certificate(days=10), "ends on 2026-11-11", "warning"),
    ],
)
def test_a_root_that_is_none_or_ends_soon_is_found(pem: str, words: str, severity: str | None) -> None:
    found = list(deployer.certificate_faults(site(roots=(certificate(), pem)), NOW))
    assert [entry.severity for entry in found] == [severity]
    assert "trust.extraRoots[1]" in found[0].found
    assert words in found[0].found


def test_good_roots_have_no_fault() -> None:
    assert list(deployer.certificate_faults(site(roots=(certificate(),)), NOW)) == []


def offline(folder: Path, images: Path | None = None) -> Site:
    places = Offline(snaps=str(folder), images=str(images) if images else None)
    return site(cluster=MicroK8sCluster(kind="microk8s", channel="1.35/stable", offline=places))


def test_a_folder_without_the_pinned_snaps_is_told_file_by_file(tmp_path: Path) -> None:
    for name in ("core22_1.snap", "core22_1.assert", "snapd_2.snap", "snapd_2.assert", "microk8s_8000.snap"):
        (tmp_path / name).touch()
    (found,) = deployer.offline_faults(offline(tmp_path))
    assert found.found.endswith("no microk8s_*.assert")
    (tmp_path / "microk8s_8000.assert").touch()
    assert list(deployer.offline_faults(offline(tmp_path))) == []
    assert "no folder" in next(deployer.offline_faults(offline(tmp_path / "none"))).found
    assert "no image archive" in next(deployer.offline_faults(offline(tmp_path, tmp_path))).found


@pytest.mark.parametrize(
    ("file", "environment", "words"),
    [
        ("encryptionsalt: v1:x\n", {}, "neither"),
        ("encryptionsalt: v1:x\n", {"PULUMI_CONFIG_PASSPHRASE_FILE": "/nowhere/pass"}, "/nowhere/pass"),
        ("encryptionsalt: v1:x\n", {"PULUMI_CONFIG_PASSPHRASE": ""}, ""),
        ("secretsprovider: hashivault://key\n", {}, ""),
        ("secretsprovider: passphrase\n", {}, "neither"),
    ],
)
def test_the_passphrase(file: str, environment: dict[str, str], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = [entry.found for entry in deployer.passphrase_faults(file)]
    assert bool(found) == bool(words)
    assert words in "".join(found)


def engine(code: int, words: str = "") -> Any:
    return lambda argv, **_: subprocess.CompletedProcess(argv, code, "", words)


def missing(*_: object, **__: object) -> Any:
    raise FileNotFoundError(2, "No such file or directory")


def silent(argv: list[str], **_: object) -> Any:
    raise subprocess.TimeoutExpired(argv, 30)


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (engine(0), None),
        (
            engine(255, "error: PULUMI_ACCESS_TOKEN must be set for login during non-interactive CLI sessions\n"),
            "PULUMI_ACCESS_TOKEN",
        ),
        (engine(255), "ended with 255"),
        (missing, "No such file"),
        (silent, "no answer"),
    ],
)
def test_the_state_backend(run: Any, words: str | None) -> None:
    faults = list(deployer.backend_faults(run=run))
    found = [entry.found for entry in faults]
    assert (run is missing) == any("make -s env" in (entry.mend or "") for entry in faults)
    assert (words is None) == (found == [])
    assert (words or "") in "".join(found)
