"""Answers for the programs by which root changes a kernel: sysctl, modprobe, swapoff, swapon. They change the host's view of it."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass

from mlops.rehearsal.site.daemon import Call, Reply
from mlops.rehearsal.site.host import Host
from mlops.rehearsal.site.rooted import inside

# of files with one name the later folder's counts
_SYSTEM = ("/usr/lib/sysctl.d", "/etc/sysctl.d")


@dataclass(slots=True)
class _Output:
    out: str = ""
    err: str = ""
    code: int = 0


def sysctl(host: Host, call: Call) -> Reply:
    """Reads and sets kernel settings; one that the kernel does not have is told as missing."""
    options = _letters(call, {"--write": "w", "--values": "n", "--quiet": "q", "--ignore": "e", "--load": "p", "--all": "a"})
    words = [word for word in call.argv[1:] if not word.startswith("-")]
    if "--system" in call.argv:
        words = _lines(host, [*_system_files(host), "/etc/sysctl.conf"])
    elif "p" in options:
        words = _lines(host, words or ["/etc/sysctl.conf"])
    elif "a" in options:
        words = sorted(host.view.sysctls)
    result = _Output()
    for word in words:
        _setting(host, call, word, options, result)
    if host.view.written:
        host.view.write()
    return Reply(result.code, out=result.out, err=result.err)


def _setting(host: Host, call: Call, word: str, options: set[str], result: _Output) -> None:
    key, separator, value = (part.strip() for part in word.partition("="))
    lenient = key.startswith("-") or "e" in options
    name = key.lstrip("-").replace("/", ".")
    names = fnmatch.filter(host.view.sysctls, name) if set("*?") & set(name) else [name]
    for each in names:
        if each not in host.view.sysctls:
            if not lenient:
                result.err += f"sysctl: cannot stat /proc/sys/{each.replace('.', '/')}: No such file or directory\n"
                result.code = 1
            continue
        if separator and not call.root:
            result.err += f'sysctl: permission denied on key "{each}"\n'
            result.code = 1
            continue
        if separator and not host.view.set_sysctl(each, value):
            result.err += f'sysctl: setting key "{each}": Invalid argument\n'
            result.code = 1
            continue
        shown = value if separator else host.view.sysctls[each]
        if "q" not in options or not separator:
            result.out += f"{shown}\n" if "n" in options else f"{each} = {shown}\n"


def _system_files(host: Host) -> list[str]:
    found = {path.name: f"{folder}/{path.name}" for folder in _SYSTEM for path in inside(host.root, folder).glob("*.conf")}
    return [found[name] for name in sorted(found)]


def _lines(host: Host, paths: list[str]) -> list[str]:
    files = [inside(host.root, path) for path in paths]
    lines = [line.strip() for file in files if file.is_file() for line in file.read_text().splitlines()]
    return [line for line in lines if line and line[0] not in "#;"]


def modprobe(host: Host, call: Call) -> Reply:
    """Loads modules, tells whether it could (-n), or takes them out (-r)."""
    options = _letters(call, {"--dry-run": "n", "--show": "n", "--quiet": "q", "--all": "a", "--remove": "r", "--first-time": "f"})
    words = [word for word in call.argv[1:] if not word.startswith("-")]
    names = words if "a" in options or "r" in options else words[:1]  # further words are parameters of the module
    missing = [name for name in names if not host.view.available(name)]
    errors = "".join(
        f"modprobe: FATAL: Module {name} not found in directory /lib/modules/{host.view.kernel}\n"
        for name in ([] if "q" in options else missing)
    )
    if "n" in options:
        return Reply(int(bool(missing)), err=errors)
    if not call.root:
        return Reply(1, err=f"modprobe: ERROR: could not insert '{names[0] if names else ''}': Operation not permitted\n")
    for name in names:
        if "r" in options:
            host.view.unload(name)
        else:
            host.view.load(name)
    host.view.write()
    return Reply(int(bool(missing)), err=errors)


def swapoff(host: Host, call: Call) -> Reply:
    """Stops the use of swap devices, of all with -a."""
    if not call.root:
        return Reply(1, err="swapoff: Operation not permitted\n")
    names = [word for word in call.argv[1:] if not word.startswith("-")]
    everything = bool({"-a", "--all"} & set(call.argv))
    strange = [name for name in names if name not in host.view.swaps]
    host.view.swaps = () if everything else tuple(name for name in host.view.swaps if name not in names)
    host.view.write()
    return Reply(4 if strange else 0, err="".join(f"swapoff: {name}: swapoff failed: Invalid argument\n" for name in strange))


def swapon(host: Host, call: Call) -> Reply:
    """Lists swap devices in use (--show), or uses one."""
    words = [word for word in call.argv[1:] if not word.startswith("-")]
    show = next((word for word in call.argv[1:] if word.startswith("--show")), "" if len(call.argv) > 1 else "--show")
    if show:
        columns = (show.partition("=")[2] or "NAME,TYPE,SIZE,USED,PRIO").upper().split(",")
        values = [{"NAME": name, "TYPE": "partition", "SIZE": "4G", "USED": "0B", "PRIO": "-2"} for name in host.view.swaps]
        rows = [" ".join(entry.get(column, "") for column in columns) for entry in values]
        head = [" ".join(columns)] if rows and "--noheadings" not in call.argv else []
        return Reply(out="".join(f"{row}\n" for row in (*head, *rows)))
    if not call.root:
        return Reply(1, err="swapon: Operation not permitted\n")
    host.view.swaps = tuple(dict.fromkeys((*host.view.swaps, *words)))
    host.view.write()
    return Reply()


def _letters(call: Call, long: dict[str, str]) -> set[str]:
    """The options that were given, as their letters; short ones may stand together."""
    found = {long[word] for word in call.argv[1:] if word in long}
    return found | {letter for word in call.argv[1:] if word[:1] == "-" != word[1:2] for letter in word[1:]}
