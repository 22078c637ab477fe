"""Reads the site from the engine's configuration: the engine has decrypted it, the settings check it."""

from __future__ import annotations

from pathlib import Path

import pulumi
from pulumi.runtime.config import CONFIG, get_config_env, get_config_secret_keys_env, is_config_secret

from mlops.errors import Problem, UserError
from mlops.settings import NAMESPACE, Origin, Site, decode_config, is_misspelt, parse_site


def read_site() -> Site:
    """The site of the current stack.

    A secret that is missing is told of in a preview, so that a preview needs no secret, and ends anything else.

    Raises:
        UserError: everything that is wrong with the settings, all at once.
    """
    stack = pulumi.get_stack()
    texts = {**get_config_env(), **CONFIG.get()}
    misspelt = [
        Problem(key, f"the key `{key}`", f"keys below `{NAMESPACE}:`", "correct its namespace") for key in texts if is_misspelt(key)
    ]
    if misspelt:
        raise UserError(f"site {stack} has settings that nobody would read", misspelt)
    origin = Origin(stack=stack, file=Path(f"Pulumi.{stack}.yaml"), from_engine=True)
    site = parse_site(decode_config(texts), origin=origin)
    clear = [secret for secret in site.secrets() if secret.given and not _is_secret(secret.path)]
    if clear:
        problems = [
            Problem(secret.path, "****, stored in clear text", "a value encrypted by the engine", secret.command)
            for secret in clear
        ]
        raise UserError(f"site {stack} holds {len(problems)} secret(s) in clear text", problems)
    missing = site.missing_secrets()
    if missing:
        problems = [Problem(secret.path, "nothing", "a secret value", secret.command) for secret in missing]
        error = UserError(f"site {stack} lacks {len(problems)} secret(s)", problems)
        if not pulumi.runtime.is_dry_run():
            raise error
        pulumi.log.warn(f"{error}\nThe preview goes on without; pulumi up will not.")
    return site


def _is_secret(path: str) -> bool:
    """Whether the engine keeps the section of a setting as a secret, told by the language host or by the environment."""
    key = f"{NAMESPACE}:{path.partition('.')[0].partition('[')[0]}"  # e.g. of registries[0].password
    return is_config_secret(key) or key in get_config_secret_keys_env()
