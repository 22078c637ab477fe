"""Stand-in ``command`` provider: commands on this machine (``local.Command``, ``local.run``)."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlops.rehearsal.standins.command.output import Output
from mlops.rehearsal.standins.provider import Call, ProviderError
from mlops.rehearsal.standins.values import ARCHIVE, ASSET, SIGNATURE


class Runner:
    """Runs commands on this machine, each in a process group of its own that ends with the plugin."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._cancelled = False

    def run(self, call: Call, command: str, properties: Mapping[str, Any], old: Mapping[str, Any]) -> dict[str, object]:
        """Run one command; return ``stdout``, ``stderr`` and, where asked for, ``assets`` and ``archive``.

        Raises:
            ProviderError: it cannot be started or its exit status is not 0.
        """
        directory = Path(str(properties.get("dir") or Path.cwd()))
        environment = {**os.environ, **{name: str(value) for name, value in (properties.get("environment") or {}).items()}}
        if properties.get("addPreviousOutputInEnv", True):
            environment |= {f"PULUMI_COMMAND_{name.upper()}": str(old[name]) for name in ("stdout", "stderr") if old.get(name)}
        arguments = [*(properties.get("interpreter") or ["/bin/sh", "-c"]), command]
        output = Output(call, properties.get("logging"))
        failure = self._execute(arguments, directory, environment, str(properties.get("stdin") or "").encode(), output)
        output.end()
        if failure:
            raise ProviderError(f"{failure}: running {json.dumps(command, ensure_ascii=False)}:\n{output.both()}")
        results = output.results()
        if (globs := properties.get("assetPaths")) is not None:
            results["assets"] = {path: _asset(directory, path) for path in _matching(directory, globs)}
        if (globs := properties.get("archivePaths")) is not None:
            entries = {path: _asset(directory, path) for path in _matching(directory, globs)}
            results["archive"] = {SIGNATURE: ARCHIVE, "assets": entries}
        return results

    def cancel(self) -> None:
        """Kill every command under way, with what it started, and start no more: the engine is about to end the plugin."""
        with self._lock:
            self._cancelled = True
            running = tuple(self._running)
        for process in running:
            with contextlib.suppress(ProcessLookupError):  # it may end by itself at this very moment
                os.killpg(process.pid, signal.SIGKILL)

    def _execute(self, arguments: list[str], directory: Path, environment: Mapping[str, str], stdin: bytes, output: Output) -> str:
        """Run to the end; return how it failed, in the words of Go's os/exec, or nothing."""
        with self._lock:  # so that a cancel either finds the process or keeps it from starting
            if self._cancelled:
                return "context canceled"
            try:
                process = subprocess.Popen(
                    arguments,
                    cwd=directory,
                    env=environment,
                    stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    start_new_session=True,
                )
            except OSError as error:
                return f'exec: "{arguments[0]}": {os.strerror(error.errno or 0).lower()}'
            self._running.add(process)
        problems: list[ProviderError] = []
        writing = threading.Lock()

        def pump(name: str, descriptor: int) -> None:
            while data := os.read(descriptor, 32 * 1024):
                try:
                    with writing:
                        output.write(name, data)
                except ProviderError as error:
                    problems.append(error)
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
                    return

        assert process.stdout is not None  # noqa: S101 - both are pipes, see above
        assert process.stderr is not None  # noqa: S101
        pumps = [
            threading.Thread(target=pump, args=(name, stream.fileno()))
            for name, stream in (("stdout", process.stdout), ("stderr", process.stderr))
        ]
        try:
            for thread in pumps:
                thread.start()
            if process.stdin is not None:
                _feed(process, stdin)
            for thread in pumps:
                thread.join()
            status = process.wait()
        finally:
            with self._lock:
                self._running.discard(process)
            process.stdout.close()
            process.stderr.close()
        if problems:
            raise problems[0]
        if status < 0:
            return f"signal: {signal.strsignal(-status) or -status}".lower()
        return f"exit status {status}" if status else ""


def _feed(process: subprocess.Popen[bytes], data: bytes) -> None:
    assert process.stdin is not None  # noqa: S101 - the caller looked
    try:
        process.stdin.write(data)
        process.stdin.close()
    except BrokenPipeError:
        return  # a command may end without reading all of it


def _asset(directory: Path, path: str) -> dict[str, object]:
    return {SIGNATURE: ASSET, "path": str(directory / path)}


def _matching(directory: Path, globs: list[str]) -> list[str]:
    """Files below the directory that the rules take, in order; ``!`` takes away."""
    rules = [(not glob.startswith("!"), _regex(glob.removeprefix("!"))) for glob in globs]
    taken: set[str] = set()
    for file in directory.rglob("*"):
        path = file.relative_to(directory).as_posix()
        if file.is_dir():
            continue
        for takes, rule in rules:
            if rule.fullmatch(path):
                (taken.add if takes else taken.discard)(path)
    return sorted(taken)


def _regex(glob: str) -> re.Pattern[str]:
    """``**`` is anything, ``*`` anything but a slash, ``?`` one character that is no slash, ``{a,b}`` either."""
    pieces = re.split(r"(\*\*|\*|\?|\{[^}]*\})", glob)
    fixed = {"**": ".*", "*": "[^/]*", "?": "[^/]"}

    def translate(piece: str) -> str:
        if piece.startswith("{") and piece.endswith("}"):
            return "(?:" + "|".join(_regex(choice).pattern for choice in piece[1:-1].split(",")) + ")"
        return fixed.get(piece) or re.escape(piece)

    return re.compile("".join(translate(piece) for piece in pieces), re.DOTALL)
