"""The API server as gates ask it: reads and dry-runs, answered by a value and never by an exception."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from typing import Any

import yaml

REQUEST_TIMEOUT_SECONDS = 15
FIELD_MANAGER = "onprem-mlops-gate"
"""Name under which a gate's dry-runs stand in the audit log."""
NOT_REACHED = "NotReached"


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the API server said.

    Attributes:
        status: HTTP status, 0 when it was not reached.
        reason: ``reason`` of its Status object, ``NotReached`` when it was not reached; empty on success.
        message: ``message`` of its Status object.
        body: the object, on success.
    """

    status: int
    reason: str = ""
    message: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether it did what it was asked."""
        return 200 <= self.status < 300


class Api:
    """One API server; used from several threads at once.

    Args:
        kubeconfig: YAML text.
        context: its context, None for the current one.
    """

    def __init__(self, kubeconfig: str, context: str | None) -> None:
        # here and not at the top: it takes 0.7 s, and a preview asks nothing
        self._refused: type[Exception] = import_module("kubernetes.client").ApiException
        self._unreached: type[Exception] = import_module("urllib3.exceptions").HTTPError
        connect = import_module("kubernetes.config").new_client_from_config_dict
        self._client = connect(yaml.safe_load(kubeconfig), context=context, persist_config=False)

    def get(self, path: str) -> Reply:
        """Reads what stands at a path."""
        return self._call(path, "GET", (), None)

    def dry_run(self, collection: str, body: Mapping[str, Any]) -> Reply:
        """Asks what would become of an object if it were created; stores nothing."""
        return self._call(collection, "POST", (("dryRun", "All"), ("fieldManager", FIELD_MANAGER)), body)

    def _call(self, path: str, method: str, query: tuple[tuple[str, str], ...], body: Mapping[str, Any] | None) -> Reply:
        try:
            found, status, _ = self._client.call_api(
                path,
                method,
                query_params=list(query),
                header_params={"Content-Type": "application/json", "Accept": "application/json"},
                body=body,
                auth_settings=["BearerToken"],
                response_type="object",
                _request_timeout=REQUEST_TIMEOUT_SECONDS,
            )
        except (self._unreached, OSError) as error:
            return Reply(status=0, reason=NOT_REACHED, message=str(error))
        except self._refused as error:
            return _refusal(error)
        return Reply(status=status, body=found)


@lru_cache(maxsize=4)
def api_of(kubeconfig: str, context: str | None) -> Api:
    """The one client of a kubeconfig: to make one takes 20 to 50 ms, and hundreds of objects have gates."""
    return Api(kubeconfig, context)


def _refusal(error: Any) -> Reply:
    """What an ApiException of the client library tells."""
    known = _status_object(error.body)
    return Reply(status=error.status or 0, reason=str(known.get("reason", "")), message=str(known.get("message", error.reason)))


def _status_object(text: str | bytes | None) -> Mapping[str, Any]:
    """The Status object in the body of a refusal; empty when somebody in between has answered."""
    try:
        known = json.loads(text or "{}")
    except ValueError:
        return {}
    return known if isinstance(known, dict) else {}
