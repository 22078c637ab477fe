"""Files of a fixed form: the lock file, ``chart.yaml``. What is wrong in them is told in YAML's words, all of it at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from mlops.errors import Problem, UserError
from mlops.ordering.documents import load_yaml
from mlops.ordering.words import told

# pydantic's name of a mistake -> what is allowed
_WORDS = {
    "string_type": "a text, in quotes if it looks like something else",
    "tuple_type": "a list",
    "mapping_type": "a mapping",
    "dict_type": "a mapping",
}


def text_of(path: Path) -> str:
    """Text of a file.

    Raises:
        UserError: it cannot be read, or is no UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        found = f"byte {error.start} is no UTF-8"
    except OSError as error:
        found = "a link that leads nowhere" if path.is_symlink() and not path.exists() else str(error.strerror)
    raise UserError("a file cannot be read", [Problem(str(path), found, "a text file, UTF-8")])


def mapping_of(path: Path, *, where: str, allowed: str) -> dict[Any, Any]:
    """The one mapping that a YAML file holds.

    Args:
        path: the file.
        where: how messages name it.
        allowed: what should stand there, for messages.

    Raises:
        UserError: it cannot be read, or holds something else.
    """
    documents = load_yaml(text_of(path), origin=where, allowed=allowed)
    match documents:
        case [dict() as content]:
            return content
        case [] | [_]:
            found = told(documents[0] if documents else None)
        case _:
            found = f"{len(documents)} documents"
    raise UserError("a file is not usable", [Problem(where, "" if found == "nothing" else found, allowed)])


def problems_of(error: ValidationError, where: str, model: type[BaseModel], *, apart: str = "") -> list[Problem]:
    """What a model refused, in a user's words.

    Args:
        error: what it raised.
        where: what the path of a field begins with, for messages.
        model: the model.
        apart: a field of it that does not stand in the mapping.
    """
    keys = [field.alias or name for name, field in model.model_fields.items() if name != apart]
    problems = []
    for entry in error.errors():
        path, kind, context = ".".join(map(str, entry["loc"])), entry["type"], entry.get("ctx", {})
        if kind in {"extra_forbidden", "invalid_key"}:
            problem = Problem(f"{where}{path}", "an unknown entry", f"one of: {', '.join(keys)}", "take it out, or mend its name")
        elif kind == "missing":
            problem = Problem(f"{where}{path}", "", "a value", f"add {path}")
        else:
            allowed = _WORDS.get(kind) or str(context.get("error") or context.get("expected") or entry["msg"])
            problem = Problem(f"{where}{path}", told(entry["input"]), allowed)
        problems.append(problem)
    return problems
