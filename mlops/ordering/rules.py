"""The rules as data. To teach the order something new, add a rule here; the graph and its callers stay as they are.

R8 makes no edge: it says who gives a webhook its CA, and so which edges R7 may make (:func:`rules_admission.authority_of`).
"""

from __future__ import annotations

from mlops.ordering import rules_admission as admission
from mlops.ordering import rules_certificates as certificates
from mlops.ordering import rules_controller as controllers
from mlops.ordering import rules_mesh as mesh
from mlops.ordering import rules_reference as reference
from mlops.ordering import rules_target as targets
from mlops.ordering.rule import Rule, Strength, Yields

_HARD, _SOFT, _SILENT = Strength.HARD, Strength.SOFT, Strength.SILENT

RULES: tuple[Rule, ...] = (
    Rule("R1", "an object in a namespace needs the Namespace", _HARD, reference.namespace),
    Rule("R2", "a custom resource needs its CRD established", _HARD, reference.definition),
    Rule("R3", "a custom resource that a webhook converts needs the webhook to answer", _HARD, admission.conversion),
    Rule("R4", "an object that a webhook looks at needs the webhook to answer", _HARD, admission.guarded),
    Rule("R5", "a workload whose pods a webhook looks at needs the webhook to answer", _SILENT, admission.guarded_pods),
    Rule("R6", "a webhook answers once configuration, Service and the workload behind it are there", _HARD, admission.backend),
    Rule("R7", "a webhook whose CA is injected needs the injector, and follows its backend", _HARD, admission.injected),
    Rule("R9", "an object of an aggregated API needs the API available", _HARD, admission.aggregated),
    Rule("R10", "a workload needs its ServiceAccount", _SOFT, reference.service_account),
    Rule("R11", "a workload needs the bindings of its account, those their roles", _SOFT, reference.permissions, Yields.RIGHTS),
    Rule("R12", "a workload needs the ConfigMaps, Secrets and claims it reads", _SOFT, reference.configuration),
    Rule("R13", "a workload needs the Certificate that makes a Secret it reads", _SOFT, certificates.issued_secret),
    Rule("R14", "an issuer needs its controller and its CA, a certificate its issuer", _SOFT, certificates.issuer),
    Rule("R15", "a workload in the mesh needs the mesh on its node", _SILENT, mesh.meshed),
    Rule("R16", "a gateway needs the mesh's control plane, a route its gateway", _SOFT, mesh.routed),
    Rule("R17", "a claim needs its StorageClass, that its provisioner", _SOFT, targets.storage),
    Rule("R18", "what goes with another object by name needs that object", _SOFT, targets.companions, Yields.TARGET),
    Rule("R19", "a workload needs the classes it names", _SOFT, reference.classes),
    Rule("R20", "an object that an admission policy looks at needs the policy in force", _SILENT, admission.policed),
    Rule("R21", "a workload needs the ConfigMaps that its variables name", _SOFT, controllers.named_configuration),
    Rule(
        "R22", "a custom resource needs the controller of its kind, that the CRD", _SOFT, controllers.controller, Yields.CONTROLLER
    ),
    Rule("R23", "an object in a namespace that a custom resource makes needs that resource", _HARD, controllers.made_namespace),
)

DIALLED = Rule("R24", "a workload needs the Services that it is told to dial", _SOFT, targets.dialled, Yields.DIALLED)
"""Low confidence: only on request."""

ALL_RULES: tuple[Rule, ...] = (*RULES, DIALLED)
