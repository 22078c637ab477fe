"""Stand-in language host: the LanguageRuntime service."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

import grpc
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

from mlops.rehearsal.standins import serve
from mlops.rehearsal.standins.language.interpreter import Interpreter, OptionError, find
from mlops.rehearsal.standins.values import Empty, from_struct

_EXECUTOR = Path(__file__).with_name("executor.py")
_ALREADY_REPORTED = 32
# As long as the official host gives a cancelled program before it kills it.
_CANCEL_SECONDS = 5


class Host(language_pb2_grpc.LanguageRuntimeServicer):
    """The service. Programs run as processes of their own, so nothing of a preview is left when the update runs."""

    def __init__(self) -> None:
        self._engine = serve.engine_address()
        self._programs: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._ended = False

    def Handshake(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802, ARG002
        """Engine address."""
        self._engine = request.engine_address or self._engine
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802, ARG002
        """Version: that of no official host."""
        return plugin_pb2.PluginInfo(version="0.0.0-standin")

    def GetRequiredPlugins(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802, ARG002
        """Replaced by GetRequiredPackages."""
        return language_pb2.GetRequiredPluginsResponse()

    def GetRequiredPackages(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Plugins that the installed SDK packages need, in the versions they name."""
        return language_pb2.GetRequiredPackagesResponse(
            packages=[
                plugin_pb2.PackageDependency(
                    name=plugin["name"], kind="resource", version="v" + plugin["version"], server=plugin.get("server", "")
                )
                for plugin in _interpreter(request.info, context).plugins()
            ]
        )

    def GetProgramDependencies(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Installed packages, for ``pulumi about``."""
        return language_pb2.GetProgramDependenciesResponse(
            dependencies=[
                language_pb2.DependencyInfo(name=package.name, version=package.version)
                for package in _interpreter(request.info, context).packages()
            ]
        )

    def About(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Which Python."""
        interpreter = _interpreter(request.info, context)
        answer = subprocess.run([interpreter.executable, "--version"], check=True, capture_output=True, text=True)
        return language_pb2.AboutResponse(
            executable=str(interpreter.executable), version=answer.stdout.split()[-1], metadata={"host": "stand-in"}
        )

    def RuntimeOptionsPrompts(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802, ARG002
        """No questions for ``pulumi new``."""
        return language_pb2.RuntimeOptionsResponse()

    def InstallDependencies(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Nothing is installed here: the environment is there, or the answer says how to make it."""
        _interpreter(request.info, context)
        yield language_pb2.InstallDependenciesResponse(stdout=b"stand-in language host: the virtual environment is left as it is\n")

    def Run(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Run the program in a process of its own and say how it ended."""
        try:
            interpreter = _find(request.info)
        except OptionError as error:
            return language_pb2.RunResponse(error=str(error))
        with self._lock:
            if self._ended:
                return language_pb2.RunResponse(error="the language host is being stopped")
            program = subprocess.Popen(self._command(interpreter, request), env=_environment(interpreter, request))
            self._programs.add(program)
        context.add_callback(lambda: _cancel(program))
        try:
            status = program.wait()
        finally:
            with self._lock:
                self._programs.discard(program)
        if status == _ALREADY_REPORTED:
            return language_pb2.RunResponse(bail=True)
        if status < 0:
            return language_pb2.RunResponse(error=f"program exited unexpectedly: signal: {signal.Signals(-status).name}")
        return language_pb2.RunResponse(error=f"program exited with non-zero exit code: {status}" if status else "")

    def Cancel(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802, ARG002
        """End the programs under way."""
        threading.Thread(target=self.end, daemon=True).start()
        return Empty()

    def end(self) -> None:
        """End all programs and start no more."""
        with self._lock:
            self._ended = True
            programs = tuple(self._programs)
        for program in programs:
            _cancel(program)

    def _command(self, interpreter: Interpreter, request: Any) -> list[str]:
        options = {
            "parent": str(os.getpid()),
            "monitor": request.monitor_address,
            "engine": self._engine,
            "project": request.project,
            "root_directory": request.info.root_directory,
            "stack": request.stack,
            "organization": request.organization,
            "pwd": request.pwd,
            "dry_run": "true" if request.dryRun else "false",
            "parallel": str(request.parallel),
        }
        given = [text for name, value in options.items() if value for text in (f"--{name}", value)]
        return [str(interpreter.executable), "-u", str(_EXECUTOR), *given, request.info.entry_point or ".", *request.args]


def _environment(interpreter: Interpreter, request: Any) -> dict[str, str]:
    return {
        **interpreter.environment,
        "PULUMI_CONFIG": json.dumps(dict(request.config)),
        "PULUMI_CONFIG_SECRET_KEYS": json.dumps(list(request.configSecretKeys)),
    }


def _cancel(program: subprocess.Popen[bytes]) -> None:
    """Interrupt a program, then kill it; nothing happens when it has ended."""
    if program.poll() is not None:
        return
    program.send_signal(signal.SIGINT)
    try:
        program.wait(_CANCEL_SECONDS)
    except subprocess.TimeoutExpired:
        program.kill()


def _find(info: Any) -> Interpreter:
    return find(from_struct(info.options), Path(info.root_directory or "."))


def _interpreter(info: Any, context: grpc.ServicerContext) -> Interpreter:
    try:
        return _find(info)
    except OptionError as error:
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        raise AssertionError from error  # abort never returns


def main() -> None:
    """Serve as a plugin process."""
    host = Host()
    serve.serve(lambda server: language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server), host.end)
