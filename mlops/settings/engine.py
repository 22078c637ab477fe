"""Settings as the engine holds them: decoded from its configuration, and read with their secrets through its command line."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from mlops.errors import Problem, UserError
from mlops.settings.parse import parse_site
from mlops.settings.report import Origin
from mlops.settings.site import Site
from mlops.settings.stackfile import NAMESPACE

Run = Callable[..., "subprocess.CompletedProcess[str]"]

NO_ENGINE = 'eval "$(make -s env)" puts it on PATH, `make tools` gets it first'
"""What to do when there is no `pulumi` command."""

# Sections that are one text; the engine hands every other one over as JSON.
_TEXTS = ("name", "domain")


def decode_config(config: Mapping[str, str]) -> dict[str, object]:
    """The engine's configuration of a program (key -> text, as in ``pulumi.runtime.config.CONFIG``) as values for `parse_site`."""
    values: dict[str, object] = {}
    for key, text in config.items():
        namespace, _, section = key.partition(":")
        if namespace != NAMESPACE:
            continue
        values[section] = text
        if section not in _TEXTS:
            try:
                values[section] = json.loads(text)
            except json.JSONDecodeError:
                continue  # stays a text, which the section refuses in its own words
    return values


def unseal(file: Path, stack: str, *, pulumi: Path | str = "pulumi", run: Run = subprocess.run) -> Site:
    """Read and check a site with its secrets, which only the engine can decrypt.

    Args:
        file: the site file, in the project's directory.
        stack: the engine's stack.
        pulumi: the engine's command.
        run: starts a program, as :func:`subprocess.run` does.

    Raises:
        SettingsError: a setting is wrong; holds all problems.
        UserError: the engine cannot be started or does not decrypt: no passphrase, a wrong one, no such stack.
    """
    # Its output holds every secret: it is captured, and never repeated in a message.
    argv = [
        str(pulumi),
        "config",
        "--show-secrets",
        "--json",
        "--non-interactive",
        "--config-file",
        str(file.resolve()),
        "-s",
        stack,
    ]
    try:
        done = run(argv, cwd=file.resolve().parent, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    except OSError as error:
        raise UserError("The site's secrets cannot be read.", [_no_engine(pulumi, error)]) from None
    if done.returncode != 0:
        raise UserError("The site's secrets cannot be read.", [_refused(done.stderr, stack)])
    found = json.loads(done.stdout)
    config = {key: str(entry.get("value", "")) for key, entry in found.items()}
    return parse_site(decode_config(config), origin=Origin(stack=stack, file=file, from_engine=True))


def _no_engine(pulumi: Path | str, error: OSError) -> Problem:
    return Problem(str(pulumi), error.strerror or "an error", "the pulumi command", NO_ENGINE)


def _refused(stderr: str, stack: str) -> Problem:
    where = f"pulumi config -s {stack}"
    both = "PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE"
    if "incorrect passphrase" in stderr:
        return Problem(where, "a wrong passphrase", "the passphrase that the stack's secrets are encrypted with", f"set {both}")
    if "passphrase must be set" in stderr:
        return Problem(where, "no passphrase", "the passphrase that the stack's secrets are encrypted with", f"set {both}")
    if "no stack named" in stderr:
        return Problem(
            where, f"no stack named {stack}", "a stack that exists", f"`pulumi stack init {stack}`, or check `pulumi whoami -v`"
        )
    if "PULUMI_ACCESS_TOKEN" in stderr:
        return Problem(
            where, "no place for the state is chosen", "a backend", "e.g. `pulumi login 'file:///srv/mlops-state?metadata=skip'`"
        )
    words = next((line.removeprefix("error: ") for line in stderr.splitlines() if line.startswith("error: ")), "no reason given")
    return Problem(where, words, "an engine that reads the stack's configuration")
