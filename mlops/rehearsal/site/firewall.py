"""Stands in for firewalld on one host: zones with interfaces, sources, ports and masquerading, running and permanent."""

from __future__ import annotations

import copy
from collections.abc import Callable

from mlops.rehearsal.site.daemon import Call, Reply

_KINDS = ("interface", "source", "port", "service", "rich-rule", "masquerade", "forward")
_ZONES = ("public", "trusted", "internal", "drop", "block")
Rules = dict[str, set[tuple[str, str]]]


class Firewall:
    """firewall-cmd of one host."""

    def __init__(self) -> None:
        self.permanent: Rules = {zone: set() for zone in _ZONES}
        self.permanent["public"] |= {("service", "ssh")}
        self.running: Rules = copy.deepcopy(self.permanent)

    def boot(self) -> None:
        """What is permanent holds; what was not is gone."""
        self.running = copy.deepcopy(self.permanent)

    def answer(self, call: Call, *, active: bool) -> Reply:
        """Answers one call of ``firewall-cmd``.

        Args:
            call: the call.
            active: whether firewalld runs.
        """
        words = [word for word in call.argv[1:] if word not in {"-q", "--quiet"}]
        if "--state" in words:
            return Reply(out="running\n") if active else Reply(252, err="not running\n")
        if not call.root:
            return Reply(
                253, err="Authorization failed.\n    Make sure polkit agent is running or run the application as superuser.\n"
            )
        if not active:
            return Reply(252, err="FirewallD is not running\n")
        whole: dict[str, Callable[[], None]] = {
            "--reload": self.boot,
            "--complete-reload": self.boot,
            "--runtime-to-permanent": self._keep,
        }
        for word in words:
            if word in whole:
                whole[word]()
                return Reply(out="success\n")
        return _rules(self.permanent if "--permanent" in words else self.running, words)

    def _keep(self) -> None:
        self.permanent = copy.deepcopy(self.running)


def _rules(rules: Rules, words: list[str]) -> Reply:
    zone = next((word.partition("=")[2] for word in words if word.startswith("--zone=")), "public")
    rest = [word for word in words if word != "--permanent" and not word.startswith(("--zone=", "--timeout="))]
    if rest == ["--get-default-zone"]:
        return Reply(out="public\n")
    if rest == ["--get-zones"]:
        return Reply(out=" ".join(_ZONES) + "\n")
    if len(rest) == 1 and rest[0].startswith("--get-zone-of-"):
        kind, _, value = rest[0].removeprefix("--get-zone-of-").partition("=")
        found = next((name for name in rules if (kind, value) in rules[name]), "")
        return Reply(out=f"{found}\n") if found else Reply(2, out="no zone\n")
    if zone not in rules:
        return Reply(112, err=f"Error: INVALID_ZONE: {zone}\n")
    return _act(rules, zone, rest)


def _act(rules: Rules, zone: str, words: list[str]) -> Reply:
    out, code = [], 0
    for word in words:
        option, _, value = word.partition("=")
        verb, _, kind = option.removeprefix("--").partition("-")
        if word in {"--list-all", "--list-all-zones"}:
            out.append(f"{zone}\n" + "".join(f"  {name}: {text}\n" for name, text in sorted(rules[zone])))
        elif verb == "list" and kind.removesuffix("s") in _KINDS:
            out.append(" ".join(sorted(text for name, text in rules[zone] if name == kind.removesuffix("s"))) + "\n")
        elif kind in _KINDS and verb in {"add", "change"}:
            if kind in {"interface", "source"}:  # of one zone only
                taken = next((name for name in rules if name != zone and (kind, value) in rules[name]), "")
                if taken and verb == "add":
                    return Reply(13, err=f"Error: ZONE_CONFLICT: '{value}' already bound to '{taken}'\n")
                for entries in rules.values():
                    entries.discard((kind, value))
            rules[zone].add((kind, value))
            out.append("success\n")
        elif kind in _KINDS and verb == "remove":
            rules[zone].discard((kind, value))
            out.append("success\n")
        elif kind in _KINDS and verb == "query":
            there = (kind, value) in rules[zone]
            code = code or int(not there)
            out.append("yes\n" if there else "no\n")
        else:
            return Reply(2, err=f"firewall-cmd: error: unrecognized arguments: {word}\n")
    return Reply(code, out="".join(out))
