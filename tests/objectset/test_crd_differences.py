"""What a preview says of a changed CRD."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from mlops.objectset.crd_differences import differences

LIVE: dict[str, Any] = {
    "spec": {
        "scope": "Namespaced",
        "conversion": {"strategy": "None"},  # what the API server adds is no difference
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "description": "old words",
                                "properties": {
                                    "size": {"type": "integer"},
                                    "hosts": {"type": "array", "items": {"type": "string"}},
                                },
                            }
                        },
                    }
                },
            }
        ],
    }
}


def changed() -> tuple[dict[str, Any], dict[str, Any]]:
    new = deepcopy(LIVE)
    del new["spec"]["conversion"]
    fields: dict[str, Any] = new["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return new, fields


def test_words_and_what_the_server_adds_are_no_difference() -> None:
    new, fields = changed()
    fields["description"] = "new words"
    assert differences(LIVE, new) == []


def test_fields() -> None:
    new, fields = changed()
    fields["properties"] = {
        "size": {"type": "string"},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "port": {"x-kubernetes-int-or-string": True},
    }
    assert differences(LIVE, new) == [
        "v1: field spec.hosts (array) is gone",
        "v1: field spec.hosts[] (string) is gone",
        "v1: field spec.labels (object) is new",
        "v1: field spec.labels{} (string) is new",
        "v1: field spec.port (any) is new",
        "v1: field spec.size (integer) becomes string",
    ]


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        ({"served": False}, "v1: no longer served"),
        ({"storage": False}, "v1: no longer storage"),
        ({"deprecated": True}, "v1: deprecated"),
    ],
)
def test_flags_of_a_version(flags: dict[str, bool], line: str) -> None:
    new, _ = changed()
    new["spec"]["versions"][0] |= flags
    assert differences(LIVE, new) == [line]


def test_versions_and_scope() -> None:
    new, _ = changed()
    new["spec"]["versions"][0]["name"] = "v2"
    new["spec"]["scope"] = "Cluster"
    assert differences(LIVE, new) == [
        "scope Namespaced becomes Cluster, which the API server refuses",
        "version v2 is new",
        "version v1 is gone",
    ]
