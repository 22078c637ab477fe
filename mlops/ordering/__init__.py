"""Order of Kubernetes objects, read off the objects themselves: objects -> rules -> graph -> gates. Pure: no input or output.

    from mlops.ordering import build_graph, parse_documents
    graph = build_graph(parse_documents(text, origin="bundle cert-manager"))
    for level in graph.levels(): ...

A new piece of knowledge about order is a new :class:`~mlops.ordering.rule.Rule` in :data:`~mlops.ordering.rules.RULES`;
nothing else changes.
"""

from mlops.ordering.gates import CrdEstablished, Gate, WebhookAnswers, WorkloadReady
from mlops.ordering.graph import Edge, Graph, build_graph
from mlops.ordering.kinds import Kinds, RestPath
from mlops.ordering.objects import KubeObject, ObjectRef, OrderingError, from_bodies, from_body, parse_documents
from mlops.ordering.rule import Rule, Strength
from mlops.ordering.rules import RULES

__all__ = [
    "RULES",
    "CrdEstablished",
    "Edge",
    "Gate",
    "Graph",
    "Kinds",
    "KubeObject",
    "ObjectRef",
    "OrderingError",
    "RestPath",
    "Rule",
    "Strength",
    "WebhookAnswers",
    "WorkloadReady",
    "build_graph",
    "from_bodies",
    "from_body",
    "parse_documents",
]
