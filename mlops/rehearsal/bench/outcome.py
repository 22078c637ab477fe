"""What one run of the bench is told, and what it found: plain data, passed between processes as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict

Installer = Literal["loop", "yaml/v2", "program"]
INSTALLERS: Mapping[Installer, str] = {
    "program": "this program",
    "loop": "`kubectl apply` in a loop, kustomize's order",
    "yaml/v2": "`kubectl apply` in a loop, order of `yaml/v2`",
}
"""The installers that are compared, with how they are called in tables."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    def save(self, file: Path) -> None:
        """Writes it as JSON, whole or not at all."""
        scratch = file.with_suffix(".part")
        scratch.write_text(self.model_dump_json(indent=1), encoding="utf-8")
        scratch.replace(file)

    @classmethod
    def load(cls, file: Path) -> Self:
        """Reads what :meth:`save` wrote."""
        return cls.model_validate_json(file.read_text(encoding="utf-8"))


class Job(_Record):
    """One run on a throw-away site of its own.

    Attributes:
        label: how it is called in messages.
        installer: who installs.
        project: folder with ``__main__.py`` and ``manifests``.
        seed: seed of the start delays.
        delay_scale: factor on them.
        tools: external programs by name.
        result: file for the outcome.
        keep_going: let the engine go on after an error, as the mutation test needs it.
    """

    label: str
    installer: Installer
    project: Path
    seed: str
    delay_scale: float
    tools: Mapping[str, Path]
    result: Path
    keep_going: bool = False


class Outcome(_Record):
    """What a run found.

    Attributes:
        label: the job's.
        installer: the job's.
        seed: the job's.
        objects: number of objects.
        attempts: how often the installer began.
        accepted_seconds: until its last command ended.
        ready_seconds: until every object was ready; None when that never came.
        critical_seconds: length of the critical path.
        writes: writes of the deployer, refused ones included, dry-runs not.
        refused: writes of the deployer that the API server refused, as ``status verb resource name: message``.
        asked: dry-runs of the deployer that were refused: questions of gates that were not open yet.
        unknown: objects that the installer itself refused because their kind was not there.
        unready: objects that were not ready at the end.
        unseen_pods: pods that a webhook had to look at and that were created without it.
        refused_at: objects, as ``resource namespace/name``, whose write was refused.
        asked_at: the same for dry-runs.
        failed_at: names of resources whose step failed in the engine.
        retried_at: names of resources that the provider tried again by itself, whether or not it had sent a request.
        errors: what the installer said of its failures, shortened.
    """

    label: str
    installer: Installer
    seed: str
    objects: int
    attempts: int
    accepted_seconds: float
    ready_seconds: float | None
    critical_seconds: float
    writes: int
    refused: tuple[str, ...]
    asked: int
    unknown: int
    unready: tuple[str, ...]
    unseen_pods: tuple[str, ...]
    refused_at: tuple[str, ...] = ()
    asked_at: tuple[str, ...] = ()
    failed_at: tuple[str, ...] = ()
    retried_at: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
