"""What comes of asking: failed connections in words, facts that are none, old facts that are asked again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from mlops.hosts import preflight
from mlops.hosts.facts import Facts, FactsError
from mlops.hosts.ssh import Answer, Door, Target, failure
from tests.hosts.doctor import samples
from tests.hosts.doctor.samples import NAMES, NOW, wanted

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nnot-to-be-shown\n"
DOOR = Door(address="192.0.2.11", port=22, user="deploy", host_key="ssh-ed25519 AAAA", key=KEY)
JUMP = Door(address="192.0.2.250", port=2222, user="jump", host_key="ssh-ed25519 BBBB", key=KEY)
PLAIN = Target(name="node1", door=DOOR, bastion=None, sudo_password="secret-of-sudo")
BEHIND = PLAIN.model_copy(update={"bastion": JUMP})
AGENT = PLAIN.model_copy(update={"door": DOOR.model_copy(update={"key": None})})
SUDO = """sudo: a password is required
onprem-mlops: host node1 (step probe) needs root:
  - found: user deploy, who may not use sudo without a password
    allowed: root, a user with that right, or the password of sudo in hosts.access.sudoPassword
    mend: in /etc/sudoers.d/deploy on the host: deploy ALL=(ALL) NOPASSWD: ALL; or set that password
"""


def answer(code: int = 0, out: str = "", err: str = "", jump: str = "") -> Answer:
    return Answer(code, out, err, jump, float(NOW), 0.5)


@pytest.mark.parametrize(
    ("target", "reply", "check", "words"),
    [
        (PLAIN, answer(77, err=SUDO), "sudo", ("who may not use sudo without a password", "NOPASSWD")),
        (
            PLAIN,
            answer(255, err="ssh: connect to host 192.0.2.11 port 22: Connection refused"),
            "reachable",
            ("Connection refused",),
        ),
        (PLAIN, answer(255, err="ssh: connect to host 192.0.2.11 port 22: No route to host"), "reachable", ("No route to host",)),
        (PLAIN, answer(255, err="Host key verification failed."), "reachable", ("another host key", "ssh-keyscan -p 22")),
        (PLAIN, answer(255, err="deploy@192.0.2.11: Permission denied (publickey)."), "reachable", ("authorized_keys",)),
        (
            BEHIND,
            answer(255, err="Host key verification failed."),
            "reachable",
            ("on the bastion 192.0.2.250: `ssh-keyscan -p 22",),
        ),
        (AGENT, answer(255, err="deploy@192.0.2.11: Permission denied (publickey)."), "reachable", ("the SSH agent", "ssh-add -l")),
        (PLAIN, answer(255, err="no answer in 60 s"), "reachable", ("no answer in 60 s",)),
        (
            PLAIN,
            answer(2, err="onprem-mlops: host node1 (step probe): line 7: 'x' ended with exit code 2"),
            "reachable",
            ("line 7",),
        ),
        (
            BEHIND,
            answer(255, jump="ssh: connect to host 192.0.2.250 port 2222: Connection refused"),
            "reachable",
            ("bastion jump@192.0.2.250 port 2222", "Connection refused"),
        ),
        (
            BEHIND,
            answer(255, err="Connection closed", jump="jump@192.0.2.250: Permission denied (publickey)."),
            "reachable",
            ("bastion jump@", "hosts.access.bastion.key"),
        ),
        (
            BEHIND,
            answer(
                255,
                err="Connection closed",
                jump="channel 1: open failed: connect failed: No route to host\nstdio forwarding failed",
            ),
            "reachable",
            ("deploy@192.0.2.11 port 22", "No route to host"),
        ),
    ],
)
def test_a_failed_connection_is_told_with_what_to_do(target: Target, reply: Answer, check: str, words: Sequence[str]) -> None:
    finding = failure(target, reply)
    assert finding is not None
    assert (finding.check, finding.host, finding.severity) == (check, "node1", "error")
    text = f"{finding.found}\n{finding.needed}\n{finding.mend}"
    for word in words:
        assert word in text
    assert finding.mend


def test_an_answer_is_no_failure() -> None:
    assert failure(PLAIN, answer()) is None


def test_secrets_do_not_show() -> None:
    assert "not-to-be-shown" not in repr(BEHIND)
    assert "secret-of-sudo" not in repr(BEHIND)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Welcome to node1!\n{}", "the whole of it"),
        ("", "the whole of it"),
        (json.dumps({**samples.facts("node1"), "cores": "many"}), "cores"),
        (json.dumps({name: value for name, value in samples.facts("node1").items() if name != "machine_id"}), "machine_id"),
    ],
)
def test_what_is_no_facts_is_refused_with_its_place(text: str, words: str) -> None:
    with pytest.raises(FactsError, match=words):
        Facts.parse(text)


def order(**changes: Any) -> preflight.Order:
    values = {name: {"HOST_NAME": name, "PROXY_PASSWORD": ""} for name in NAMES}
    return preflight.Order(
        wanted=wanted(),
        facts={name: json.dumps(samples.facts(name, **changes.get(name, {}))) for name in NAMES},
        targets=tuple(PLAIN.model_copy(update={"name": name}) for name in NAMES),
        values=values,
    )


class Hosts:
    """Stands in for the hosts: what they answer now."""

    def __init__(self, **changes: dict[str, Any]) -> None:
        self.changes = changes
        self.asked: list[str] = []

    def __call__(self, targets: Sequence[Target], scripts: Mapping[str, str]) -> dict[str, Answer]:
        self.asked += [target.name for target in targets]
        assert all("HOST_NAME=" in scripts[name] for name in self.asked)
        replies = {name: samples.facts(name, **self.changes.get(name, {})) for name in self.asked}
        return {name: answer(out=json.dumps(reply)) for name, reply in replies.items()}


def test_good_facts_are_judged_without_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    hosts = Hosts()
    monkeypatch.setattr(preflight, "ask", hosts)
    assert preflight.judged(order(), NOW).errors == ()
    assert hosts.asked == []


def test_what_was_mended_since_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "ask", Hosts())
    assert preflight.judged(order(node2={"cgroup2": False}), NOW).errors == ()


def test_what_is_still_wrong_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "ask", Hosts(node2={"cgroup2": False}))
    assert [entry.check for entry in preflight.judged(order(node2={"cgroup2": False}), NOW).errors] == ["cgroup"]


@pytest.mark.parametrize("seconds", [300, -300])
def test_a_clock_that_is_off_is_asked_again_and_refused(seconds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    off = {"node3": {"time": NOW + seconds}}
    monkeypatch.setattr(preflight, "ask", Hosts(**off))
    assert [(entry.check, entry.host) for entry in preflight.judged(order(**off), NOW).errors] == [("clock", "node3")]


def test_an_old_probe_is_asked_again_and_no_slow_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    hosts = Hosts()
    monkeypatch.setattr(preflight, "ask", hosts)
    assert preflight.judged(order(**{name: {"time": NOW - 100_000} for name in NAMES}), NOW).errors == ()
    assert hosts.asked == list(NAMES)


def test_the_words_of_a_report_say_what_where_and_how_to_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {"node2": {"cgroup2": False, "swaps": "Filename\n/dev/dm-1 partition"}}
    monkeypatch.setattr(preflight, "ask", Hosts(**wrong))
    text = preflight.words(preflight.judged(order(**wrong), NOW))
    for words in ("error: host node2: cgroup", "systemd.unified_cgroup_hierarchy=1", "warning: host node2: swap", "note: "):
        assert words in text
    assert text.index("error:") < text.index("warning:") < text.index("note:")
