"""The way into a site that is kept: a script that runs a command inside the frame, with everything set."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

import yaml

from mlops.rehearsal.run.engine import Engine
from mlops.rehearsal.run.plan import Plan
from mlops.rehearsal.site.runs import FRAME_PID_FILE
from mlops.rehearsal.site.spec import SiteSpec


def write_enter_script(plan: Plan, engine: Engine, spec: SiteSpec, kubeconfig: Path) -> Path:
    """Writes the script and what it needs: an SSH configuration and the user's key.

    Args:
        plan: the run.
        engine: its engine, whose variables the script sets.
        spec: the throw-away site.
        kubeconfig: an administrator's.

    Returns:
        The script; ``SCRIPT COMMAND ARGUMENT...`` runs the command, without arguments it is a shell.
    """
    folder = plan.workdir / "by-hand"
    folder.mkdir(mode=0o700)
    _private(folder / "key", plan.secret_values["onprem-mlops:hosts.access.key"])
    _private(folder / "ssh_config", _ssh_config(folder, spec))
    if ssh := shutil.which("ssh"):
        _executable(folder / "ssh", f'#!/bin/sh\nexec {shlex.quote(ssh)} -F {shlex.quote(str(folder / "ssh_config"))} "$@"\n')
    _write_project(folder, plan, engine)
    variables = {**engine.environment(), "KUBECONFIG": str(kubeconfig)}
    variables["PATH"] = f"{folder}{os.pathsep}{variables['PATH']}"
    lines = [
        "#!/bin/sh",
        "# Runs a command inside the rehearsal's namespaces.",
        f"frame=$(cat {shlex.quote(str(plan.workdir / FRAME_PID_FILE))})",
        'read -r inner _ <"/proc/$frame/task/$frame/children"',
        *(f"export {name}={shlex.quote(value)}" for name, value in sorted(variables.items())),
        '[ "$#" -gt 0 ] || set -- "${SHELL:-/bin/sh}"',
        # an ordinary user's frame has a user namespace of its own
        '[ "$(id -u)" = 0 ] || user="--user --preserve-credentials"',
        f'set -- sh -c \'cd "$0" && exec "$@"\' {shlex.quote(str(folder))} "$@"',
        'exec nsenter --target "$inner" ${user-} --net --mount --pid -- "$@"',
        "",
    ]
    script = plan.workdir / "enter"
    _executable(script, "\n".join(lines))
    return script


def _write_project(folder: Path, plan: Plan, engine: Engine) -> None:
    """The project with the derived site file: by hand the engine must neither read nor write the checkout's own."""
    project = yaml.safe_load((plan.checkout / "Pulumi.yaml").read_text(encoding="utf-8"))
    project["main"] = str(plan.checkout)
    options = project["runtime"]["options"]
    options["virtualenv"] = str(plan.checkout / options["virtualenv"])
    (folder / "Pulumi.yaml").write_text(yaml.safe_dump(project), encoding="utf-8")
    (folder / engine.config_file.name).symlink_to(engine.config_file)


def _ssh_config(folder: Path, spec: SiteSpec) -> str:
    jump = "" if spec.bastion is None else f"    ProxyJump {spec.bastion.name}\n"
    return "\n".join(
        (
            f"Host {host.name}\n    HostName {host.address}\n    Port {host.port}\n    User {host.user}\n"
            f"    IdentityFile {folder / 'key'}\n    IdentitiesOnly yes\n"
            # the frame has no other hosts than the site's own
            f"    StrictHostKeyChecking accept-new\n    LogLevel ERROR\n    UserKnownHostsFile {folder / 'known_hosts'}\n"
            + ("" if host is spec.bastion else jump)
        )
        for host in spec.all_hosts
    )


def _private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")


def _executable(path: Path, text: str) -> None:
    path.touch(mode=0o700)
    path.write_text(text, encoding="utf-8")
