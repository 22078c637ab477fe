"""Order of Kubernetes objects, read off the objects themselves: objects -> rules -> graph -> gates. Pure: no input or output.

    from mlops.ordering import build_graph, parse_documents
    graph = build_graph(parse_documents(text, origin="bundle cert-manager"))
    for level in graph.levels(): ...

A new piece of knowledge about order is a new :class:`~mlops.ordering.rule.Rule` in :data:`~mlops.ordering.rules.RULES`;
nothing else changes. What a person knows better than the rules is data: :class:`~mlops.ordering.overrides.Overrides`.
"""

from mlops.ordering.build import build_graph, idle_overrides
from mlops.ordering.contraction import Unit, contract
from mlops.ordering.deletion import Removal
from mlops.ordering.edge import Cut, Edge
from mlops.ordering.errors import OrderingError
from mlops.ordering.gates import (
    ApiServiceAvailable,
    CaBundlePresent,
    ConditionReady,
    CrdEstablished,
    Gate,
    NamespaceMade,
    WebhookAnswers,
    WorkloadReady,
)
from mlops.ordering.graph import Graph
from mlops.ordering.kinds import Kinds, RestPath
from mlops.ordering.objects import KubeObject, ObjectRef, from_bodies, from_body, parse_documents
from mlops.ordering.overrides import Overrides
from mlops.ordering.rule import Rule, Strength
from mlops.ordering.rules import ALL_RULES, DIALLED, RULES

__all__ = [
    "ALL_RULES",
    "DIALLED",
    "RULES",
    "ApiServiceAvailable",
    "CaBundlePresent",
    "ConditionReady",
    "CrdEstablished",
    "Cut",
    "Edge",
    "Gate",
    "Graph",
    "Kinds",
    "KubeObject",
    "NamespaceMade",
    "ObjectRef",
    "OrderingError",
    "Overrides",
    "Removal",
    "RestPath",
    "Rule",
    "Strength",
    "Unit",
    "WebhookAnswers",
    "WorkloadReady",
    "build_graph",
    "contract",
    "from_bodies",
    "from_body",
    "idle_overrides",
    "parse_documents",
]
