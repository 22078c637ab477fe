"""What a person knows better than the rules, as data: ``order.yaml`` of a bundle. Each entry has its reason.

    add:                            # an edge that no rule sees
    - {from: Deployment.apps kubeflow/a, to: Job.batch kubeflow/b, reason: it reads the schema that the job makes}
    remove:                         # an edge that a rule sees where there is none
    - {from: "Thing.example.org *", to: Deployment.apps n/d, rule: R22, reason: ...}
    selfInjecting:                  # the backend fills in the CA, whatever annotation or caBundle say
    - {configuration: ValidatingWebhookConfiguration.admissionregistration.k8s.io w, reason: ...}
    rulesAtRunTime:                 # the backend fills in the webhooks' rules: these
    - configuration: ValidatingWebhookConfiguration.admissionregistration.k8s.io w
      rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [configmaps]}]
      reason: ...
    ignoreIfCyclical:               # edges of this rule are the first to be cut
    - {rule: R12, reason: ...}

Objects are named as everywhere in messages, ``Kind.group namespace/name``; ``*`` and ``?`` stand for any text and any character.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, StringConstraints, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from mlops.errors import Problem
from mlops.ordering.documents import load_yaml
from mlops.ordering.errors import OrderingError
from mlops.ordering.objects import ObjectRef
from mlops.ordering.rules import ALL_RULES
from mlops.ordering.words import told

_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
_ALLOWED = "one mapping with the sections add, remove, selfInjecting, rulesAtRunTime and ignoreIfCyclical, see docs/order.md"
# pydantic's name of a mistake -> what is allowed; the others are about a choice of texts, which pydantic lists
_WORDS = {
    "missing": "a value",
    "string_type": "a text",
    "string_too_short": "a text that is not empty",
    "list_type": "a list",
    "tuple_type": "a list",
    "model_type": "a mapping",
}


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True)

    reason: _Text
    _place: str = PrivateAttr(default="")

    @property
    def place(self) -> str:
        """File, section and number of the entry, for messages."""
        return self._place or "an override"

    def put(self, place: str) -> None:
        """Note the place."""
        self._place = place


class AddedEdge(_Entry):
    """An edge that no rule sees."""

    source: _Text = Field(alias="from")
    target: _Text = Field(alias="to")
    strength: Literal["hard", "soft", "silent"] = "soft"


class RemovedEdge(_Entry):
    """Edges that a rule sees where there are none; of all rules when none is named."""

    source: _Text = Field(alias="from")
    target: _Text = Field(alias="to")
    rule: _Text | None = None


class SelfInjecting(_Entry):
    """A webhook configuration whose backend fills in the CA."""

    configuration: _Text


class _WebhookRule(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True)

    api_groups: list[str]
    api_versions: list[str] = ["*"]
    operations: list[Literal["*", "CREATE", "UPDATE", "DELETE", "CONNECT"]]
    resources: list[str]
    scope: Literal["*", "Cluster", "Namespaced"] = "*"


class RulesAtRunTime(_Entry):
    """A webhook configuration whose backend fills in the rules of all its webhooks."""

    configuration: _Text
    rules: tuple[_WebhookRule, ...] = ()

    def bodies(self) -> tuple[dict[str, Any], ...]:
        """The rules as they will stand in the configuration."""
        return tuple(rule.model_dump(by_alias=True) for rule in self.rules)


class IgnoredIfCyclical(_Entry):
    """A rule whose edges are the first to be cut; edges without which a write is refused excepted."""

    rule: _Text


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True)

    add: tuple[AddedEdge, ...] = ()
    remove: tuple[RemovedEdge, ...] = ()
    self_injecting: tuple[SelfInjecting, ...] = ()
    rules_at_run_time: tuple[RulesAtRunTime, ...] = ()
    ignore_if_cyclical: tuple[IgnoredIfCyclical, ...] = ()


@dataclass(frozen=True, slots=True)
class Overrides:
    """Overrides of one bundle or of several.

    Attributes:
        add: edges to add.
        remove: edges to remove.
        self_injecting: configurations whose backend fills in the CA.
        rules_at_run_time: configurations whose backend fills in the rules.
        ignore_if_cyclical: rules whose edges are cut first.
    """

    add: tuple[AddedEdge, ...] = ()
    remove: tuple[RemovedEdge, ...] = ()
    self_injecting: tuple[SelfInjecting, ...] = ()
    rules_at_run_time: tuple[RulesAtRunTime, ...] = ()
    ignore_if_cyclical: tuple[IgnoredIfCyclical, ...] = ()

    @classmethod
    def parse(cls, text: str, *, origin: str) -> Overrides:
        """Read the text of an ``order.yaml``.

        Args:
            text: YAML.
            origin: name of the file, for messages.

        Raises:
            OrderingError: each thing that is wrong in it.
        """
        documents = [document for document in load_yaml(text, origin=origin, allowed=_ALLOWED) if document is not None]
        if len(documents) > 1 or not all(isinstance(document, dict) for document in documents):
            found = f"{len(documents)} documents" if len(documents) > 1 else told(documents[0])
            raise OrderingError(f"{origin} cannot be used", [Problem(origin, found, _ALLOWED)])
        try:
            file = _File.model_validate(documents[0] if documents else {})
        except ValidationError as error:
            raise OrderingError(f"{origin} cannot be used", [_told(entry, origin) for entry in error.errors()]) from error
        sections: dict[str, tuple[_Entry, ...]] = {to_camel(name): getattr(file, name) for name in _File.model_fields}
        known = [rule.id for rule in ALL_RULES]
        problems = []
        for section, entries in sections.items():
            for number, entry in enumerate(entries):
                entry.put(f"{origin} {section}[{number}]")
                rule = getattr(entry, "rule", None)
                if rule is not None and rule not in known:
                    problems.append(Problem(f"{entry.place}.rule", told(rule), f"one of {', '.join(known)}"))
        if problems:
            raise OrderingError(f"{origin} cannot be used", problems)
        return cls(file.add, file.remove, file.self_injecting, file.rules_at_run_time, file.ignore_if_cyclical)

    @classmethod
    def merged(cls, overrides: Iterable[Overrides]) -> Overrides:
        """Overrides of several bundles as one."""
        every = list(overrides)
        return cls(
            tuple(entry for one in every for entry in one.add),
            tuple(entry for one in every for entry in one.remove),
            tuple(entry for one in every for entry in one.self_injecting),
            tuple(entry for one in every for entry in one.rules_at_run_time),
            tuple(entry for one in every for entry in one.ignore_if_cyclical),
        )


def named(pattern: str, refs: Iterable[ObjectRef]) -> list[ObjectRef]:
    """Identities that a pattern names."""
    return [ref for ref in refs if fnmatchcase(str(ref), pattern)]


def _told(error: ErrorDetails, origin: str) -> Problem:
    *above, last = error["loc"]
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"]).lstrip(".")
    kind = error["type"]
    if kind in {"extra_forbidden", "invalid_key"}:
        return Problem(f"{origin} {path}", f"the unknown entry `{last}`", _keys(above), "take it out, or mend its name")
    found = "" if kind == "missing" else told(error["input"])
    allowed = _WORDS.get(kind) or f"one of {error['ctx']['expected']}"
    return Problem(f"{origin} {path}", found, allowed, f"add {last}" if kind == "missing" else "")


def _keys(path: Iterable[str | int]) -> str:
    """What a mapping at a path may hold."""
    model: Any = _File
    for part in path:
        if isinstance(part, str):
            fields = {field.alias or to_camel(name): field for name, field in model.model_fields.items()}
            (model,) = (one for one in get_args(fields[part].annotation) if one is not Ellipsis)
    return ", ".join(field.alias or to_camel(name) for name, field in model.model_fields.items())
