"""Whether the engine keeps a setting's section as a secret is asked by the section's name, whatever the setting's path."""

from __future__ import annotations

import pytest

from components import configuration


@pytest.mark.parametrize(
    ("path", "section"),
    [
        ("hosts.access.key", "hosts"),
        ("registries[0].password", "registries"),
        ("trust.authority.key", "trust"),
    ],
)
def test_the_section_of_a_secret(path: str, section: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configuration, "is_config_secret", f"onprem-mlops:{section}".__eq__)
    assert configuration._is_secret(path)
    monkeypatch.setattr(configuration, "is_config_secret", "onprem-mlops:other".__eq__)
    assert not configuration._is_secret(path)
