"""Stand-in language host: runs one Pulumi program in this process, which is the program's own.

It is run as a file by the program's Python and so may import nothing but the standard library and the Pulumi SDK.
Parameters come as the official host passes them: options, and the configuration in PULUMI_CONFIG and
PULUMI_CONFIG_SECRET_KEYS. Exit status: 0 done, 32 failed and already reported, 1 failed.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import logging
import os
import runpy
import signal
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_ALREADY_REPORTED = 32
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def _end_with(parent: int) -> None:
    """Ask the kernel to kill this process when the host is gone, even by SIGKILL."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was gone before the request
        sys.exit(1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    for name in ("monitor", "engine", "project", "root_directory", "stack", "organization", "pwd", "tracing"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--dry_run", type=lambda text: text == "true")
    parser.add_argument("--parallel", type=int)
    parser.add_argument("program")
    parser.add_argument("arguments", nargs="*")
    return parser.parse_args()


def _program_traceback(error: BaseException, program: Path) -> str:
    """The traceback from the program's first frame on: what led there is this file's and runpy's business."""
    main_file = program / "__main__.py" if program.is_dir() else program
    frame = error.__traceback__
    while frame is not None and Path(frame.tb_frame.f_code.co_filename).absolute() != main_file:
        frame = frame.tb_next
    return "".join(traceback.format_exception(type(error), error, frame or error.__traceback__))


def main() -> int:
    """Run the program; return the exit status."""
    arguments = _arguments()
    _end_with(arguments.parent)
    sys.path.pop(0)  # this file's own directory: its neighbours are no modules of the program
    try:
        import pulumi  # noqa: PLC0415 - a missing SDK is told to the user
        import pulumi.runtime  # noqa: PLC0415
    except ImportError:
        traceback.print_exc()
        print(
            f"The Pulumi SDK is not installed for {sys.executable}; run: {sys.executable} -m pip install -r requirements.txt",
            file=sys.stderr,
        )
        return 1
    pulumi.runtime.set_all_config(pulumi.runtime.get_config_env(), pulumi.runtime.get_config_secret_keys_env())
    pulumi.runtime.configure(
        pulumi.runtime.Settings(
            monitor=arguments.monitor,
            engine=arguments.engine,
            project=arguments.project,
            stack=arguments.stack,
            parallel=arguments.parallel,
            dry_run=arguments.dry_run,
            organization=arguments.organization,
            root_directory=arguments.root_directory,
        )
    )
    if arguments.pwd:
        os.chdir(arguments.pwd)
    program = Path(arguments.program).absolute()
    sys.argv = [arguments.program, *arguments.arguments]
    if program.is_dir() and not (program / "__main__.py").is_file():
        pulumi.log.error(f"unable to find main python program `__main__.py` in `{program}`")
        return _ALREADY_REPORTED
    return _run(arguments.program, program, arguments.parallel)


def _run(name: str, program: Path, parallel: int) -> int:
    import pulumi  # noqa: PLC0415 - see main

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    # The SDK's blocking calls run in this pool; the official host allows four for each operation the engine runs at once.
    executor = ThreadPoolExecutor(max_workers=max(parallel, 1) * 4)
    loop.set_default_executor(executor)
    # A failed program leaves futures nobody waits for; asyncio's complaints about them would bury the error itself.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)

    def run() -> None:
        runpy.run_path(name, run_name="__main__")

    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(run))
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
        return 1
    except Exception as error:  # noqa: BLE001 - whatever the program raised is reported in the same way
        pulumi.log.error("Program failed with an unhandled exception:\n" + _program_traceback(error, program))
        return _ALREADY_REPORTED
    finally:
        executor.shutdown(wait=True)
        loop.close()
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    # The engine cancels a run by SIGINT, by more than one at times, and reports that itself: a KeyboardInterrupt would show its
    # traceback. Threads may still wait for answers that never come.
    signal.signal(signal.SIGINT, lambda *_: os._exit(1))
    sys.exit(main())
