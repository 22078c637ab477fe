"""The stand-in proxy and what is behind it, tried inside a frame by inside_interception.py."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mlops.rehearsal.site import interception
from mlops.rehearsal.site.image import base_images
from mlops.rehearsal.site.pki import Authority
from mlops.rehearsal.site.spec import ProxySpec
from tests.rehearsal.site.ordinary_user import USER, as_user, give_image, home_directory
from tests.rehearsal.site.site_for_tests import SiteForTests, make_site

pytestmark = pytest.mark.site
SYSTEMS = {"node2": "rocky-9-stand-in", "node3": "leap-15.6-stand-in"}


def behind_proxy(site: SiteForTests) -> SiteForTests:
    """The same site behind a proxy that opens TLS and asks for a user."""
    problems = list(interception.find_problems((), credentials=True))
    if problems:
        pytest.skip("; ".join(f"{problem.found}: {problem.mend}" for problem in problems))
    # what a URL and squid's files could trip over, and what zypper decodes twice
    password = "p@ss:w/r\"d #'%x\\%41%2541"
    proxy = ProxySpec(("http://proxy.corporate.example:3128",), Authority("proxy root").pair, "svc-mlops", password)
    return dataclasses.replace(site, spec=dataclasses.replace(site.spec, proxy=proxy))


@pytest.fixture
def made_site(tmp_path: Path) -> SiteForTests:
    """The usual site behind a proxy, with one host of each family."""
    site = behind_proxy(make_site(systems=SYSTEMS))
    base_images(print, ("debian-12", *SYSTEMS.values()))
    site.write(tmp_path / "site")
    return site


def test_every_way_out_goes_through_the_proxy(run_inside: Callable[..., str]) -> None:
    assert " passed" in run_inside("inside_interception.py")


@pytest.mark.skipif(os.geteuid() != 0, reason="the test above runs as an ordinary user here")
def test_an_ordinary_user_holds_such_a_site(base: Path) -> None:
    with home_directory() as home:
        give_image(home, base)
        keys = behind_proxy(make_site()).write(home / "site").parent
        for path in (keys, *keys.iterdir()):
            os.chown(path, USER, USER)
        ssh = f"ssh -F none -i {keys}/id -o BatchMode=yes -o UserKnownHostsFile={keys}/known_hosts deploy@192.168.50.12"
        # 407 from the proxy: it runs, and is reached by its name
        fetch = "curl --silent --output /dev/null --write-out %{http_connect} --proxy http://proxy.corporate.example:3128 https://quay.io/"
        shell = [
            sys.executable,
            "-m",
            "mlops.rehearsal.site.shell",
            "--spec",
            str(keys / "spec.json"),
            "--",
            "sh",
            "-c",
            f"{ssh} {fetch}",
        ]
        result = as_user(home, *shell)
        assert result.stdout.endswith("407"), result.stdout + result.stderr
