"""How hosts are reached over SSH: as whom, with which key, through which jump host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import Field

from mlops.errors import Problem, UserError
from mlops.settings.secret import MASK, FromFile, Secret, SecretState
from mlops.settings.section import RefusedError, Section
from mlops.settings.types import AddressOrName, HostKey, KeyFile, Port, UserName


class Bastion(Section):
    """A jump host through which all nodes are reached."""

    address: AddressOrName = Field(description="Name, IPv4 or IPv6 address of the jump host.")
    port: Port = Field(default=22, description="TCP port of its SSH server.")
    user: UserName = Field(description="User to log in as on the jump host; needs no rights there but to forward connections.")
    host_key: HostKey = Field(description="Its ed25519 public host key; any other key ends the connection.")
    key: Annotated[Secret | None, FromFile("bastion-key-file")] = Field(
        default=None,
        description="SSH private key for the jump host, without passphrase (secret); that of the hosts without key and keyFile.",
    )
    key_file: KeyFile | None = Field(
        default=None, description="In place of key: file with it on the machine that deploys, from / or ~/ on; without passphrase."
    )


class Access(Section):
    """How the hosts are reached over SSH, unless a node says otherwise."""

    user: UserName = Field(description="User to log in as: root, or a user who may run `sudo`.")
    port: Port = Field(default=22, description="TCP port of the SSH server on each host.")
    key: Annotated[Secret | None, FromFile("key-file")] = Field(
        default=None,
        description="SSH private key for the hosts, without passphrase (secret); one of key, keyFile and agent is needed.",
    )
    key_file: KeyFile | None = Field(
        default=None, description="In place of key: file with it on the machine that deploys, from / or ~/ on; without passphrase."
    )
    agent: bool = Field(
        default=False,
        strict=True,
        description="In place of key: the keys of the SSH agent (SSH_AUTH_SOCK) of the machine that deploys.",
    )
    sudo_password: Secret | None = Field(
        default=None, description="Password that `sudo` asks the user for (secret); left out for root and for sudo without one."
    )
    wait_seconds: Annotated[int, Field(strict=True, ge=1, le=3600)] = Field(
        default=120, description="Seconds to wait for a host that does not answer, e.g. while it reboots, before the run fails."
    )
    bastion: Bastion | None = Field(default=None, description="Jump host in front of the hosts; left out when there is none.")

    @classmethod
    def needs_secret(cls, key: str, values: Mapping[str, object]) -> bool:
        """The key is needed unless a file or the agent has it."""
        return key == "key" and values.get("keyFile") is None and values.get("agent") is not True


@dataclass(frozen=True, slots=True, kw_only=True)
class HostAccess:
    """How one host is reached: all defaults applied.

    Of key, key_file and agent just one is there, and of those of the bastion when there is one.

    Attributes:
        ssh_address: name, IPv4 or IPv6 address of the SSH server.
        user: SSH user.
        port: TCP port of the SSH server.
        key: SSH private key for the host.
        key_file: path of the file with it, on the machine that deploys; ``~/`` stands for the home folder.
        agent: whether the SSH agent of the machine that deploys has it.
        sudo_password: password that sudo asks the user for, if it does.
        bastion: jump host in between, if any.
        bastion_key: SSH private key for the jump host.
        bastion_key_file: path of the file with it.
        bastion_agent: whether the SSH agent has it.
        wait_seconds: how long a host may not answer before the run fails.
    """

    ssh_address: str
    user: str
    port: int
    key: Secret | None
    key_file: str | None
    agent: bool
    sudo_password: Secret | None
    bastion: Bastion | None
    bastion_key: Secret | None
    bastion_key_file: str | None
    bastion_agent: bool
    wait_seconds: int

    def private_key(self) -> Secret | None:
        """SSH private key for the host, from the settings or from its file; None when the agent has it.

        Raises:
            UserError: the file cannot be read, or holds no private key without passphrase.
        """
        return self.key or (_key_in(self.key_file, "hosts.access.keyFile") if self.key_file else None)

    def bastion_private_key(self) -> Secret | None:
        """The same for the jump host; also None without one."""
        file = self.bastion_key_file
        return self.bastion_key or (_key_in(file, "hosts.access.bastion.keyFile") if file else None)


@lru_cache(maxsize=2)  # every step on every host asks, and a large RSA key takes its time
def _allowed_instead(text: str) -> str:
    """What should stand in a key file in place of this; empty when it is a key that can be used."""
    from mlops.settings.certificates import private_key  # noqa: PLC0415  (cryptography takes 0.1 s; most sites have no key file)

    try:
        private_key(text)
    except RefusedError as refused:
        return refused.allowed
    return ""


def _key_in(file: str, where: str) -> Secret:
    def unusable(found: str, allowed: str, mend: str) -> UserError:
        return UserError("The SSH key cannot be used.", [Problem(where, found, allowed, mend)])

    other = "give the path of the private key's file, not of its .pub"

    try:
        text = Path(file).expanduser().read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise unusable(f"{file}, which holds no text", "the file of a private key", other) from None
    except OSError as error:
        raise unusable(
            f"{file}: {error.strerror}",
            "a file that can be read on the machine that deploys",
            "give its path; `ssh-keygen -t ed25519` makes a key",
        ) from None
    except RuntimeError:
        raise unusable(f"{file}, and no home folder", "a path from / on", "write the path in full") from None
    if allowed := _allowed_instead(text):
        unlocked = f"`ssh-add {file}`, and agent: true in place of keyFile; or a key without passphrase"
        raise unusable(f"{file}: {MASK}", allowed, unlocked if "passphrase" in allowed else other)
    return Secret(SecretState.GIVEN, text, path=where)
