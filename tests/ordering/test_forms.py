"""Objects in another form than the API has: told with the path of the field, and never a failure of a rule."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest

from mlops.ordering import ALL_RULES, OrderingError, build_graph, from_bodies, parse_documents
from tests.ordering.rule_cases import CASES

ADMISSION = "apiVersion: admissionregistration.k8s.io/v1"
RBAC = "apiVersion: rbac.authorization.k8s.io/v1"
DEPLOYMENT = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: bad, namespace: n}\nspec: "
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: bad, namespace: n}\nspec: "
CRD = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: bad}\n"
WEBHOOK = f"{ADMISSION}\nkind: MutatingWebhookConfiguration\nmetadata: {{name: bad}}\nwebhooks: "
POLICY = f"{ADMISSION}\nkind: ValidatingAdmissionPolicy\nmetadata: {{name: bad}}\nspec: "
POD = f"{DEPLOYMENT}{{template: {{spec: POD}}}}"
REQUESTS = POD.replace("POD", "{containers: [{resources: {requests: REQUESTS}}]}")


@pytest.mark.parametrize(
    ("text", "path", "found", "allowed"),
    [
        (f"{DEPLOYMENT}text", "spec", "the text 'text'", "a mapping"),
        (f"{DEPLOYMENT}{{template: text}}", "spec.template", "the text 'text'", "a mapping"),
        (f"{DEPLOYMENT}{{replicas: three}}", "spec.replicas", "the text 'three'", "a whole number, 0 or more"),
        (f"{DEPLOYMENT}{{replicas: -1}}", "spec.replicas", "the number -1", "a whole number, 0 or more"),
        (f"{DEPLOYMENT}{{replicas: true}}", "spec.replicas", "true", "a whole number, 0 or more"),
        (POD.replace("POD", "{volumes: [text]}"), "spec.template.spec.volumes[0]", "the text 'text'", "a mapping"),
        (POD.replace("POD", "{containers: {a: b}}"), "spec.template.spec.containers", "a mapping", "a list"),
        (
            POD.replace("POD", "{containers: [{env: [{name: A, value: 5}]}]}"),
            "spec.template.spec.containers[0].env[0].value",
            "the number 5",
            "a text",
        ),
        (
            POD.replace("POD", "{containers: [{resources: text}]}"),
            "spec.template.spec.containers[0].resources",
            "the text 'text'",
            "a mapping",
        ),
        *(
            (
                REQUESTS.replace("REQUESTS", f"{{cpu: {text}}}"),
                "spec.template.spec.containers[0].resources.requests.cpu",
                f"'{text}'",
                "250m",
            )
            for text in ("abc", "5Q", "1 Gi", "Mi")
        ),
        (f"{SERVICE}{{selector: [a]}}", "spec.selector", "a list", "a mapping"),
        (f"{SERVICE}{{selector: {{a: 1}}}}", "spec.selector.a", "the number 1", "a text"),
        (f"{WEBHOOK}[null]", "webhooks[0]", "nothing", "a mapping"),
        (
            f"{WEBHOOK}[{{rules: [{{scope: namespaced}}]}}]",
            "webhooks[0].rules[0].scope",
            "'namespaced'",
            "one of *, Cluster, Namespaced",
        ),
        (f"{WEBHOOK}[{{rules: [{{operations: [CREAT]}}]}}]", "webhooks[0].rules[0].operations[0]", "'CREAT'", "CREATE"),
        (
            f"{WEBHOOK}[{{objectSelector: {{matchExpressions: [{{}}]}}}}]",
            "webhooks[0].objectSelector.matchExpressions[0].key",
            "",
            "a value",
        ),
        (
            f"{POLICY}{{matchConstraints: {{resourceRules: [{{scope: Galaxy}}]}}}}",
            "spec.matchConstraints.resourceRules[0].scope",
            "'Galaxy'",
            "Cluster",
        ),
        (f"{RBAC}\nkind: ClusterRoleBinding\nmetadata: {{name: bad}}\nroleRef: text", "roleRef", "the text 'text'", "a mapping"),
        (f"{RBAC}\nkind: RoleBinding\nmetadata: {{name: bad, namespace: n}}\nsubjects: [{{}}]", "subjects[0].name", "", "a value"),
        (CRD, "spec", "", "a value"),
        (f"{CRD}spec: {{group: g, names: []}}", "spec.names", "a list", "a mapping"),
        (f"{CRD}spec: {{group: g, names: {{kind: K, plural: ks}}}}", "spec.scope", "", "one of Cluster, Namespaced"),
        (
            f"{CRD}spec: {{group: g, scope: Galaxy, names: {{kind: K, plural: ks}}}}",
            "spec.scope",
            "'Galaxy'",
            "one of Cluster, Namespaced",
        ),
        (
            "apiVersion: v1\nkind: Secret\nmetadata: {name: bad, namespace: n, annotations: {a: 5}}",
            "metadata.annotations.a",
            "number 5",
            "text",
        ),
    ],
)
def test_a_value_in_another_form_is_told_with_its_path(text: str, path: str, found: str, allowed: str) -> None:
    with pytest.raises(OrderingError) as caught:
        build_graph(parse_documents(text, origin="t"))
    problem = next(problem for problem in caught.value.problems if problem.where.endswith(f" (t, document 1), {path}"))
    assert "bad" in problem.where
    assert found in problem.found
    assert allowed in problem.allowed


def test_what_the_api_server_takes_is_taken() -> None:
    text = (
        "apiVersion: v1\nkind: Pod\nmetadata: {name: good, namespace: n, annotations: {empty: }}\n"
        "spec: {containers: [{name: c, args: [--at, 10:30, null], resources: {requests: {cpu: }}}]}"
    )
    namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: n}\n"
    graph = build_graph(parse_documents(f"{namespace}---\n{text}", origin="t"))
    pod = next(item for item in graph.objects if item.kind == "Pod")
    assert pod.spec["containers"][0]["args"][1] == "10:30"


def test_everything_that_is_wrong_comes_at_once() -> None:
    text = f"{CRD}spec: {{names: text}}\n---\n{SERVICE}{{selector: [a]}}\n---\n" + "---\n".join(
        [f"{SERVICE}{{}}\n".replace("bad", "b")] * 2
    )
    with pytest.raises(OrderingError) as caught:
        build_graph(parse_documents(text, origin="t"))
    assert [problem.where.rpartition(", ")[2] for problem in caught.value.problems] == [
        "spec.group",
        "spec.scope",
        "spec.names",
        "spec.selector",
        "Service n/b",
    ]


JUNK: tuple[Any, ...] = (None, True, 7, -1.5, "", "x", [], {}, ["x"], [[]], [{}], [None], {"x": "y"}, {"name": None}, {"x": [1]})


def holders(value: Any) -> list[Any]:
    items = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return ([value] if items else []) + [holder for item in items for holder in holders(item)]


def test_whatever_stands_there_no_rule_fails() -> None:
    dice = random.Random(5)  # noqa: S311  (a repeatable sample, no secret)
    whole = [[dict(item.body) for item in parse_documents(text, origin="t")] for _, _, text, _ in CASES]
    refused = 0
    for bodies in whole:
        for _ in range(40):
            spoilt = copy.deepcopy(bodies)
            holder = dice.choice([holder for body in spoilt for holder in holders(body)])
            place = dice.choice(list(holder)) if isinstance(holder, dict) else dice.randrange(len(holder))
            holder[place] = copy.deepcopy(dice.choice(JUNK))
            try:
                graph = build_graph(from_bodies(spoilt, origin="t"), ALL_RULES, default_namespace="n")
                graph.deletion_order()
            except OrderingError:
                refused += 1
    assert refused > 10 * len(whole)
