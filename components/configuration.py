"""Reads the site from the engine's configuration: the engine has decrypted it, the settings check it."""

from __future__ import annotations

from pathlib import Path

import pulumi
from pulumi.runtime.config import CONFIG, get_config_env

from mlops.errors import Problem, UserError
from mlops.settings import Origin, Site, decode_config, parse_site


def read_site() -> Site:
    """The site of the current stack.

    A secret that is missing is told of in a preview, so that a preview needs no secret, and ends anything else.

    Raises:
        UserError: everything that is wrong with the settings, all at once.
    """
    stack = pulumi.get_stack()
    origin = Origin(stack=stack, file=Path(f"Pulumi.{stack}.yaml"), from_engine=True)
    site = parse_site(decode_config({**get_config_env(), **CONFIG.get()}), origin=origin)
    missing = site.missing_secrets()
    if missing:
        problems = [Problem(secret.path, "nothing", "a secret value", secret.command) for secret in missing]
        error = UserError(f"site {stack} lacks {len(problems)} secret(s)", problems)
        if not pulumi.runtime.is_dry_run():
            raise error
        pulumi.log.warn(f"{error}\nThe preview goes on without; pulumi up will not.")
    return site
