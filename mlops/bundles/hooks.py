"""Hooks of Helm charts: nothing runs them here, so each becomes an ordinary object in the right order, or is left out by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby, pairwise, product
from typing import Literal

from mlops.errors import Problem, UserError
from mlops.ordering import KubeObject, ObjectRef

Fate = Literal["object", "leave out"]

_HOOK = "helm.sh/hook"
_WEIGHT = "helm.sh/hook-weight"
_BEFORE, _AFTER = "pre-install", "post-install"
_TESTS = {"test", "test-success", "test-failure"}
_EARLIER_ANYWAY = {"Namespace", "CustomResourceDefinition"}


@dataclass(frozen=True, slots=True)
class Precedence:
    """One object that has to be done before another, as a hook asks.

    Attributes:
        first: object that is written, and waited for, first.
        then: object after it.
        reason: for people.
    """

    first: ObjectRef
    then: ObjectRef
    reason: str


@dataclass(frozen=True, slots=True)
class Hook:
    """An object that a chart wants at certain moments.

    Attributes:
        item: the object.
        phases: the moments, e.g. ``pre-install``.
        weight: lower ones come first.
    """

    item: KubeObject
    phases: frozenset[str]
    weight: int

    @property
    def name(self) -> str:
        """How `chart.yaml` names it."""
        return f"{self.item.kind}/{self.item.name}"

    def __str__(self) -> str:
        return f"{self.name} ({', '.join(sorted(self.phases))})"


def hooks_of(objects: Iterable[KubeObject]) -> tuple[Hook, ...]:
    """The hooks among objects of a chart, in Helm's order: weight, kind, name."""
    hooks = (
        Hook(item, frozenset(phase.strip() for phase in phases.split(",")), _weight(item))
        for item in objects
        if (phases := item.annotations.get(_HOOK))
    )
    return tuple(sorted(hooks, key=lambda hook: (hook.weight, hook.name)))


def settle_hooks(
    objects: Iterable[KubeObject], fates: Mapping[str, Fate], bundle: str
) -> tuple[tuple[KubeObject, ...], tuple[Precedence, ...]]:
    """Decide about each hook.

    Tests are left out. ``object`` turns a hook that runs before or after the installation into an ordinary object, usually a Job:
    one of ``pre-install`` is done before the chart's other objects, one of ``post-install`` after them, and among hooks of a phase
    the lighter first, as Helm has it. A change of its content is what makes such a Job run again. ``leave out`` drops a hook.

    Args:
        objects: what the chart makes.
        fates: decisions by ``Kind/name``.
        bundle: name of the bundle, for messages.

    Returns:
        The objects that stay, without hook annotations, and their order as far as hooks ask for it.

    Raises:
        UserError: all hooks without a decision, each decision that is not possible, and each about a hook that there is not.
    """
    objects = tuple(objects)
    hooks = hooks_of(objects)
    kept, problems, undecided = [], [], []
    where = f"bundle {bundle} chart.yaml hooks"
    for hook in hooks:
        fate = fates.get(hook.name, "leave out" if hook.phases <= _TESTS else None)
        if fate is None:
            undecided.append(hook)
        elif fate == "object" and not hook.phases & {_BEFORE, _AFTER}:
            problems.append(Problem(where, f"{hook}: object", f"`object` for hooks of {_BEFORE} or {_AFTER} only", "leave it out"))
        elif fate == "object":
            kept.append(hook)
    if undecided:
        lines = [f"  {hook.name}: {'object, or: ' if hook.phases & {_BEFORE, _AFTER} else ''}leave out" for hook in undecided]
        found, mend = "\n".join(map(str, undecided)), "\n".join(["enter them:", "hooks:", *lines])
        problems.insert(0, Problem(where, found, "a decision about every hook", mend))
    known = ", ".join(map(str, hooks)) or "the chart has none"
    problems += [
        Problem(where, name, f"hooks of the chart: {known}") for name in fates if name not in {hook.name for hook in hooks}
    ]
    if problems:
        raise UserError(f"bundle {bundle} has hooks that nobody decided about", problems)
    plain = [item for item in objects if _HOOK not in item.annotations]
    return (*plain, *(_without_annotations(hook.item) for hook in kept)), tuple(_order(plain, kept))


def _order(plain: list[KubeObject], hooks: list[Hook]) -> Iterator[Precedence]:
    others = [item.ref for item in plain if item.kind not in _EARLIER_ANYWAY]
    before = [[hook.item.ref for hook in group] for group in _by_weight(hooks, _BEFORE)]
    after = [[hook.item.ref for hook in group] for group in _by_weight(hooks, _AFTER)]
    stages = [*before, others, *after] if others else [*before, *after]
    for firsts, thens in pairwise(stages):
        reason = "a hook of the chart comes before it" if firsts in before else "a hook of the chart comes after it"
        yield from (Precedence(first, then, reason) for first, then in product(firsts, thens) if first != then)


def _by_weight(hooks: list[Hook], phase: str) -> Iterator[list[Hook]]:
    """Hooks of a phase in groups of one weight; one of both phases counts as the earlier."""
    chosen = [hook for hook in hooks if phase in hook.phases and (phase == _BEFORE or _BEFORE not in hook.phases)]
    for _, group in groupby(chosen, key=lambda hook: hook.weight):
        yield list(group)


def _weight(item: KubeObject) -> int:
    text = item.annotations.get(_WEIGHT, "0")
    try:
        return int(text)
    except ValueError:
        return 0  # as Helm reads it


def _without_annotations(item: KubeObject) -> KubeObject:
    metadata = dict(item.body["metadata"])
    left = {name: value for name, value in item.annotations.items() if not name.startswith("helm.sh/hook")}
    metadata["annotations"] = left
    if not left:
        del metadata["annotations"]
    return replace(item, body={**item.body, "metadata": metadata})
