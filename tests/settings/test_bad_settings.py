"""Every mistake that the settings know, and what they say about it."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest

from mlops.settings import Origin, SettingsError, parse_site
from tests.settings.bad_cluster_inputs import OIDC
from tests.settings.bad_inputs import BAD, CORPORATE, FURTHER, PROXY
from tests.settings.site_examples import EXISTING, INTERMEDIATE, KEYS, NOW, Values, changed, good


def refused(values: Values) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        parse_site(values, origin=Origin(stack="test"), now=NOW)
    return caught.value


@pytest.mark.parametrize("name", BAD)
def test_bad_value_is_told_where_what_and_how(name: str) -> None:
    changes, where, parts = BAD[name]
    error = refused(changed(changes))
    found = [str(problem) for problem in error.problems if problem.where == f"stack test onprem-mlops:{where}"]
    assert found, f"no problem at {where}:\n{error}"
    assert any(_in_order(parts, text) for text in found), f"{parts} not in\n{error}"


def _in_order(parts: tuple[str, ...], text: str) -> bool:
    at = 0
    for part in parts:
        at = text.find(part, at)
        if at < 0:
            return False
    return True


@pytest.mark.parametrize("name", BAD)
def test_no_report_speaks_the_validators_language(name: str) -> None:
    text = str(refused(changed(BAD[name][0])))
    for word in ("Input should", "type=", "pydantic", "Unusable", "object at 0x", "Traceback", "union", "None"):
        assert word not in text


def test_there_are_enough_bad_inputs() -> None:
    assert len(BAD) >= 220


def test_the_good_site_is_good() -> None:
    for changes in ({}, EXISTING, CORPORATE, PROXY, {**EXISTING, **PROXY}, OIDC, FURTHER):
        parse_site(changed(changes), origin=Origin(stack="test"), now=NOW)


def test_a_level_of_auditing_is_kubernetes_own_word() -> None:
    # apart from the table: the word that Kubernetes uses for nothing would be the validator's language there
    text = str(refused(changed({"cluster.audit": {"level": "metadata"}})))
    assert "one of Metadata, None, Request" in text
    assert "did you mean `Metadata`?" in text


def test_all_problems_come_in_one_report() -> None:
    # One of each sort, among them cross-field ones beside a wrong value in the same section.
    error = refused(
        changed(
            {
                "name": "X",
                "colour": 1,
                "hosts.nodes.0.hostKey": "no",
                "hosts.nodes.1.address": "172.16.20.205",
                "hosts.nodes.2.roles": ["worker"],
                "cluster.channel": 1.35,
                "network.podCidr": "10.1.0.1/16",
                "network.gatewayAddress": "172.16.20.5",
                "trust.extraRoots": [INTERMEDIATE.pem],
            }
        )
    )
    places = [problem.where.removeprefix("stack test onprem-mlops:") for problem in error.problems]
    assert sorted(places) == [
        "cluster.channel",
        "colour",
        "hosts.nodes",
        "hosts.nodes[0].hostKey",
        "name",
        "network.gatewayAddress",
        "network.loadBalancerRange",
        "network.podCidr",
        "trust.extraRoots[0]",
    ]
    assert "9 problems" in error.summary


def test_values_handed_in_are_left_as_they_are() -> None:
    values = changed({"network.podCidr": "x"})
    refused(values)
    assert values == changed({"network.podCidr": "x"})
    assert good() == good()


PEM = "-----BEGIN CERTIFICATE-----\nhunter2\n-----END CERTIFICATE-----"
JUNK = ("²", "9" * 5000, None, True, 7, -1.5, 10**30, float("nan"), "", "x", "\n", "é", "10.0.0.0/8", "10.0.0.1", PEM, b"x")
JUNK_SHAPES: tuple[object, ...] = ([], {}, (1,), ["x"], [[]], [{}], {"x": 1}, {"kind": "x"}, {"kind": ["own"]}, {1: 2})


def holders(value: object) -> list[dict[Any, Any] | list[Any]]:
    """Every mapping and list inside a value, none of them empty."""
    if not isinstance(value, dict | list) or not value:
        return []
    items = list(value.values()) if isinstance(value, dict) else value
    return [value, *(holder for item in items for holder in holders(item))]


def spoil(values: Values, dice: random.Random) -> None:
    """Puts junk in place of something."""
    holder: Any = dice.choice(holders(values))
    place = dice.choice(list(holder)) if isinstance(holder, dict) else dice.randrange(len(holder))
    holder[place] = copy.deepcopy(dice.choice((*JUNK, *JUNK_SHAPES)))


def test_whatever_stands_there_the_report_is_one_for_people() -> None:
    dice = random.Random(3)  # noqa: S311  (a repeatable sample, no secret)
    bastion = {"address": "172.16.8.4", "user": "jump", "hostKey": KEYS[3]}
    reports: list[SettingsError] = []
    for turn in range(100):
        values = changed({**CORPORATE, **PROXY, **OIDC, **FURTHER, "hosts.access.bastion": bastion})
        for _ in range(2):
            spoil(values, dice)
        try:
            parse_site(values, origin=Origin(stack="test", from_engine=turn % 2 == 0), now=NOW)
        except SettingsError as error:
            reports.append(error)
    assert len(reports) > 80
    for report in reports:
        assert report.problems
        assert all(problem.where and problem.allowed for problem in report.problems), str(report)
        assert "Unusable" not in str(report)
