"""The kubeconfig of an existing cluster, as far as the settings need to understand it."""

from __future__ import annotations

from collections.abc import Mapping

import yaml

from mlops.settings.section import RefusedError

_ALLOWED = "a self-contained kubeconfig (`kubectl config view --raw --minify --flatten`)"


def server_of(text: str, context: str | None) -> str:
    """URL of the API server in a context, the current one when `context` is None.

    Raises:
        RefusedError: it is no kubeconfig, has no such context, or its server is not reached by https.
    """
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError:
        raise RefusedError(_ALLOWED) from None
    if not isinstance(content, Mapping):
        raise RefusedError(_ALLOWED)
    name = context or content.get("current-context")
    chosen = _named(content, "contexts", "context", name)
    if chosen is None:
        raise RefusedError(f"a kubeconfig that has the context {name}" if name else f"{_ALLOWED} with a current context")
    server = (_named(content, "clusters", "cluster", chosen.get("cluster")) or {}).get("server")
    if not isinstance(server, str) or not server.startswith("https://"):
        raise RefusedError("a kubeconfig whose server is an https:// URL")
    return server


def _named(content: Mapping[str, object], entries: str, key: str, name: object) -> Mapping[str, object] | None:
    found = content.get(entries)
    for entry in found if isinstance(found, list) else []:
        if isinstance(entry, Mapping) and entry.get("name") == name and isinstance(entry.get(key), Mapping):
            inner: Mapping[str, object] = entry[key]
            return inner
    return None
