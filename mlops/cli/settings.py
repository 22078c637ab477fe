"""`mlops validate` and `mlops schema`: the site files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlops.errors import Problem, UserError
from mlops.settings import Site, read_site_file, site_files, unseal
from mlops.settings.schema import schema_text
from mlops.settings.stackfile import site_name_of

app = typer.Typer(no_args_is_help=True)

_ELSEWHERE = "go to the program's folder, which has Pulumi.yaml and the site files"


@app.command()
def validate(
    sites: Annotated[
        list[str] | None, typer.Argument(metavar="SITE", help="Site, or path of a site file; all sites when left out.")
    ] = None,
    secrets: Annotated[bool, typer.Option("--secrets", help="Read the secrets through the engine and check them, too.")] = False,
) -> None:
    """Check site files and say which secrets they still lack."""
    project = project_directory(Path.cwd())
    names = sites or list(site_files(project))
    if not names:
        raise UserError("There is no site to check.", [Problem(str(project), "no site file", "Pulumi.<site>.yaml", _ELSEWHERE)])
    errors: list[UserError] = []
    for name in names:
        path = site_path(name, project)
        try:
            site = _read(path, name, secrets=secrets)
        except UserError as error:
            errors.append(error)
            continue
        typer.echo(f"{path}: valid")
        for remark in site.remarks():
            typer.echo(f"  remark: {remark}")
        for missing in site.missing_secrets():
            typer.echo(f"  not set yet: {missing.path}\n    {missing.command}")
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise UserError("\n".join(map(str, errors)))


@app.command()
def schema(
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write; standard output when left out.")] = None,
) -> None:
    """Write the JSON Schema of site files, for editors."""
    if output is None:
        typer.echo(schema_text(), nl=False)
        return
    try:
        output.write_text(schema_text(), encoding="utf-8")
    except OSError as error:
        raise UserError(
            "The schema cannot be written.", [Problem(str(output), error.strerror or "an error", "a file that can be written")]
        ) from None


def project_directory(start: Path) -> Path:
    """The directory of the project around `start`: the nearest one with a Pulumi.yaml, else `start`."""
    return next((place for place in (start, *start.parents) if (place / "Pulumi.yaml").is_file()), start)


def site_path(name: str, project: Path) -> Path:
    """The file of a site, given by its name or by its path; relative to the working directory where it lies below it."""
    if "/" in name or name.endswith((".yaml", ".yml")):
        return Path(name)
    path = project / f"Pulumi.{name}.yaml"
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _read(path: Path, name: str, *, secrets: bool) -> Site:
    site = read_site_file(path)
    return unseal(path, site_name_of(path) or name) if secrets else site
