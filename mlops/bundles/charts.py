"""Helm charts: ``chart.yaml`` in a bundle's folder says which pinned chart is rendered, and what becomes of its hooks."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from mlops.bundles.forms import mapping_of, problems_of
from mlops.bundles.hooks import Fate, Precedence, settle_hooks
from mlops.bundles.programs import Helm
from mlops.errors import Problem, UserError
from mlops.ordering import KubeObject, parse_documents
from mlops.ordering.kinds import Kinds

CHART_FILE = "chart.yaml"
LEAVE_OUT = "leave out"
OBJECTS_FILE = "chart-objects.yaml"
"""Name under which the chart's objects lie in the bundle's folder while its kustomization is built."""


class Chart(BaseModel):
    """Content of ``chart.yaml``.

    Attributes:
        chart: folder of the chart, as ``../sources/<source>/<path>``.
        release: name of the release; most charts make names of it.
        namespace: namespace of the release: objects of namespaced kinds that name no other are put there, as Helm does.
        values: files with values, in the bundle's folder, later ones win.
        kubernetes: version that the chart is told.
        apis: further API versions that the chart is told, e.g. ``monitoring.coreos.com/v1``.
        dependencies: folder of each chart that this one declares as a dependency, by its name, or ``leave out`` for one that the
            values switch off; one of a dependency is named ``<dependency>/<name>``.
        cluster_wide: kinds without a namespace, as ``Kind.group``, whose CRD is not in the chart.
        hooks: what becomes of each hook, by ``Kind/name`` (:func:`mlops.bundles.hooks.settle_hooks`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    chart: str
    release: str
    namespace: str
    values: tuple[str, ...] = ()
    kubernetes: str = "1.35.0"
    apis: tuple[str, ...] = ()
    dependencies: Mapping[str, str] = Field(default_factory=dict)
    cluster_wide: tuple[str, ...] = Field(default=(), alias="clusterWide")
    hooks: Mapping[str, Fate] = Field(default_factory=dict)

    @field_validator("release")
    @classmethod
    def _release(cls, value: str) -> str:
        if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,51}[a-z0-9])?", value):
            raise ValueError("lower-case letters, digits and dashes, at most 53, no dash at either end")
        return value

    @field_validator("chart")
    @classmethod
    def _pinned(cls, value: str) -> str:
        if not re.fullmatch(r"\.\./sources/[a-z0-9][a-z0-9-]*(/(?!\.\.(/|$))[^/]+)*", value):
            raise ValueError("a folder of a pinned source, as ../sources/<source>/<path>")
        return value

    @field_validator("dependencies")
    @classmethod
    def _all_pinned(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        return {name: folder if folder == LEAVE_OUT else cls._pinned(folder) for name, folder in value.items()}


@dataclass(frozen=True, slots=True)
class ChartObjects:
    """What a chart makes.

    Attributes:
        objects: its objects without those that are left out.
        order: what its hooks ask for.
    """

    objects: tuple[KubeObject, ...]
    order: tuple[Precedence, ...] = ()


def read_chart(folder: Path) -> Chart:
    """Read the ``chart.yaml`` of a bundle's folder.

    Raises:
        UserError: everything that is wrong with it.
    """
    where = f"bundle {folder.name} {CHART_FILE}"
    try:
        return Chart.model_validate(mapping_of(folder / CHART_FILE, where=where, allowed="a mapping that names a chart"))
    except ValidationError as error:
        problems: Iterable[Problem] = problems_of(error, f"{where} ", Chart)
    except UserError as error:
        problems = error.problems
    raise UserError(f"bundle {folder.name} cannot be rendered", problems)


def render_chart(chart: Chart, folder: Path, root: Path, home: Path, helm: Helm) -> ChartObjects:
    """Render a chart offline with ``helm template``, and leave its objects in the bundle's folder for a kustomization.

    Args:
        chart: what to render.
        folder: the bundle's folder in the sandbox.
        root: the sandbox, with the sources.
        home: scratch folder.
        helm: the program.

    Raises:
        UserError: no such chart, a dependency that is not pinned, a hook that nobody decided about, or Helm's own text.
    """
    copy = home / "chart"
    _copy(chart.chart, folder, copy)
    for name, dependency in sorted(chart.dependencies.items()):
        if dependency == LEAVE_OUT:
            _undeclare(copy, name)
        else:
            _copy(dependency, folder, copy / "charts" / name.replace("/", "/charts/"))
    _check_dependencies(copy, folder.name)
    arguments = ["template", chart.release, str(copy), "--namespace", chart.namespace, "--include-crds"]
    arguments += ["--kube-version", chart.kubernetes]
    arguments += [option for api in chart.apis for option in ("--api-versions", api)]
    arguments += [option for file in chart.values for option in ("--values", str(folder / file))]
    text = helm.run(arguments, scratch=home, bundle=folder.name, hide=root)
    objects, order = settle_hooks(parse_documents(text, origin=f"bundle {folder.name}"), chart.hooks, folder.name)
    placed = _placed(objects, chart)
    documents = "".join(f"---\n{json.dumps(item.body)}\n" for item in placed)
    (folder / OBJECTS_FILE).write_text(documents, encoding="utf-8")
    moved = {before.ref: after.ref for before, after in zip(objects, placed, strict=True)}
    return ChartObjects(placed, tuple(Precedence(moved[p.first], moved[p.then], p.reason) for p in order))


def _copy(chart: str, folder: Path, to: Path) -> None:
    source = Path(os.path.normpath(folder / chart))
    if not (source / "Chart.yaml").is_file():
        problem = Problem(f"bundle {folder.name} {CHART_FILE}", chart, "a folder with Chart.yaml, among the paths of the source")
        raise UserError(f"bundle {folder.name} cannot be rendered", [problem])
    shutil.copytree(source, to)


def _undeclare(chart: Path, dependency: str) -> None:
    """Take a dependency out of the `Chart.yaml` that declares it: Helm asks for its chart even when it is switched off."""
    *parents, name = dependency.split("/")
    file = chart.joinpath(*(part for parent in parents for part in ("charts", parent)), "Chart.yaml")
    content = mapping_of(file, where=f"the chart's {file.relative_to(chart)}", allowed="a mapping")
    content["dependencies"] = [item for item in content.get("dependencies") or () if item.get("name") != name]
    file.write_text(yaml.safe_dump(content), encoding="utf-8")


def _check_dependencies(chart: Path, bundle: str) -> None:
    """Complain about dependencies that a chart declares and nobody pinned; Helm would ask the network for them.

    Raises:
        UserError: each, with what would pin it.
    """
    problems = []
    for file in sorted(chart.rglob("Chart.yaml")):
        where = f"bundle {bundle}, {file.relative_to(chart.parent)}"
        for dependency in mapping_of(file, where=where, allowed="a mapping").get("dependencies") or ():
            name = str(dependency.get("name"))
            if not any(file.parent.glob(f"charts/{name}/Chart.yaml")) and not any(file.parent.glob(f"charts/{name}-*.tgz")):
                found = f"{name} {dependency.get('version', '')} of {dependency.get('repository', 'nowhere')}"
                inside = "/".join(part for part in file.parent.relative_to(chart).parts if part != "charts")
                key = f"{inside}/{name}" if inside else name
                mend = f"pin the repository of that chart in the lock, and name its folder in {CHART_FILE}:\n"
                mend += f"  dependencies:\n    {key}: ../sources/SOURCE/FOLDER"
                problems.append(Problem(f"bundle {bundle} {CHART_FILE} dependencies", found, "dependencies that are pinned", mend))
    if problems:
        raise UserError(f"bundle {bundle} needs charts that are not pinned", problems)


def _placed(objects: Iterable[KubeObject], chart: Chart) -> tuple[KubeObject, ...]:
    """Objects with the release's namespace where their kind has one and they name none."""
    objects = tuple(objects)
    kinds = Kinds(objects)

    def place(item: KubeObject) -> KubeObject:
        kind = kinds.get(item.group, item.kind)
        known_wide = kind is not None and not kind.namespaced
        if item.namespace or known_wide or f"{item.kind}.{item.group}" in chart.cluster_wide:
            return item
        body = {**item.body, "metadata": {**item.body["metadata"], "namespace": chart.namespace}}
        return replace(item, namespace=chart.namespace, body=body)

    return tuple(map(place, objects))
