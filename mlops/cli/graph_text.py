"""A graph told in lines of text: edges, levels, reasons, ways, the critical path."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from mlops.errors import Problem, UserError
from mlops.ordering import ALL_RULES, Edge, Graph, ObjectRef
from mlops.ordering.rule import GATE_GROUP

_RULES = {rule.id: i for i, rule in enumerate(ALL_RULES)}


def edges(order: Graph) -> Iterator[str]:
    """Every edge and every cut, then a line of figures."""
    yield from map(str, order.edges)
    yield from map(str, order.cuts)
    yield summary(order)


def summary(order: Graph) -> str:
    """One line of figures."""
    counts = Counter(edge.rule for edge in order.edges)
    rules = ", ".join(f"{rule} {counts[rule]}" for rule in sorted(counts, key=lambda rule: _RULES.get(rule, len(_RULES))))
    return f"{len(order.objects)} objects, {len(order.edges)} edges, {len(order.levels())} levels: {rules}"


def levels(order: Graph) -> Iterator[str]:
    """Objects level by level."""
    for number, level in enumerate(order.levels()):
        yield f"level {number}"
        yield from (f"  {ref}" for ref in level)


def why(order: Graph, asked: str) -> Iterator[str]:
    """What holds objects back: every edge, those of gates below them, and the gates."""
    for ref in find(order, asked, option="--why"):
        yield str(ref)
        own = [edge for edge in order.why(ref) if edge.source == ref]
        behind = [edge for edge in order.why(ref) if edge.source != ref]
        for edge in own:
            yield f"  {edge}"
            if edge.target.group == GATE_GROUP:
                yield from (f"    {inner}" for inner in behind if inner.source == edge.target)
        yield from (f"  gate before it: {gate.reason}" for gate in order.gates_before(ref))
        yield from (f"  gate before its pods: {gate.reason}" for gate in order.pod_gates_before(ref))
        yield from (f"  gate after it: {gate.reason}" for gate in order.gates_after(ref))
        yield from (f"  {cut}" for cut in order.cuts if cut.edge.source == ref)
        if not own:
            yield "  nothing holds it back"


def way(order: Graph, source: str, target: str) -> Iterator[str]:
    """How one object waits for another, in whichever direction there is a way."""
    first, second = _ends(order, source, target)
    found = order.way(first, second) or order.way(second, first)
    if found:
        yield from map(str, found)
    else:
        yield f"neither waits for the other: {first}, {second}"


def critical_path(order: Graph) -> Iterator[str]:
    """The longest chain, with the edges that make it."""
    chain = order.critical_path()
    for number, ref in enumerate(chain):
        yield f"{number:>2} {ref}"
        if number:
            yield from (f"     {edge}" for edge in order.way(ref, chain[number - 1]))


def find(order: Graph, asked: str, *, option: str) -> list[ObjectRef]:
    """Objects that a person means.

    Raises:
        UserError: none.
    """
    refs = [item.ref for item in order.objects if asked.lower() in _spellings(item.ref)]
    if not refs:
        near = [str(item.ref) for item in order.objects if asked.lower() in str(item.ref).lower()][:5]
        mend = f"perhaps: {', '.join(near)}" if near else "mlops graph --levels lists them"
        problem = Problem(option, asked, "name, namespace/name, kind/name or kind/namespace/name of an object", mend)
        raise UserError("no such object", [problem])
    return refs


def _ends(order: Graph, *asked: str) -> list[ObjectRef]:
    """The one object of each name.

    Raises:
        UserError: none, or several; of all names at once.
    """
    ends: list[ObjectRef] = []
    problems: list[Problem] = []
    for name in asked:
        try:
            refs = find(order, name, option="--path")
        except UserError as error:
            problems += error.problems
            continue
        ends += refs[:1]
        if len(refs) > 1:
            problems.append(Problem("--path", f"{name}, as several are called", f"one of: {', '.join(map(str, refs))}"))
    if problems:
        raise UserError("it is not clear which objects are meant", problems)
    return ends


def _spellings(ref: ObjectRef) -> set[str]:
    spaced = f"{ref.namespace}/{ref.name}"
    return {
        text.lower()
        for text in (ref.name, spaced, f"{ref.kind}/{ref.name}", f"{ref.kind}/{spaced}", f"{ref.kind} {spaced}", str(ref))
    }


def edges_between(order: Graph) -> Iterator[tuple[ObjectRef, ObjectRef, list[Edge]]]:
    """The reduced dependencies, each with the edges that make it."""
    outgoing: dict[ObjectRef, list[Edge]] = {}
    for edge in order.edges:
        outgoing.setdefault(edge.source, []).append(edge)
    for item in order.objects:
        for target in order.dependencies(item.ref):
            own = outgoing.get(item.ref, [])
            direct = [edge for edge in own if edge.target == target]
            through = [
                e for e in own if e.target.group == GATE_GROUP and any(i.target == target for i in outgoing.get(e.target, ()))
            ]
            yield item.ref, target, direct + through
