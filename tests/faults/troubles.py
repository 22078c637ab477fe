"""When harm comes: before a command of a step, in a call of a program, as soon as the engine says something, or before the run."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from mlops.rehearsal.site.daemon import Fault, Reply
from mlops.rehearsal.site.faults import Command, Place
from tests.faults.harms import Harm, nothing
from tests.faults.world import Mode, World


@dataclass(frozen=True)
class Stage:
    """Where a trouble plays: the world, the host that it comes to, and how steps run there."""

    world: World
    host: str
    mode: Mode


class Trouble(Protocol):
    """What goes wrong in a case: armed before the run, disarmed after it, mended before the next."""

    @property
    def fails(self) -> bool:
        """Whether the run ends with an error."""

    def arm(self, stage: Stage) -> None:
        """Makes it come."""

    def disarm(self, stage: Stage) -> str:
        """Tells in words where it came; fails when it did not."""

    def mend(self, stage: Stage) -> None:
        """What people do before the next run."""


@dataclass(frozen=True)
class Halted:
    """Harm between two commands of a step.

    Attributes:
        step: the step that is halted.
        at: before its first, middle or last command, or before the first that a bash pattern matches.
        harm: what happens then.
    """

    step: str
    at: str
    harm: Harm

    @property
    def fails(self) -> bool:
        return self.harm.fails

    def arm(self, stage: Stage) -> None:
        stage.world.faults.arm(stage.host, self._place(stage), lambda command: self.harm.strike(stage.world, stage.host, command))

    def _place(self, stage: Stage) -> Place:
        if self.at not in {"first", "middle", "last"}:
            return Place(self.step, pattern=self.at)
        length = stage.world.length(stage.mode, self.step, stage.host)
        return Place(self.step, {"first": 1, "middle": (length + 1) // 2, "last": length}[self.at])

    def disarm(self, stage: Stage) -> str:
        command = stage.world.faults.disarm(stage.host)
        assert command is not None, f"step {self.step} never came to {self.at} on {stage.host}"
        return f"{self.step} on {stage.host} before command {command.index}: {command.text}"

    def mend(self, stage: Stage) -> None:
        self.harm.mend(stage.world, stage.host)


@dataclass(frozen=True)
class Answered:
    """The next call of a program goes wrong.

    Attributes:
        command: start of the command line.
        words: what it prints; without words the host loses power in it and boots again.
        after: it has happened all the same.
    """

    command: tuple[str, ...]
    words: str = ""
    after: bool = False
    fails: bool = True

    def arm(self, stage: Stage) -> None:
        fault = Fault(self.command, host=stage.host, reply=Reply(1, out=self.words))
        fault.action = "fail-after" if self.after else "fail" if self.words else "reboot"
        stage.world.injected = fault
        stage.world.site.inject(fault)

    def disarm(self, stage: Stage) -> str:
        fault = stage.world.injected
        assert fault is not None
        left, fault.times = fault.times, 0
        assert left == 0, f"{' '.join(self.command)} was not called on {stage.host}"
        if fault.action == "reboot":
            assert fault.rebooted.wait(60), f"{stage.host} has not come up again"
        return f"{' '.join(self.command)} on {stage.host}: {self.words.strip() or 'power loss'}"

    def mend(self, stage: Stage) -> None:
        nothing(stage.world, stage.host)


@dataclass(frozen=True)
class Said:
    """Harm as soon as the engine says something; for steps that run on the machine that deploys.

    Attributes:
        words: what it says.
        harm: what happens then.
    """

    words: str
    harm: Harm

    @property
    def fails(self) -> bool:
        return self.harm.fails

    def arm(self, stage: Stage) -> None:
        world = stage.world
        world.over.clear()
        world.running = None

        def listen() -> None:
            while not world.over.wait(0.05):
                if world.running is not None and self.words in world.running.text:
                    self.harm.strike(world, stage.host, Command("", 0, self.words))
                    return

        world.listener = threading.Thread(target=listen, name="listener", daemon=True)
        world.listener.start()

    def disarm(self, stage: Stage) -> str:
        world = stage.world
        world.over.set()
        assert world.listener is not None
        world.listener.join()
        assert world.running is not None
        assert self.words in world.running.text, f"the engine never said {self.words}"
        return f"when the engine said: {self.words}"

    def mend(self, stage: Stage) -> None:
        self.harm.mend(stage.world, stage.host)


@dataclass(frozen=True)
class Beforehand:
    """Something is not as it must be when the run begins.

    Attributes:
        what: in words.
        spoil: makes it so.
        mend_it: what people do before the next run.
    """

    what: str
    spoil: Callable[[World, str], None]
    mend_it: Callable[[World, str], None] = nothing
    fails: bool = True

    def arm(self, stage: Stage) -> None:
        self.spoil(stage.world, stage.host)

    def disarm(self, stage: Stage) -> str:
        return f"{stage.host}: {self.what}"

    def mend(self, stage: Stage) -> None:
        self.mend_it(stage.world, stage.host)
