"""The fault table: what the engine is about to do, what goes wrong then, and what it tells. Each case is one row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tests.faults.harms import (
    CUT,
    ENGINE_KILLED,
    FULL_VAR,
    POWER_LOSS,
    REBOOT,
    SECOND_OPERATOR,
    SECOND_STATE,
    STEP_KILLED,
    again_on_first,
    forget_token,
    half_join,
    power_on,
    switch_off,
)
from tests.faults.troubles import Answered, Beforehand, Halted, Said, Trouble
from tests.faults.world import Mode, Work

Third = Literal["connections", "power", "membership"]
THIRDS: tuple[Third, ...] = ("connections", "power", "membership")
"""What takes turns; a third takes six to nine minutes, a case twenty to thirty seconds."""
COMES_AND_GOES = "worker5"
"""The host that is put in and taken out; not there in the beginning, so that its first case puts it in."""
_STAYS: set[Work] = {"again", "roll", "upgrade"}


@dataclass(frozen=True)
class Case:
    """One row.

    Attributes:
        name: for the report, and to run it alone.
        third: the third of the table that it belongs to.
        work: what ``up`` has to do.
        host: with which host.
        trouble: what goes wrong.
        told: words that the run must say.
        at: host that the trouble comes to, when it is another one.
    """

    name: str
    third: Third
    work: Work
    host: str
    trouble: Trouble
    told: tuple[str, ...] = ()
    at: str = ""

    @property
    def mode(self) -> Mode:
        """How steps run on the host that the trouble comes to."""
        return "again" if self.at or self.work in _STAYS else "fresh"


_LOST = ("the connection was lost while the step ran", "pulumi up again")
_KILLED = ("its process was killed", "pulumi up again")
_OFF = ("switch the host on",)

CASES = (
    # the connection, the engine, people: first half
    Case("probe-cut", "connections", "again", "worker4", Halted("probe", "middle", CUT), _LOST),
    Case("install-cut", "connections", "add", "worker5", Halted("microk8s", "quiet snap install *", CUT), _LOST),
    Case("removal-depart-cut", "connections", "remove", "worker5", Halted("depart", "remove_microk8s", CUT)),
    Case("prepare-cut-middle", "connections", "again", "plane2", Halted("prepare", "middle", CUT), _LOST),
    Case("describe-cut", "connections", "again", "plane1", Halted("describe", "middle", CUT), _LOST),
    Case("rolling-cut", "connections", "roll", "plane2", Halted("configure", "quiet snap restart *", CUT), _LOST),
    Case("engine-killed-in-prepare", "connections", "again", "worker4", Halted("prepare", "middle", ENGINE_KILLED)),
    Case("two-operators", "connections", "again", "worker4", Halted("microk8s", "first", SECOND_OPERATOR)),
    Case("step-killed", "connections", "again", "plane3", Halted("configure", "middle", STEP_KILLED), _KILLED),
    # the connection, the engine, people: second half
    Case("prepare-cut-first", "connections", "again", "worker4", Halted("prepare", "first", CUT), _LOST),
    Case("join-cut", "connections", "add", "worker5", Halted("join", "middle", CUT), _LOST),
    Case("removal-forget-cut", "connections", "remove", "worker5", Halted("forget", "remove_node *", CUT), at="plane1"),
    Case("microk8s-cut", "connections", "again", "plane3", Halted("microk8s", "last", CUT), _LOST),
    Case("members-cut", "connections", "again", "plane1", Halted("members", "middle", CUT), _LOST),
    Case("engine-killed-in-rolling", "connections", "roll", "plane2", Halted("configure", "quiet snap restart *", ENGINE_KILLED)),
    Case("engine-killed-in-nodes", "connections", "again", "worker4", Said("cluster-nodes updating", ENGINE_KILLED)),
    Case("two-copies-of-the-state", "connections", "again", "worker4", Halted("prepare", "middle", SECOND_STATE)),
    # the host itself: first half
    Case("probe-reboot", "power", "again", "worker4", Halted("probe", "middle", REBOOT), _LOST),
    Case("prepare-power-loss-in-a-file", "power", "add", "worker5", Halted("prepare", "mv -f *", POWER_LOSS), _LOST),
    Case("removal-depart-reboot", "power", "remove", "worker5", Halted("depart", "leave_cluster", REBOOT)),
    Case("install-power-loss", "power", "add", "worker5", Answered(("snap", "install", "microk8s")), _LOST),
    Case("removal-depart-power-loss", "power", "remove", "worker5", Halted("depart", "unprepare", POWER_LOSS)),
    Case("var-full-in-prepare", "power", "again", "worker4", Halted("prepare", "first", FULL_VAR)),
    Case("microk8s-power-loss-last", "power", "again", "worker4", Halted("microk8s", "last", POWER_LOSS), _LOST),
    Case("describe-reboot", "power", "again", "plane1", Halted("describe", "last", REBOOT), _LOST),
    Case("members-power-loss", "power", "again", "plane1", Halted("members", "last", POWER_LOSS), _LOST),
    Case("join-power-loss", "power", "again", "plane2", Halted("join", "last", POWER_LOSS), _LOST),
    Case("rolling-power-loss", "power", "roll", "plane3", Halted("configure", "quiet snap restart *", POWER_LOSS), _LOST),
    # the host itself: second half
    Case("probe-power-loss", "power", "again", "plane3", Halted("probe", "last", POWER_LOSS), _LOST),
    Case("prepare-reboot", "power", "again", "plane2", Halted("prepare", "middle", REBOOT), _LOST),
    Case("join-call-power-loss", "power", "add", "worker5", Answered(("microk8s", "join")), _LOST),
    Case("removal-forget-reboot", "power", "remove", "worker5", Halted("forget", "remove_node *", REBOOT), at="plane1"),
    Case("var-full-in-install", "power", "add", "worker5", Halted("microk8s", "first", FULL_VAR)),
    Case("removal-forget-power-loss", "power", "remove", "worker5", Halted("forget", "remove_node *", POWER_LOSS), at="plane1"),
    Case("microk8s-reboot", "power", "again", "plane2", Halted("microk8s", "middle", REBOOT), _LOST),
    Case("describe-power-loss", "power", "again", "plane1", Halted("describe", "middle", POWER_LOSS), _LOST),
    Case("members-reboot", "power", "again", "plane1", Halted("members", "middle", REBOOT), _LOST),
    Case("rolling-reboot", "power", "roll", "plane2", Halted("configure", "quiet snap restart *", REBOOT), _LOST),
    # who belongs to the cluster: first half
    Case(
        "join-told-as-failed",
        "membership",
        "add",
        "worker5",
        Answered(("microk8s", "join"), "the connection to the cluster was lost\n", after=True),
        ("microk8s join", "pulumi up again"),
    ),
    Case("removal-withdraw-killed", "membership", "remove", "worker5", Said("worker5-withdraw deleting", ENGINE_KILLED)),
    Case(
        "token-forgotten",
        "membership",
        "add",
        "worker5",
        Beforehand("the first host knows no token", forget_token, again_on_first),
        ("Invalid token",),
    ),
    Case("removal-leave-told-as-failed", "membership", "remove", "worker5", Answered(("microk8s", "leave"), "lost\n", after=True)),
    Case(
        "worker-half-joined",
        "membership",
        "reinstall",
        "worker4",
        Beforehand("join cut half way", half_join),
        ("microk8s join",),
    ),
    Case("lost-members-cut", "membership", "lose", "worker4", Halted("members", "middle", CUT), _LOST, at="plane1"),
    Case("return-join-reboot", "membership", "return", "worker4", Halted("join", "middle", REBOOT), _LOST),
    Case("upgrade-drain-killed", "membership", "upgrade", "plane2", Said("cluster-plane2-drain updating", ENGINE_KILLED)),
    # who belongs to the cluster: second half
    Case("host-off", "membership", "again", "worker4", Beforehand("switched off", switch_off, power_on), _OFF),
    Case(
        "plane-half-joined",
        "membership",
        "reinstall",
        "plane3",
        Beforehand("join cut half way", half_join, again_on_first),
        ("microk8s join",),
    ),
    Case("lost-voter-members-reboot", "membership", "lose", "plane3", Halted("members", "middle", REBOOT), _LOST, at="plane1"),
    Case("returned-voter-engine-killed", "membership", "return", "plane3", Halted("join", "middle", ENGINE_KILLED)),
    Case("reinstalled-members-cut", "membership", "reinstall", "worker4", Halted("members", "last", CUT), _LOST, at="plane1"),
    Case("upgrade-return-killed", "membership", "upgrade", "plane2", Said("cluster-plane2-return updating", ENGINE_KILLED)),
    Case(
        "token-refused",
        "membership",
        "add",
        "worker5",
        Answered(("microk8s", "join"), "Connection failed. Invalid token (500).\n"),
        ("Invalid token", "pulumi up again"),
    ),
)
