"""The rules on literal manifests (rule_cases.py), and what holds for the table of rules itself."""

from __future__ import annotations

import dataclasses
import inspect
import random
import re
import textwrap
from pathlib import Path

import pytest

from mlops.ordering import ALL_RULES, DIALLED, RULES, Overrides, build_graph, parse_documents
from tests.ordering.rule_cases import CASES


@pytest.mark.parametrize(("rule", "text", "expected"), [pytest.param(r, t, e, id=f"{r} {name}") for r, name, t, e in CASES])
def test_rule_on_a_literal_manifest(rule: str, text: str, expected: set[str]) -> None:
    graph = build_graph(parse_documents(text, origin="t"), ALL_RULES)
    assert {f"{e.source} -> {e.target} {e.strength.name}" for e in graph.edges if e.rule == rule} == expected
    assert all(edge.reason for edge in graph.edges)


@pytest.mark.parametrize("text", [pytest.param(text, id=f"{rule} {name}") for rule, name, text, _ in CASES])
def test_the_order_of_documents_does_not_matter(text: str) -> None:
    objects = parse_documents(text, origin="t")
    graph = build_graph(objects, ALL_RULES)
    for seed in range(5):
        shuffled = random.Random(seed).sample(objects, len(objects))  # noqa: S311  (no secret)
        other = build_graph(shuffled, ALL_RULES)
        assert other == graph
        assert (other.in_order(), other.deletion_order()) == (graph.in_order(), graph.deletion_order())


def test_ids_are_unique_and_in_order_and_every_rule_says_where_it_is_from() -> None:
    ids = [rule.id for rule in ALL_RULES]
    assert ids == [f"R{i}" for i in range(1, 25) if i != 8]
    for rule in ALL_RULES:
        text = inspect.getdoc(rule.find) or ""
        assert text.startswith(rule.id)
        assert "Source" in text
        assert rule.says


def test_names_that_pods_dial_count_only_on_request() -> None:
    assert DIALLED not in RULES


def test_the_conversion_webhook_of_a_crd_waits_for_its_injected_ca() -> None:
    text = next(text for rule, name, text, _ in CASES if name == "several versions served")
    text += "---\n{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: c, namespace: n}}\n"
    edges = build_graph(parse_documents(text, origin="t")).edges
    assert [str(e.target) for e in edges if e.rule == "R7"] == ["Certificate.cert-manager.io n/c"]


def test_the_documentation_has_every_rule_and_its_example_of_overrides_is_valid() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "order.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if re.match(r"\| R\d", line)]
    assert rows == [f"| {rule.id} | {rule.says} | {rule.strength.name.lower()} |" for rule in ALL_RULES]
    entries = r"^    (?:(?:add|remove|selfInjecting|rulesAtRunTime|ignoreIfCyclical):|- \{).*\n"
    example = textwrap.dedent("".join(re.findall(entries, text, re.MULTILINE)))
    overrides = Overrides.parse(example, origin="docs/order.md")
    for field in dataclasses.fields(overrides):
        assert len(getattr(overrides, field.name)) == 1
