"""The rules as data. To teach the order something new, add a rule here; the graph and its callers stay as they are.

Ids follow the project's numbering of rules; a gap is a rule not needed by a bundle yet.
"""

from __future__ import annotations

from mlops.ordering import rules_admission as admission
from mlops.ordering import rules_reference as reference
from mlops.ordering.rule import Rule, Strength

RULES: tuple[Rule, ...] = (
    Rule("R1", "an object in a namespace needs the Namespace", Strength.HARD, reference.namespace),
    Rule("R2", "a custom resource needs its CRD established", Strength.HARD, reference.definition),
    Rule("R4", "an object that a webhook looks at needs the webhook to answer", Strength.HARD, admission.guarded),
    Rule(
        "R6", "a webhook answers once configuration, Service and the workload behind it are there", Strength.HARD, admission.backend
    ),
    Rule("R7", "a webhook whose CA is injected needs the injector, and follows its backend", Strength.HARD, admission.injected),
    Rule("R10", "a workload needs its ServiceAccount", Strength.SOFT, reference.service_account),
    Rule("R11", "a workload needs the bindings of its ServiceAccount, a binding its role", Strength.SOFT, reference.permissions),
    Rule("R12", "a workload needs the ConfigMaps and Secrets it reads", Strength.SOFT, reference.configuration),
    Rule("R14", "an issuer needs its controller and its CA, a certificate its issuer", Strength.SOFT, reference.issuer),
)
