"""Who belongs to MicroK8s' datastore and who votes in it: dqlite's rules, without its data, which etcd keeps here."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

Role = Literal["voter", "standby", "spare"]
# canonical/go-dqlite app/app.go: minVoters; app/roles.go: RolesConfig
VOTERS = 3
STANDBYS = 3


class NoMajorityError(Exception):
    """Too few voters are alive to change anything."""


class Datastore:
    """Members by address, in the order in which they joined."""

    def __init__(self) -> None:
        self._members: dict[str, Role] = {}

    @property
    def members(self) -> dict[str, Role]:
        """Address to role."""
        return dict(self._members)

    @property
    def voters(self) -> list[str]:
        """Addresses of the voters."""
        return [address for address, role in self._members.items() if role == "voter"]

    def clear(self) -> None:
        """Forgets everybody."""
        self._members.clear()

    def has_majority(self, alive: Collection[str]) -> bool:
        """Whether the living voters may decide."""
        return 2 * len([address for address in self.voters if address in alive]) > len(self.voters)

    def join(self, address: str, alive: Collection[str]) -> None:
        """A node joins; the first one starts the datastore.

        Raises:
            NoMajorityError: nobody can let it in.
        """
        if self._members and not self.has_majority(alive):
            raise NoMajorityError
        self._members[address] = "spare" if self._members else "voter"
        self.adjust({*alive, address})

    def hand_over(self, address: str, alive: Collection[str]) -> None:
        """A voter that stops gives its vote to a living member that has none, where there is one."""
        other = next((name for name, role in self._members.items() if role != "voter" and name in alive and name != address), None)
        if self._members.get(address) == "voter" and other is not None and len(self._members) > VOTERS:
            self._members |= {other: "voter", address: "spare"}

    def remove(self, address: str, alive: Collection[str]) -> None:
        """Takes a member out, by the voters that are alive.

        Raises:
            NoMajorityError: they are too few.
        """
        if not self.has_majority(alive):
            raise NoMajorityError
        self._members.pop(address, None)
        self.adjust(alive)

    def adjust(self, alive: Collection[str]) -> None:
        """Gives living members the roles that dead ones cannot fill; below three members nothing is changed."""
        if len(self._members) < VOTERS:
            return
        self._fill("voter", VOTERS, [name for name, role in self._members.items() if role != "voter"], alive)
        self._fill("standby", STANDBYS, [name for name, role in self._members.items() if role == "spare"], alive)

    def _fill(self, role: Role, wanted: int, candidates: list[str], alive: Collection[str]) -> None:
        for name in candidates:
            having = [other for other, own in self._members.items() if own == role]
            if name in alive and len([other for other in having if other in alive]) < wanted:
                self._members[name] = role
                dead = [other for other in having if other not in alive]
                if len(having) >= wanted and dead:
                    self._members[dead[0]] = "spare"
