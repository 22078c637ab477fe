"""What happens to a host or to the engine in a case, and what people do before they run ``pulumi up`` again."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace

from mlops.rehearsal.site.daemon import Reply
from mlops.rehearsal.site.faults import Command
from mlops.rehearsal.site.replies import RefusedError
from tests.faults.world import World
from tests.rehearsal.run.operators import Operator, until

TOKENS = "/var/snap/microk8s/current/credentials/persistent-cluster-tokens.txt"


def nothing(world: World, host: str) -> None:
    """There is nothing to mend."""


@dataclass(frozen=True)
class Harm:
    """Something that happens at a certain moment.

    Attributes:
        strike: does it; the command is the one before which a step is halted, its shell still there.
        mend: what people do before they run ``pulumi up`` again.
        fails: whether the run that it strikes ends with an error.
    """

    strike: Callable[[World, str, Command], None]
    mend: Callable[[World, str], None] = nothing
    fails: bool = True


def _cut(world: World, host: str, command: Command) -> None:
    world.faults.cut(host, command.process)


def _reboot(world: World, host: str, command: Command) -> None:
    world.site.reboot(host)


def _power_off(world: World, host: str, command: Command) -> None:
    world.site.power_off(host)


def power_on(world: World, host: str) -> None:
    """Somebody switches the host on."""
    world.site.power_on(host)


def _kill_step(world: World, host: str, command: Command) -> None:
    world.faults.kill(host, command.process)


def _kill_engine(world: World, host: str, command: Command) -> None:
    assert world.running is not None
    world.running.kill()


def _unlock(world: World, host: str) -> None:
    world.operator.end_leftovers()
    assert len(world.operator.locks()) == 1
    assert world.operator.run("cancel", "--yes").code == 0


def _second_operator(world: World, host: str, command: Command) -> None:
    world.second = world.operator.up()


def _was_locked_out(world: World, host: str) -> None:
    assert world.second is not None
    assert world.second.code != 0
    assert "the stack is currently locked by 1 lock(s)" in world.second.text


def _second_state(world: World, host: str, command: Command) -> None:
    """Somebody has copied the state, and runs the same at the same time: no lock of the engine holds them apart."""
    engine = world.operator.engine
    home = engine.home.with_name("second-engine")
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(engine.home, home, symlinks=True, ignore=shutil.ignore_patterns("locks"))
    other = Operator(replace(engine, home=home))
    waiting = world.beside.enter_context(other.running("up", "--yes", "--skip-preview"))
    until(lambda: f"{host}-{command.step} updating" in waiting.text or waiting.process.poll() is not None, "the second one's step")
    world.other = waiting


def _both_went_well(world: World, host: str) -> None:
    assert world.other is not None
    ended = world.other.end()
    assert ended.code == 0, ended.text


def _fill(world: World, host: str, command: Command) -> None:
    world.faults.fill(host, "/var")


def _empty(world: World, host: str) -> None:
    world.faults.empty(host, "/var")


CUT = Harm(_cut)
REBOOT = Harm(_reboot)
POWER_LOSS = Harm(_power_off, power_on)
STEP_KILLED = Harm(_kill_step)
ENGINE_KILLED = Harm(_kill_engine, _unlock)
SECOND_OPERATOR = Harm(_second_operator, _was_locked_out, fails=False)
SECOND_STATE = Harm(_second_state, _both_went_well, fails=False)
FULL_VAR = Harm(_fill, _empty)


def switch_off(world: World, host: str) -> None:
    """The host has lost its power before the run begins."""
    world.site.power_off(host)


def forget_token(world: World, host: str) -> None:
    """The first host no longer knows the token by which others join."""
    world.site.stand_ins.microk8s._nodes[world.first].tokens.clear()
    done = world.site.hosts[world.first].run(["sh", "-c", f": >{TOKENS}"])
    assert done.returncode == 0, done.stderr


def again_on_first(world: World, host: str) -> None:
    """As the message says."""
    world.again(world.first)


def half_join(world: World, host: str) -> None:
    """The next join registers the host and is cut before it has written any file on it."""
    microk8s = world.site.stand_ins.microk8s
    whole = microk8s._become_member

    def half(*_: object, **__: object) -> None:
        vars(microk8s).pop("_become_member")
        raise RefusedError(Reply(1, out="the connection was cut\n"))

    assert callable(whole)
    vars(microk8s)["_become_member"] = half
