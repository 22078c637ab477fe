"""A site file, read as data: the product's own values, and the line of each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

import yaml

from mlops.errors import Problem, UserError

NAMESPACE = "onprem-mlops"
_PREFIX = NAMESPACE + ":"
# What else the engine keeps in a stack file (pulumi/pulumi, sdk/go/common/workspace, ProjectStack).
ENGINE_KEYS = ("config", "environment", "encryptionsalt", "encryptedkey", "secretsprovider")

# No setting lies deeper than half of this; an alias to a value around it would lead down for ever.
_DEEPEST = 16
_MOST_NODES = 20_000

KeyPath = tuple[str | int, ...]


class SettingsError(UserError):
    """Settings that cannot be used, with everything that is wrong with them."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """An encrypted value; only the engine can read it."""


@dataclass(slots=True)
class StackFile:
    """Content of a site file.

    Attributes:
        path: the file.
        values: section -> value as written; encrypted values are :class:`Sealed`.
        lines: path of a value inside `values` -> its line, counted from 1.
        problems: what is wrong with the file as such.
        nodes: values read so far, those behind an alias each time.
    """

    path: Path
    values: dict[str, object] = field(default_factory=dict)
    lines: dict[KeyPath, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    nodes: int = 0

    def complain(self, line: int, what: str, found: str, allowed: str, mend: str = "") -> None:
        """Note a problem at a line."""
        self.problems.append(Problem(f"{self.path}:{line} {what}".rstrip(), found, allowed, mend))


def site_files(directory: Path) -> dict[str, Path]:
    """Site name -> site file, for every ``Pulumi.<site>.yaml`` in a directory."""
    return {path.name.removeprefix("Pulumi.").removesuffix(".yaml"): path for path in sorted(directory.glob("Pulumi.*.yaml"))}


def site_name_of(path: Path) -> str | None:
    """The engine's stack name that a site file belongs to, by its file name; None when it is named otherwise."""
    found = re.fullmatch(r"Pulumi\.(.+)\.yaml", path.name)
    return found[1] if found else None


def read_stack_file(path: Path) -> StackFile:
    """Read a site file without the engine.

    Raises:
        SettingsError: the file cannot be read, or is not YAML.
    """
    file = StackFile(path)
    root = _compose(path)
    if not isinstance(root, yaml.MappingNode):
        raise _unreadable(
            f"{path}:1", "an empty file" if root is None else "no mapping", "`config:` and the site's settings below it"
        )
    for key, node in _entries(file, root, ()):
        line = node.start_mark.line + 1
        if key == "config":
            _read_config(file, node)
        elif key not in ENGINE_KEYS:
            mend = f"move `{key}` below `config:`" if key.startswith(_PREFIX) else "take it out"
            file.complain(line, key, f"the unknown key `{key}`", f"the keys {', '.join(ENGINE_KEYS)}", mend)
    if "config" not in {key.value for key, _ in root.value}:
        file.complain(1, "config", "", "the site's settings, each as `onprem-mlops:<section>:` below `config:`")
    return file


