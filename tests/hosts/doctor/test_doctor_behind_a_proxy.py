"""The doctor on throw-away hosts whose only way out is a proxy that opens TLS: inside_proxy.py inside a frame."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from mlops.rehearsal.site import interception
from mlops.rehearsal.site.pki import Authority
from mlops.rehearsal.site.spec import ProxySpec
from tests.hosts.doctor.site_file import write_site
from tests.hosts.doctor.test_doctor_on_a_site import STORAGE
from tests.rehearsal.site.site_for_tests import SiteForTests, make_site

HERE = Path(__file__).parent
URL = "http://proxy.corporate.example:3128"


@pytest.fixture
def made_site(tmp_path: Path) -> SiteForTests:
    problems = list(interception.find_problems((), credentials=False))
    if problems:
        pytest.skip("; ".join(f"{problem.found}: {problem.mend}" for problem in problems))
    site = make_site(facts={"node3": STORAGE})
    root = Authority("Example Proxy Root").pair
    site = dataclasses.replace(site, spec=dataclasses.replace(site.spec, proxy=ProxySpec((URL,), root)))
    site.write(tmp_path / "site")
    proxy = {"http": URL}
    trust = {"extraRoots": [root.certificate]}
    write_site(tmp_path / "site" / "Pulumi.test.yaml", site, proxy=proxy, trust=trust)
    write_site(tmp_path / "site" / "Pulumi.strange.yaml", site, proxy=proxy)
    write_site(tmp_path / "site" / "Pulumi.wrong.yaml", site, proxy={"http": "http://proxy.corporate.example:3129"}, trust=trust)
    return site


@pytest.mark.site
def test_doctor_behind_a_proxy(run_inside: Callable[..., str]) -> None:
    assert " passed" in run_inside(str(HERE / "inside_proxy.py"))
