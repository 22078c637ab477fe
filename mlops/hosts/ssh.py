"""Runs a script on many hosts at once through the system's `ssh`: pinned host keys, keys that show nowhere, a jump host in between.

Nothing of the user's own SSH configuration is read, so that what is tried is what the deployment does. Jump hosts count connections
that are still logging in (sshd, MaxStartups), so one connection to the jump host carries all.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from mlops.errors import Problem, UserError
from mlops.hosts.checks.check import Fault, Finding
from mlops.hosts.checks.deployer import reachable, sudo
from mlops.hosts.compose import LAUNCHER
from mlops.settings import Host, HostAccess

CONNECT_SECONDS = 10
ANSWER_SECONDS = 60
"""Longest that a host may take for all of a probe, whose own questions wait a few seconds at most."""
NEEDS_ROOT = 77  # exit code of scripts/root.sh
SSH_FAILED = 255
_BASTION = "bastion"


class Door(BaseModel):
    """One SSH server and how it is entered.

    Attributes:
        address: name, IPv4 or IPv6 address.
        port: TCP port.
        user: login user.
        host_key: its ed25519 public key.
        key: private key; None when the SSH agent has it.
    """

    model_config = ConfigDict(frozen=True)

    address: str
    port: int
    user: str
    host_key: str
    key: str | None = Field(repr=False)


class Target(BaseModel):
    """A host, with the jump host in front of it.

    Attributes:
        name: its name.
        door: its SSH server.
        bastion: the jump host's.
        sudo_password: what sudo asks for; empty when it asks for nothing.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    door: Door
    bastion: Door | None
    sudo_password: str = Field(repr=False)

    @classmethod
    def of(cls, host: Host, access: HostAccess) -> Target:
        """How the settings say that a host is reached.

        Raises:
            UserError: a secret cannot be read here, or a key file cannot be used.
        """
        key, password, bastion = access.private_key(), access.sudo_password, None
        if access.bastion is not None:
            entry, own = access.bastion, access.bastion_private_key()
            bastion = Door(
                address=str(entry.address),
                port=entry.port,
                user=entry.user,
                host_key=entry.host_key,
                key=own.reveal() if own else None,
            )
        return cls(
            name=host.name,
            door=Door(
                address=access.ssh_address,
                port=access.port,
                user=access.user,
                host_key=host.host_key,
                key=key.reveal() if key else None,
            ),
            bastion=bastion,
            sudo_password=password.reveal() if password else "",
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a script on a host.

    Attributes:
        code: exit code; that of ssh is 255.
        stdout: what the script printed.
        stderr: what went wrong, in the words of the script or of ssh.
        jump: words of the ssh to the jump host; empty when all went well there.
        at: seconds since 1970, by the clock of this machine, when it was about half done.
        seconds: how long it took.
    """

    code: int
    stdout: str
    stderr: str
    jump: str
    at: float
    seconds: float


Told = Callable[[str, Answer], None]


def ask(targets: Sequence[Target], scripts: Mapping[str, str], told: Told = lambda _name, _answer: None) -> dict[str, Answer]:
    """Runs a script on each host, all at the same time; ends all of them when it is interrupted.

    Args:
        targets: the hosts.
        scripts: host name -> what is sent to its :data:`mlops.hosts.LAUNCHER`.
        told: called for each host as soon as it has answered.

    Raises:
        UserError: this machine has no `ssh`.
    """
    if shutil.which("ssh") is None:
        problem = Problem("this machine", "no program `ssh`", "the client of OpenSSH", "install openssh-client (openssh-clients)")
        raise UserError("The hosts cannot be asked.", [problem])
    with _folder(targets) as folder:
        return asyncio.run(_ask(targets, scripts, told, folder))


async def _ask(targets: Sequence[Target], scripts: Mapping[str, str], told: Told, folder: Path) -> dict[str, Answer]:
    async with _bastion(next((target.bastion for target in targets if target.bastion), None), folder) as refused:
        answers = await asyncio.gather(*(_one(target, scripts[target.name], told, folder, refused) for target in targets))
    return {target.name: answer for target, answer in zip(targets, answers, strict=True)}


async def _one(target: Target, script: str, told: Told, folder: Path, refused: str) -> Answer:
    began, wall = time.monotonic(), time.time()
    code, out, err, jump = SSH_FAILED, "", "", refused
    if not refused:
        process = await asyncio.create_subprocess_exec(
            *_command(target, folder),
            LAUNCHER,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C on the terminal is for us, who then end it
        )
        try:
            result = await asyncio.wait_for(process.communicate(script.encode()), ANSWER_SECONDS)
            code, out, err = process.returncode or 0, *(text.decode(errors="replace") for text in result)
        except TimeoutError:
            err = f"no answer in {ANSWER_SECONDS} s"
        finally:
            await _end(process)
        jump = _words(folder / f"{target.name}.jump")
    seconds = time.monotonic() - began
    answer = Answer(code, out, err, jump, wall + seconds / 2, seconds)
    told(target.name, answer)
    return answer


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@contextlib.asynccontextmanager
async def _bastion(door: Door | None, folder: Path) -> AsyncIterator[str]:
    """Holds one connection to the jump host; gives what ssh says when it cannot."""
    if door is None:
        yield ""
        return
    log = folder / "bastion.log"
    options = [*_options(door, _BASTION, folder), "-E", str(log), "-S", str(folder / "jump")]
    process = await asyncio.create_subprocess_exec(
        *["ssh", *options, "-M", "-f", "-N", "-o", f"ControlPersist={ANSWER_SECONDS}", "--", door.address],
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        code = await process.wait()
    finally:
        await _end(process)
    if code != 0:
        yield _words(log) or f"ssh ended with exit code {code}"
        return
    try:
        yield ""
    finally:
        leave = await asyncio.create_subprocess_exec(
            *["ssh", "-F", "none", "-S", str(folder / "jump"), "-O", "exit", "--", door.address],
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        await leave.wait()


def _command(target: Target, folder: Path) -> list[str]:
    options = _options(target.door, target.name, folder)
    if target.bastion is not None:
        log = folder / f"{target.name}.jump"
        jump = ["ssh", "-F", "none", "-E", str(log), "-S", str(folder / "jump"), "-o", "ControlMaster=no"]
        # %h and %p are those of the host; an IPv6 address needs the brackets
        options += ["-o", f"ProxyCommand={shlex.join([*jump, '-W'])} [%h]:%p {shlex.quote(target.bastion.address)}"]
    return ["ssh", *options, "--", target.door.address]


def _options(door: Door, alias: str, folder: Path) -> list[str]:
    settings = {
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": str(folder / "known_hosts"),
        "GlobalKnownHostsFile": "none",
        "HostKeyAlias": alias,
        "HostKeyAlgorithms": "ssh-ed25519",
        "KexAlgorithms": _key_exchange(),
        "ConnectTimeout": str(CONNECT_SECONDS),
        "ServerAliveInterval": "15",
        "LogLevel": "ERROR",
    }
    if door.key is None:
        settings["IdentityFile"] = "none"  # the agent's keys alone, as the deployment does
    else:
        settings |= {"IdentitiesOnly": "yes", "IdentityFile": str(folder / f"{alias}.key"), "IdentityAgent": "none"}
    words = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    return ["-F", "none", *words, "-l", door.user, "-p", str(door.port)]


@cache
def _key_exchange() -> str:
    """The order of the command provider (golang.org/x/crypto/ssh), as far as this ssh knows it, before the rest.

    OpenSSH 9 prefers sntrup761, which takes 0.1 s of processor time on each side: too much for twenty hosts at once.
    """
    known = subprocess.run(["ssh", "-Q", "kex"], capture_output=True, text=True, check=False).stdout.split()
    first = [name for name in ("mlkem768x25519-sha256", "curve25519-sha256") if name in known]
    return f"^{','.join(first)}" if first else ",".join(known)


@contextlib.contextmanager
def _folder(targets: Sequence[Target]) -> Iterator[Path]:
    """A folder of this user alone with host keys and links to keys, which are in memory only: a killed run leaves no key behind."""
    with tempfile.TemporaryDirectory(prefix="mlops-ssh-") as name, contextlib.ExitStack() as keys:
        folder = Path(name)
        doors = {target.name: target.door for target in targets}
        bastion = next((target.bastion for target in targets if target.bastion), None)
        if bastion is not None:
            doors[_BASTION] = bastion
        lines = []
        for alias, door in doors.items():
            lines.append(f"{alias} {door.host_key}\n")
            if door.key is not None:
                file = keys.enter_context(os.fdopen(os.memfd_create(alias), "w"))
                os.fchmod(file.fileno(), 0o600)  # ssh refuses a key that others could read
                file.write(door.key)
                file.flush()
                # ssh closes the descriptors that it inherits, so it opens ours
                (folder / f"{alias}.key").symlink_to(f"/proc/{os.getpid()}/fd/{file.fileno()}")
        (folder / "known_hosts").write_text("".join(lines))
        yield folder


def _words(log: Path) -> str:
    return log.read_text(errors="replace").strip() if log.exists() else ""


def failure(target: Target, answer: Answer) -> Finding | None:
    """What a host's answer means when it is no answer: a finding of `reachable` or `sudo`; None when the script ran."""
    if answer.code == 0:
        return None
    way = f"{target.door.user}@{target.door.address} port {target.door.port}"
    if answer.code == NEEDS_ROOT:
        return sudo.finding(_from_script(answer.stderr), target.name)
    if answer.code != SSH_FAILED:
        last = answer.stderr.strip().splitlines()[-1:] or [f"the probe ended with exit code {answer.code}"]
        fault = Fault(f"{way}: {last[0][:300]}", "a host on which the probe runs to its end", "mend what these words name")
        return reachable.finding(fault, target.name)
    return reachable.finding(_connection(target, answer, way), target.name)


def _from_script(text: str) -> Fault:
    """Words of a script as lib.sh and root.sh print them."""
    fields: dict[str, str] = {}
    for line in text.splitlines():
        label, _, words = line.strip().lstrip("- ").partition(": ")
        if label in {"found", "allowed", "mend"}:
            fields.setdefault(label, words)
    return Fault(fields.get("found", "no root"), fields.get("allowed", ""), fields.get("mend", ""))


def _connection(target: Target, answer: Answer, way: str) -> Fault:
    bastion, door, text = target.bastion, target.door, answer.stderr
    if bastion is not None and answer.jump and "stdio forwarding failed" not in answer.jump and "open failed" not in answer.jump:
        own = f"{bastion.user}@{bastion.address} port {bastion.port}"
        return _cause(f"bastion {own}", answer.jump, bastion, "hosts.access.bastion")
    if bastion is not None and answer.jump:
        text = f"{answer.jump} (told by the bastion {bastion.address})"
    return _cause(way, text, door, "hosts.access", at=f"on the bastion {bastion.address}: " if bastion else "")


def _cause(way: str, text: str, door: Door, setting: str, *, at: str = "") -> Fault:
    last = (text.strip().splitlines() or ["no answer"])[-1].strip()
    words = next((line.strip() for line in text.splitlines() if "open failed" in line), last)[:300]
    if "Host key verification failed" in text or "HOST IDENTIFICATION HAS CHANGED" in text or "host key is known" in text:
        return Fault(
            f"{way}: another host key",
            f"the host key of the settings: {door.host_key}",
            f"{at}`ssh-keyscan -p {door.port} -t ed25519 {door.address}`, compare it at the host's console, correct hostKey",
        )
    if "Permission denied" in text or "Too many authentication failures" in text:
        agent = door.key is None
        key = "the SSH agent" if agent else f"{setting}.key or keyFile"
        shown = "`ssh-add -l` shows the agent's keys, none without SSH_AUTH_SOCK; " if agent else ""
        return Fault(
            f"{way}: {words}",
            f"user {door.user} may log in with the key of {key}",
            f"{shown}its public key in ~{door.user}/.ssh/authorized_keys there, or the right user in the settings",
        )
    return Fault(
        f"{way}: {words}",
        "an SSH server that answers",
        "switch it on; compare address and port in the settings; look at firewalls",
    )