def _compose(path: Path) -> yaml.Node | None:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        known = ", ".join(site_files(path.parent))
        mend = "check the site's name" if known else "go to the program's folder, which has Pulumi.yaml and the site files"
        raise _unreadable(str(path), "no such file", f"a site file; sites here: {known or 'none'}", mend) from None
    except UnicodeDecodeError:
        raise _unreadable(str(path), "bytes that are not UTF-8", "text in UTF-8", "save it as UTF-8") from None
    except OSError as error:
        raise _unreadable(str(path), error.strerror or "an error", "a readable file") from None
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C parser is 10 times faster; not every build has it
    try:
        found: yaml.Node | None = yaml.compose(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        lines = text.splitlines()
        if any("\t" in written[: len(written) - len(written.lstrip())] for written in lines[max(0, line - 2) : line]):
            raise _unreadable(f"{path}:{line}", "a tab in the indentation", "spaces only", "replace each tab by spaces") from None
        # Quoted parts are left out of the parser's words: they repeat the file's text, secrets included.
        words = re.sub(r"['\"].*['\"]", "...", error.problem or "a syntax error")
        raise _unreadable(f"{path}:{line}", f"no valid YAML: {words}", "YAML", "look at this line and the one before") from None
    except yaml.YAMLError:
        raise _unreadable(
            str(path), "characters that YAML does not allow", "printable text", "take control characters out"
        ) from None
    return found


def _unreadable(where: str, found: str, allowed: str, mend: str = "") -> SettingsError:
    return SettingsError("The site file cannot be read.", [Problem(where, found, allowed, mend)])


def _read_config(file: StackFile, node: yaml.Node) -> None:
    if not isinstance(node, yaml.MappingNode):
        line = node.start_mark.line + 1
        file.complain(line, "config", "no mapping", "the site's settings, each as `onprem-mlops:<section>:` below `config:`")
        return
    for key, value in _entries(file, node, ()):
        if key.startswith(_PREFIX):
            section = key.removeprefix(_PREFIX)
            file.lines[section,] = value.start_mark.line + 1
            file.values[section] = _plain(file, value, (section,))
        elif is_misspelt(key):
            section = key.partition(":")[2]
            file.complain(
                value.start_mark.line + 1, key, f"the key `{key}`", f"keys below `{_PREFIX}`", f"write `{_PREFIX}{section}:`"
            )
        elif ":" not in key:
            file.complain(value.start_mark.line + 1, key, f"the key `{key}`", "keys with a namespace", f"write `{_PREFIX}{key}:`")


def is_misspelt(key: str) -> bool:
    """Whether a configuration key looks like one of ours in a namespace that is not ours: the program would never see it."""
    namespace, colon, _ = key.partition(":")
    return bool(colon) and namespace != NAMESPACE and bool(get_close_matches(namespace.lower(), (NAMESPACE, "mlops"), cutoff=0.75))


def _entries(file: StackFile, node: yaml.MappingNode, path: KeyPath) -> list[tuple[str, yaml.Node]]:
    """Key and value of each entry; a key written twice is a problem, the first one counts."""
    entries: dict[str, yaml.Node] = {}
    first: dict[str, int] = {}
    for key_node, value in node.value:
        line = key_node.start_mark.line + 1
        key = key_node.value if isinstance(key_node, yaml.ScalarNode) else "?"
        if key in entries:
            file.complain(
                line, dotted((*path, key)), f"the key `{key}` again", "each key once", f"it stands in line {first[key]} as well"
            )
        else:
            entries[key], first[key] = value, line
            file.lines[(*path, key)] = line
    return list(entries.items())


def _plain(file: StackFile, node: yaml.Node, path: KeyPath) -> object:
    """The value of a node. Scalars follow YAML 1.2, as the engine reads them: `yes` and `1:30` are text."""
    file.nodes += 1
    if file.nodes > _MOST_NODES:  # a few aliases of aliases are enough for millions
        if file.nodes == _MOST_NODES + 1:
            file.complain(
                node.start_mark.line + 1, dotted(path[:1]), f"more than {_MOST_NODES} values", "a site file of usual size"
            )
        return None
    if len(path) > _DEEPEST:
        file.complain(node.start_mark.line + 1, dotted(path[:1]), "a value inside itself, or nested without end", "a plain value")
        return None
    if isinstance(node, yaml.MappingNode):
        entries = _entries(file, node, path)
        if [key for key, _ in entries] == ["secure"]:
            return Sealed()
        return {key: _plain(file, value, (*path, key)) for key, value in entries}
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            file.lines[(*path, index)] = item.start_mark.line + 1
        return [_plain(file, item, (*path, index)) for index, item in enumerate(node.value)]
    return _scalar(node)


def _scalar(node: yaml.Node) -> object:
    text = str(node.value)
    kind = node.tag.removeprefix("tag:yaml.org,2002:")
    if kind == "null":
        return None
    if kind == "bool" and text.lower() in {"true", "false"}:
        return text.lower() == "true"
    # a number of more digits than any setting has stays text, to be refused as one
    if kind == "int" and re.fullmatch(r"[-+]?(0|[1-9][0-9]{,99})", text):
        return int(text)
    if kind == "float" and re.fullmatch(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[-+]?[0-9]+)?", text, re.IGNORECASE):
        return float(text)
    return text


def dotted(path: KeyPath) -> str:
    """A path as the engine's ``--path`` writes it, e.g. ``hosts.nodes[0].address``."""

    def step(part: str | int) -> str:
        if isinstance(part, int):
            return f"[{part}]"
        return f'["{part}"]' if "." in part else f".{part}"

    return "".join(map(step, path)).removeprefix(".")


def lookup(values: object, path: KeyPath) -> object:
    """The raw value at a path, None when there is none."""
    for part in path:
        if isinstance(values, Mapping):
            values = values.get(part)
        elif isinstance(values, list) and isinstance(part, int) and part < len(values):
            values = values[part]
        else:
            return None
    return values
