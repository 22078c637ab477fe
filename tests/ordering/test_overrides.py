"""order.yaml: what it can say, what it does to the graph, and how its mistakes are told."""

from __future__ import annotations

import pytest

from mlops.ordering import OrderingError, Overrides, Strength, build_graph, idle_overrides
from mlops.ordering.rule import Found, Rule
from tests.ordering.objects_for_tests import deployment, obj, webhook

OBJECTS = [
    obj("v1", "ConfigMap", "c-x7f2", "n"),
    obj("v1", "Secret", "s", "n"),
    deployment("d", "n", volumes=[{"name": "v", "configMap": {"name": "c-x7f2"}}]),
]


def edges(text: str) -> set[tuple[str, str, str, str]]:
    graph = build_graph(OBJECTS, overrides=Overrides.parse(text, origin="order.yaml"))
    return {(str(e.source), str(e.target), e.rule, e.strength.name) for e in graph.edges}


READS = ("Deployment.apps n/d", "ConfigMap n/c-x7f2", "R12", "SOFT")


@pytest.mark.parametrize("text", ["", "---\n", "add: []\n", "# nothing\n"])
def test_an_empty_file_changes_nothing(text: str) -> None:
    assert edges(text) == {READS}


def test_edges_are_added_with_their_reason_and_removed_by_pattern_and_rule() -> None:
    added = "add: [{from: Deployment.apps n/*, to: Secret n/s, reason: it asks the API for it, strength: silent}]"
    assert edges(added) == {READS, ("Deployment.apps n/d", "Secret n/s", "override", "SILENT")}
    graph = build_graph(OBJECTS, overrides=Overrides.parse(added, origin="o"))
    assert [e.reason for e in graph.edges if e.rule == "override"] == ["it asks the API for it"]
    removed = "remove: [{from: Deployment.apps n/d, to: ConfigMap n/c-*, RULE reason: it waits itself}]"
    assert edges(removed.replace("RULE", "")) == set()
    assert edges(removed.replace("RULE", "rule: R12,")) == set()
    assert edges(removed.replace("RULE", "rule: R11,")) == {READS}


def test_a_target_in_another_bundle_may_be_missing() -> None:
    assert edges("add: [{from: Deployment.apps n/d, to: Secret elsewhere/s, reason: r}]") == {READS}


def test_a_rule_may_be_ignored_where_it_closes_a_cycle_but_never_what_is_refused_without() -> None:
    a, b = obj("v1", "Secret", "a", "n"), obj("v1", "Secret", "b", "n")

    def rule(name: str, strength: Strength, *, turned: bool) -> Rule:
        source, target = (b, a) if turned else (a, b)
        return Rule(name, "test", strength, lambda _view: [Found(source.ref, target.ref, "r")])

    ignored = Overrides.parse("ignoreIfCyclical: [{rule: R12, reason: r}]", origin="o")
    soft = [rule("R12", Strength.SOFT, turned=False), rule("R1", Strength.HARD, turned=True)]
    (one,) = build_graph([a, b], soft, ignored).cuts
    assert one.edge.rule == "R12"
    with pytest.raises(OrderingError, match="in a circle"):
        build_graph([a, b], soft)
    with pytest.raises(OrderingError, match="in a circle"):
        build_graph([a, b], [rule("R12", Strength.HARD, turned=False), rule("R1", Strength.HARD, turned=True)], ignored)


def test_several_files_work_as_one() -> None:
    first = Overrides.parse("add: [{from: Deployment.apps n/d, to: Secret n/s, reason: one}]", origin="1")
    second = Overrides.parse("remove: [{from: '*', to: ConfigMap *, reason: two}]", origin="2")
    graph = build_graph(OBJECTS, overrides=Overrides.merged([first, second]))
    assert [e.rule for e in graph.edges] == ["override"]


def test_rules_at_run_time_need_not_be_known() -> None:
    hook = webhook("w", rule={"resources": []})
    hook.body["webhooks"][0]["rules"] = []
    assert any("no rules" in problem.found for problem in build_graph([hook]).findings)
    text = "rulesAtRunTime: [{configuration: '*Configuration* w', reason: its backend fills them in}]"
    graph = build_graph([hook], overrides=Overrides.parse(text, origin="o"))
    assert not any("no rules" in problem.found for problem in graph.findings)


