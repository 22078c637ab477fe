"""Answers for lsblk and blkid from the disks that a host's facts name."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from mlops.rehearsal.site.daemon import Call, Reply
from mlops.rehearsal.site.facts import Disk, HostFacts

_DEFAULT = ("NAME", "MAJ:MIN", "RM", "SIZE", "RO", "TYPE", "MOUNTPOINTS")
_WITH_VALUE = ("-o", "--output", "-x", "--sort", "-I", "-e", "-s", "--match-tag", "-T", "-M")
_UNITS = "BKMGTP"


@dataclass(frozen=True, slots=True)
class _Device:
    disk: Disk
    number: int = 0
    fstype: str = ""

    @property
    def name(self) -> str:
        return f"{self.disk.name}{self.number or ''}"

    @property
    def mount(self) -> str:
        return self.disk.mount if self.number == min(1, len(self.disk.partitions)) else ""

    @property
    def size(self) -> int:
        return self.disk.size // len(self.disk.partitions) if self.number else self.disk.size


_COLUMNS: dict[str, Callable[[_Device], str]] = {
    "NAME": lambda device: device.name,
    "KNAME": lambda device: device.name,
    "PATH": lambda device: f"/dev/{device.name}",
    "PKNAME": lambda device: device.disk.name if device.number else "",
    "MAJ:MIN": lambda device: f"254:{device.number}",
    "RM": lambda _: "0",
    "RO": lambda _: "0",
    "ROTA": lambda _: "0",
    "TYPE": lambda device: "part" if device.number else "disk",
    "SIZE": lambda device: str(device.size),
    "FSTYPE": lambda device: device.fstype,
    "PTTYPE": lambda device: "gpt" if device.disk.partitions else "",
    "MOUNTPOINT": lambda device: device.mount,
    "MOUNTPOINTS": lambda device: device.mount,
    "SERIAL": lambda device: device.disk.by_id,
    "ID-LINK": lambda device: device.disk.by_id,
    "LABEL": lambda _: "",
    "UUID": lambda device: f"{device.name}-stand-in" if device.fstype else "",
    "PARTTYPE": lambda _: "",
    "PARTLABEL": lambda _: "",
    "MODEL": lambda _: "stand-in",
    "TRAN": lambda _: "",
    "STATE": lambda _: "running",
    "PHY-SEC": lambda _: "512",
    "LOG-SEC": lambda _: "512",
}


def lsblk(facts: HostFacts, call: Call) -> Reply:
    """Lists block devices: all, or those that are named (by /dev/NAME or /dev/disk/by-id/NAME)."""
    words, options, columns = _arguments(call)
    wanted = [column.upper() for column in columns.split(",")] if columns else list(_DEFAULT)
    unknown = [column for column in wanted if column not in _COLUMNS]
    if unknown:
        return Reply(1, err=f"lsblk: unknown column: {unknown[0]}\n")
    found: list[_Device] = []
    missing = []
    for word in words:
        device = _find(facts, word)
        if device is None:
            missing.append(word)
        else:
            found.append(device)
    if not words:
        found = [_Device(disk, fstype=disk.fstype) for disk in facts.disks]
    rows = [each for device in found for each in (device, *([] if "d" in options else _parts(device)))]
    human = "b" not in options
    texts = [{column: _text(device, column, human=human, full="p" in options) for column in wanted} for device in rows]
    error = "".join(f"lsblk: {word}: not a block device\n" for word in missing)
    code = 0 if not missing else 32 if not found else 64
    if "J" in options:
        out = json.dumps({"blockdevices": _tree(rows, texts, wanted, flat="l" in options)}, indent=3) + "\n"
    elif "P" in options:
        out = "".join(" ".join(f'{column}="{text[column]}"' for column in wanted) + "\n" for text in texts)
    else:
        head = "" if "n" in options or not rows else " ".join(wanted) + "\n"
        out = head + "".join(" ".join(text[column] for column in wanted).rstrip() + "\n" for text in texts)
    return Reply(code, out=out, err=error)


def _tree(rows: list[_Device], texts: list[dict[str, str]], wanted: list[str], *, flat: bool) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    last: dict[str, dict[str, object]] = {}
    for device, text in zip(rows, texts, strict=True):
        entry: dict[str, object] = {column.lower(): _json(column, text[column]) for column in wanted}
        parent = last.get(device.disk.name)
        if device.number and parent is not None and not flat:
            children = parent.setdefault("children", [])
            if isinstance(children, list):
                children.append(entry)
        else:
            found.append(entry)
            last[device.disk.name] = entry
    return found


def _json(column: str, text: str) -> object:
    if column in {"RM", "RO", "ROTA"}:
        return text == "1"
    if column == "MOUNTPOINTS":
        return [text or None]
    return int(text) if column == "SIZE" and text.isdigit() else text or None


def blkid(facts: HostFacts, call: Call) -> Reply:
    """Tells signatures; exit code 2 when there are none, as the real one does."""
    words, options, output = _arguments(call)
    tag = next((call.argv[i + 1] for i, word in enumerate(call.argv[:-1]) if word in {"-s", "--match-tag"}), "")
    every = [_Device(disk, fstype=disk.fstype) for disk in facts.disks]
    devices = [_find(facts, word) for word in words] if words else [each for disk in every for each in (disk, *_parts(disk))]
    out = ""
    for device in devices:
        tags = {} if device is None else {"TYPE": device.fstype}
        if device is not None and not device.number and device.disk.partitions:
            tags["PTTYPE"] = "gpt"
        shown = {key: value for key, value in tags.items() if value and tag in ("", key)}
        if device is None or not shown or ("p" not in options and set(shown) == {"PTTYPE"} and not words):
            continue
        if output == "value":
            out += "".join(f"{value}\n" for value in shown.values())
        elif output == "export":
            out += f"DEVNAME=/dev/{device.name}\n" + "".join(f"{key}={value}\n" for key, value in shown.items())
        else:
            out += f"/dev/{device.name}: " + " ".join(f'{key}="{value}"' for key, value in shown.items()) + "\n"
    return Reply(0 if out else 2, out=out)


def _parts(device: _Device) -> list[_Device]:
    if device.number:
        return []
    return [_Device(device.disk, number, fstype) for number, fstype in enumerate(device.disk.partitions, 1)]


def _find(facts: HostFacts, path: str) -> _Device | None:
    for disk in facts.disks:
        whole = _Device(disk, fstype=disk.fstype)
        if disk.by_id and path == f"/dev/disk/by-id/{disk.by_id}":
            return whole
        for device in (whole, *_parts(whole)):
            if path in {f"/dev/{device.name}", device.name}:
                return device
    return None


def _arguments(call: Call) -> tuple[list[str], str, str]:
    """Names, letters of all options, and what to show (``-o``)."""
    words, letters, output = [], "", ""
    rest = iter(call.argv[1:])
    for word in rest:
        if word.startswith("--output="):
            output = word.partition("=")[2]
        elif word in _WITH_VALUE or (word[:1] == "-" != word[1:2] and word.endswith("o")):
            letters += word.lstrip("-")[:-1] if not word.startswith("--") else ""
            value = next(rest, "")
            output = value if word in {"-o", "--output"} or word.endswith("o") else output
        elif word.startswith("--"):
            long = {"--json": "J", "--bytes": "b", "--noheadings": "n", "--nodeps": "d", "--paths": "p", "--pairs": "P"}
            letters += long.get(word, "")
        elif word.startswith("-"):
            letters += word[1:]
        else:
            words.append(word)
    return words, letters, output


def _text(device: _Device, column: str, *, human: bool, full: bool) -> str:
    text = _COLUMNS[column](device)
    if column == "NAME" and full:
        return f"/dev/{text}"
    if column != "SIZE" or not human:
        return text
    size, unit = float(text), 0
    while size >= 1024:
        size, unit = size / 1024, unit + 1
    return f"{size:.0f}{_UNITS[unit]}" if size == int(size) else f"{size:.1f}{_UNITS[unit]}"
