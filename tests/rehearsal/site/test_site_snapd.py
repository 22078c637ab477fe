"""The stand-in for snapd, as a host's scripts see it."""

from __future__ import annotations

import threading
from typing import Literal

import pytest

from mlops.rehearsal.site.daemon import Call, Daemon, Fault, Reply
from mlops.rehearsal.site.snapd import Snapd


class Recorder:
    def __init__(self) -> None:
        self.events: list[tuple[str, ...]] = []
        self.fail = False
        self.gate = threading.Event()
        self.gate.set()

    def install(self, host: str, version: str) -> None:
        self.gate.wait(5)
        if self.fail:
            raise RuntimeError("no room")
        self.events.append(("install", host, version))

    def remove(self, host: str) -> None:
        self.events.append(("remove", host))

    def refresh(self, host: str, version: str) -> None:
        self.events.append(("refresh", host, version))


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def snapd(recorder: Recorder) -> Snapd:
    return Snapd(lambda track: f"v{track}.4", recorder.install, recorder.remove, recorder.refresh)


def run(snapd: Snapd, line: str, user: int = 0) -> Reply:
    return snapd.handle(Call("node1", tuple(line.split()), user))


INSTALL = "snap install microk8s --classic --channel=1.35/stable"


def test_install_hold_list_remove(snapd: Snapd, recorder: Recorder) -> None:
    assert run(snapd, "snap list microk8s").code == 1
    assert run(snapd, INSTALL).code == 0
    assert run(snapd, "snap refresh --hold microk8s").code == 0
    fields = run(snapd, "snap list microk8s").out.splitlines()[1].split()
    assert (fields[0], fields[3], fields[5]) == ("microk8s", "1.35/stable", "classic,held")
    assert run(snapd, INSTALL).code == 0
    assert run(snapd, "snap remove --purge microk8s").code == 0
    assert run(snapd, "snap list microk8s").code == 1
    assert recorder.events == [("install", "node1", "v1.35.4"), ("remove", "node1")]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("snap install microk8s --classic --channel=1.99/stable", "not available on 1.99/stable"),
        ("snap install microk8s --classic --channel=1.35/best", "not available on 1.35/best"),
        ("snap install microk8s --channel=1.35/stable", "--classic"),
        ("snap install other", "not found"),
        ("snap refresh microk8s", "not installed"),
        ("snap frobnicate", "unknown command"),
    ],
)
def test_what_snap_refuses(snapd: Snapd, recorder: Recorder, line: str, says: str) -> None:
    reply = run(snapd, line)
    assert reply.code != 0
    assert says in reply.err
    assert recorder.events == []


def test_only_root_changes_anything(snapd: Snapd, recorder: Recorder) -> None:
    assert "access denied" in run(snapd, INSTALL, user=1000).err
    assert run(snapd, "snap list", user=1000).code == 0
    assert recorder.events == []


def test_a_failed_install_leaves_nothing(snapd: Snapd, recorder: Recorder) -> None:
    recorder.fail = True
    assert "no room" in run(snapd, INSTALL).err
    assert run(snapd, "snap list microk8s").code == 1
    assert recorder.events == [("remove", "node1")]


def test_a_running_change_is_listed_and_can_be_watched(snapd: Snapd, recorder: Recorder) -> None:
    recorder.gate.clear()
    installing = threading.Thread(target=run, args=(snapd, INSTALL))
    installing.start()
    while not snapd.state("node1").changes:
        pass
    assert run(snapd, "snap changes").out.splitlines()[1].split()[:2] == ["1", "Doing"]
    watching = threading.Thread(target=run, args=(snapd, "snap watch 1"))
    watching.start()
    assert watching.is_alive()
    recorder.gate.set()
    watching.join(5)
    installing.join(5)
    assert run(snapd, "snap changes").out.splitlines()[1].split()[:2] == ["1", "Done"]


def test_refresh_to_another_channel(snapd: Snapd, recorder: Recorder) -> None:
    run(snapd, "snap install microk8s --classic --channel=1.34/stable")
    assert run(snapd, "snap refresh microk8s --channel=1.35/stable").code == 0
    assert recorder.events[-1] == ("refresh", "node1", "v1.35.4")


@pytest.mark.parametrize(("action", "happens"), [("fail", 1), ("fail-after", 2), ("delay", 2), ("reboot", 1)])
def test_faults(action: Literal["fail", "fail-after", "reboot", "delay"], happens: int) -> None:
    handled: list[Call] = []
    rebooted: list[str] = []

    def handle(call: Call) -> Reply:
        handled.append(call)
        return Reply()

    daemon = Daemon(handle, rebooted.append)
    daemon.inject(Fault(("snap", "install"), host="node1", action=action))
    call = Call("node1", ("snap", "install", "microk8s"), 0)
    replies = [daemon.answer(Call("node2", call.argv, 0)), daemon.answer(call), daemon.answer(call)]
    codes = [reply.code for reply in replies if isinstance(reply, Reply)]
    assert codes == [0, 0 if action == "delay" else 1, 0]
    assert len(handled) == happens + 1
    assert rebooted == (["node1"] if action == "reboot" else [])
