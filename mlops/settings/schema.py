"""JSON Schema (draft 2020-12) of a whole site file, for editors and for `mlops schema`."""

from __future__ import annotations

import json
from typing import Any

from mlops.settings.site import Site
from mlops.settings.stackfile import NAMESPACE


def site_schema() -> dict[str, Any]:
    """The schema of ``Pulumi.<site>.yaml``: the product's sections below `config`, and what the engine keeps beside them."""
    site = _tidied(Site.model_json_schema(by_alias=True))
    sections = {f"{NAMESPACE}:{key}": schema for key, schema in site["properties"].items()}
    text = {"type": "string", "description": "Written by the engine."}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Site file of onprem-mlops (Pulumi.<site>.yaml)",
        "description": "Made by `mlops schema`. Conditions across settings are checked by `mlops validate`.",
        "type": "object",
        "properties": {
            "config": {
                "type": "object",
                "description": "The site's settings, one key a section; keys of other namespaces belong to the engine.",
                "properties": sections,
                "required": [f"{NAMESPACE}:{key}" for key in site["required"]],
                "patternProperties": {f"^(?!{NAMESPACE}:)[^:]+:": {}},
                "additionalProperties": False,
            },
            "encryptionsalt": text,
            "encryptedkey": text,
            "secretsprovider": text,
            "environment": {"description": "Environments of the engine's own service; not used here."},
        },
        "required": ["config"],
        "additionalProperties": False,
        "$defs": site["$defs"],
    }


def schema_text() -> str:
    """The schema as the checked-in file holds it."""
    return json.dumps(site_schema(), indent=2, ensure_ascii=False) + "\n"


def _tidied(schema: Any) -> Any:
    """What pydantic says too much of or too little.

    Titles made from class and field names say nothing that the keys do not; a default of null is said by leaving the key out.
    """
    if isinstance(schema, list):
        return [_tidied(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "patternProperties" in schema:
        # names that the user chooses: pydantic lets those pass that match no pattern
        schema = {**schema, "additionalProperties": False}
        schema.pop("propertyNames", None)
    return {
        key: _tidied(value)
        for key, value in schema.items()
        if not (key == "title" and isinstance(value, str)) and not (key == "default" and value is None)
    }