@pytest.mark.parametrize(
    ("text", "where", "told"),
    [
        ("add: [", "o, line 2", "the sections add, remove"),
        ("[]", "o", "a list"),
        ("add: \x01", "o, line 1", "printable"),
        ("a: 1\n---\nb: 1\n", "o", "2 documents"),
        ("edges: []", "o edges", "the unknown entry `edges`"),
        ("add: [{from: a, to: b}]", "o add[0].reason", "a value"),
        ("add: [{from: a, to: b, reason: ' '}]", "o add[0].reason", "a text that is not empty"),
        ("add: [{from: a, to: b, reason: r, strength: firm}]", "o add[0].strength", "'hard', 'soft' or 'silent'"),
        ("add: {from: a}", "o add", "a list"),
        ("ignoreIfCyclical: [{rule: R99, reason: r}]", "o ignoreIfCyclical[0].rule", "R1, R2"),
        ("remove: [{from: a, to: b, rule: r22, reason: r}]", "o remove[0].rule", "r22"),
        ("remove: [{from: 1, to: b, reason: r}]", "o remove[0].from", "the number 1"),
        *(
            (f"rulesAtRunTime: [{{configuration: a, rules: [{rule}], reason: r}}]", f"o rulesAtRunTime[0].rules[0].{place}", told)
            for rule, place, told in (
                ("{resources: [x]}", "apiGroups", "add apiGroups"),
                ("{operations: [CREAT]}", "operations[0]", "the text 'CREAT'"),
                ("{scope: Galaxy}", "scope", "'Cluster' or 'Namespaced'"),
                ("{kind: x}", "kind", "apiGroups, apiVersions, operations, resources, scope"),
            )
        ),
    ],
)
def test_a_wrong_file_is_told_with_its_place(text: str, where: str, told: str) -> None:
    with pytest.raises(OrderingError) as caught:
        Overrides.parse(text, origin="o")
    assert any(problem.where.startswith(where) for problem in caught.value.problems)
    assert told in str(caught.value)


def test_all_mistakes_of_a_file_at_once() -> None:
    with pytest.raises(OrderingError) as caught:
        Overrides.parse("add: [{from: a}]\nedges: 1\n", origin="o")
    assert {p.where for p in caught.value.problems} == {"o add[0].to", "o add[0].reason", "o edges"}


@pytest.mark.parametrize(
    "text",
    [
        "add: [{from: Deployment n/d, to: Secret n/s, reason: the group is missing}]",
        "remove: [{from: Deployment.apps n/gone, to: '*', reason: left over}]",
        "selfInjecting: [{configuration: Deployment.apps n/d, reason: no configuration}]",
        "rulesAtRunTime: [{configuration: w, reason: no such one}]",
    ],
)
def test_an_override_for_nobody_is_an_error(text: str) -> None:
    with pytest.raises(OrderingError, match=r"order\.yaml \w+\[0\]\.(from|configuration)"):
        build_graph(OBJECTS, overrides=Overrides.parse(text, origin="order.yaml"))


def test_an_override_for_an_object_that_cannot_be_read_is_no_mistake() -> None:
    overrides = Overrides.parse("add: [{from: Deployment.apps n/d, to: Secret n/s, reason: r}]", origin="o")
    with pytest.raises(OrderingError) as caught:
        build_graph([obj("apps/v1", "Deployment", "d", "n", spec="text"), *OBJECTS[:2]], overrides=overrides)
    assert [problem.found for problem in caught.value.problems] == ["the text 'text'"]


def test_of_several_files_the_one_with_the_mistake_is_named() -> None:
    fine = Overrides.parse("add: [{from: Deployment.apps n/d, to: Secret n/s, reason: r}]", origin="1")
    wrong = Overrides.parse("add: [{from: Deployment.apps n/e, to: Secret n/s, reason: r}]", origin="2")
    with pytest.raises(OrderingError) as caught:
        build_graph(OBJECTS, overrides=Overrides.merged([fine, wrong]))
    assert [problem.where for problem in caught.value.problems] == ["2 add[0].from"]


def test_a_cycle_names_the_file_of_an_override() -> None:
    text = "add: [{from: ConfigMap n/c-x7f2, to: Deployment.apps n/d, reason: mine}]"
    with pytest.raises(OrderingError, match=r"\[override, soft\] mine \(dir/order\.yaml add\[0\]\)"):
        build_graph(OBJECTS, overrides=Overrides.parse(text, origin="dir/order.yaml"))


@pytest.mark.parametrize(
    ("text", "where", "found"),
    [
        ("add: [{from: Deployment.apps n/d, to: Secret n/t, reason: r}]", "o add[0].to", "Secret n/t"),
        ("add: [{from: Secret n/s, to: Secret n/*, reason: r}]", "o add[0].to", "the object itself"),
        ("remove: [{from: Deployment.apps n/d, to: Secret n/s, reason: r}]", "o remove[0]", "there is no such edge"),
        ("remove: [{from: Deployment.apps n/d, to: ConfigMap *, rule: R11, reason: r}]", "o remove[0]", "no such edge of rule R11"),
        ("add: [{from: '* n/*', to: Secret n/s, reason: r}]", "", ""),
        ("remove: [{from: Deployment.apps n/d, to: ConfigMap *, rule: R12, reason: r}]", "", ""),
    ],
)
def test_an_override_that_changes_nothing_is_told(text: str, where: str, found: str) -> None:
    overrides = Overrides.parse(text, origin="o")
    graph = build_graph(OBJECTS, overrides=overrides)
    told = idle_overrides(graph.objects, overrides=overrides)
    assert [problem.where for problem in told] == ([where] if where else [])
    assert found in "".join(problem.found for problem in told)
    assert not any(where and problem.where == where for problem in graph.findings)
