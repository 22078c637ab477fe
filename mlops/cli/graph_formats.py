"""A graph for other programs: dot, Mermaid, JSON, one HTML page. Names, edges and reasons only: nothing out of the objects."""

from __future__ import annotations

import dataclasses
import json
from importlib.resources import files
from typing import Any

from mlops.cli.graph_text import edges_between
from mlops.ordering import ALL_RULES, Gate, Graph, ObjectRef, Strength, WebhookAnswers
from mlops.ordering.gates import CaBundlePresent

_MERMAID_CHARACTERS = 50_000
_MERMAID_EDGES = 500
_COLOURS = {Strength.HARD: "firebrick", Strength.SOFT: "gray40", Strength.SILENT: "darkorange"}


def dot(order: Graph) -> str:
    """The reduced graph for Graphviz, arrows from first to next."""
    numbers = {item.ref: f"n{i}" for i, item in enumerate(order.objects)}
    lines = ["digraph order {", "  rankdir=LR;", "  node [shape=box, fontname=sans-serif];"]
    lines += [f"  {numbers[ref]} [label={_quoted(_label(ref))}];" for ref in numbers]
    for level in order.levels():
        lines.append(f"  {{ rank=same; {' '.join(numbers[ref] + ';' for ref in level)} }}")
    for source, target, edges in edges_between(order):
        label = " ".join(sorted({edge.rule for edge in edges}))
        colour = _COLOURS[min((edge.strength for edge in edges), key=list(Strength).index, default=Strength.SOFT)]
        lines.append(f"  {numbers[target]} -> {numbers[source]} [label={_quoted(label)}, color={colour}];")
    return "\n".join([*lines, "}"])


def _label(ref: ObjectRef) -> str:
    return f"{ref.kind}\n{ref.namespace + '/' if ref.namespace else ''}{ref.name}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def mermaid(order: Graph) -> str:
    """The reduced graph for Mermaid, arrows from first to next."""
    numbers = {item.ref: f"n{i}" for i, item in enumerate(order.objects)}
    lines = ["flowchart LR"]
    lines += [f'  {number}["{_label(ref).replace(chr(34), "#quot;").replace(chr(10), "<br>")}"]' for ref, number in numbers.items()]
    for source, target, edges in edges_between(order):
        label = " ".join(sorted({edge.rule for edge in edges}))
        lines.append(f"  {numbers[target]} -->|{label}| {numbers[source]}")
    return "\n".join(lines)


def beyond_mermaid(text: str) -> str:
    """A remark about a text that Mermaid does not draw by default, else nothing.

    Source: https://mermaid.js.org/config/schema-docs/config.html (``maxTextSize``, ``maxEdges``).
    """
    edges = text.count(" -->|")
    if len(text) <= _MERMAID_CHARACTERS and edges <= _MERMAID_EDGES:
        return ""
    return (
        f"note: {len(text):,} characters and {edges:,} edges; Mermaid draws at most {_MERMAID_CHARACTERS:,} and {_MERMAID_EDGES:,} "
        "by default (maxTextSize, maxEdges): name fewer bundles, or take --format html or dot"
    )


def data(order: Graph) -> dict[str, Any]:
    """Everything that is known of the order, as plain values; objects are named as in messages."""
    level = {ref: number for number, refs in enumerate(order.levels()) for ref in refs}
    return {
        "objects": [
            {
                "id": str(item.ref),
                "group": item.group,
                "kind": item.kind,
                "namespace": item.namespace or "",
                "name": item.name,
                "origin": item.origin,
                "level": level[item.ref],
                "after": [str(ref) for ref in order.dependencies(item.ref)],
            }
            for item in order.objects
        ],
        "edges": [_edge(edge) for edge in order.edges],
        "cuts": [{**_edge(cut.edge), "because": cut.edge.yields.why, "cycle": [str(e) for e in cut.cycle]} for cut in order.cuts],
        "gates": [_gate(gate) for gate in order.gates],
        "findings": [dataclasses.asdict(problem) for problem in order.findings],
        "criticalPath": [str(ref) for ref in order.critical_path()],
        "removal": [str(ref) for ref in order.deletion_order()],
        "rules": {rule.id: rule.says for rule in ALL_RULES},
        "strengths": {strength.name.lower(): strength.value for strength in Strength},
    }


def _edge(edge: Any) -> dict[str, str]:
    return {
        "source": str(edge.source),
        "target": str(edge.target),
        "rule": edge.rule,
        "reason": edge.reason,
        "strength": edge.strength.name.lower(),
    }


def _gate(gate: Gate) -> dict[str, Any]:
    fields = {field.name: getattr(gate, field.name) for field in dataclasses.fields(gate)}
    place = "before" if isinstance(gate, WebhookAnswers | CaBundlePresent) else "after"
    return {"type": type(gate).__name__, "place": place, **{name: _plain(value) for name, value in fields.items()}}


def _plain(value: object) -> object:
    if isinstance(value, ObjectRef):
        return str(value)
    return [_plain(inner) for inner in value] if isinstance(value, tuple) else value


def as_json(order: Graph) -> str:
    """:func:`data` as JSON."""
    return json.dumps(data(order), indent=1)


def html(order: Graph) -> str:
    """One page that holds all it needs: no other file, no network."""
    page = files("mlops.cli").joinpath("graph_page.html").read_text(encoding="utf-8")
    # inside a script element the only dangerous text is its end; as an escape it is the same JSON
    text = json.dumps(data(order), separators=(",", ":")).replace("<", "\\u003c")
    return page.replace("/*DATA*/null", text)
