"""Runs inside a frame (test_ways.py starts it): the hosts of derived settings, asked as the doctor asks them."""

from __future__ import annotations

import json
import os
from pathlib import Path

from mlops.hosts.ssh import Target, ask
from mlops.rehearsal.site.site import ThrowAwaySite
from mlops.settings import Origin, parse_site


def test_every_host_answers_by_the_derived_settings(inside_site: ThrowAwaySite) -> None:
    values = json.loads((Path(os.environ["SITE_TEST_KEYS"]) / "settings.json").read_text())
    hosts = parse_site(values, origin=Origin(stack="corporate", from_engine=True)).hosts
    assert hosts
    targets = [Target.of(node, hosts.access_of(node)) for node in hosts.nodes]
    assert {target.door.address for target in targets} == {"2001:db8::11", inside_site.spec.host("corp4").address}
    answers = ask(targets, dict.fromkeys(inside_site.hosts, "hostname"))
    assert {name: (answer.stdout.strip(), answer.stderr) for name, answer in answers.items()} == {
        name: (name, "") for name in ("corp1", "corp4")
    }
