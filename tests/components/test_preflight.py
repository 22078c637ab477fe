"""Probes and preflight as resources: what they hold, that nothing secret shows, and that a second run is the same."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.hosts.preflight import Preflight, PreflightArgs
from components.proxy import proxy_access
from mlops.hosts.preflight import Order
from tests.components.recording import Registered, record
from tests.components.site_layers import KEY, names_of, site

PASSWORD = "proxy-password"


def with_password(values: dict[str, Any]) -> None:
    values["proxy"] |= {"username": "svc", "password": PASSWORD}


def registered(change: Any = with_password, *, key: str | None = KEY, preview: bool = False) -> Registered:
    settings = site("corporate", change, key=key)
    return record(lambda: Preflight("hosts", PreflightArgs(site=settings, proxy=proxy_access(settings))), preview=preview)


@pytest.fixture(scope="module")
def corporate() -> Registered:
    return registered()


def test_every_living_host_is_probed_and_all_are_judged_together(corporate: Registered) -> None:
    probes = {f"hosts-{name}-probe" for name in names_of(site("corporate"))}
    assert {item.name for item in corporate.of_type("command:remote:Command")} == probes
    assert probes <= corporate.before("hosts-preflight")


def test_the_judge_understands_what_it_is_given(corporate: Registered) -> None:
    judge = corporate.one("hosts-preflight", "command:local:Command")
    order = Order.model_validate_json(judge.inputs["stdin"])
    assert set(order.facts) == set(names_of(site("corporate"))) == {target.name for target in order.targets}
    assert order.targets[0].door.key == KEY
    assert order.targets[0].bastion is not None
    assert order.values["corp1"]["PROXY_PASSWORD"] == PASSWORD


def test_what_is_secret_is_a_secret_input_and_shows_nowhere_else(corporate: Registered) -> None:
    judge = corporate.one("hosts-preflight", "command:local:Command")
    assert "stdin" in judge.secret_inputs
    clear = json.dumps([{**item.inputs, "stdin": "", "connection": ""} for item in corporate.all])
    assert PASSWORD not in clear
    assert "PRIVATE KEY" not in clear
    assert judge.inputs["interpreter"][0] == ".venv/bin/python", "no path of this machine in the state"


def test_a_second_run_is_the_same(corporate: Registered) -> None:
    again = registered()
    assert {item.name: item.inputs for item in again.all} == {item.name: item.inputs for item in corporate.all}


def test_an_epoch_probes_its_host_again_and_no_other(corporate: Registered) -> None:
    def again(values: dict[str, Any]) -> None:
        with_password(values)
        values["hosts"]["nodes"][1]["epoch"] = 2

    after = registered(again)
    changed = {
        item.name
        for item in after.of_type("command:remote:Command")
        if item.inputs["stdin"] != corporate.one(item.name).inputs["stdin"]
    }
    assert changed == {"hosts-corp2-probe"}


def test_a_preview_needs_no_key() -> None:
    before = registered(key=None, preview=True).before("hosts-preflight")
    assert {f"hosts-{name}-probe" for name in names_of(site("corporate"))} <= before
