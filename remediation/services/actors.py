"""Define the actors; every mutation takes one as `actor=`."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from audit import account


class Actor(Protocol):
    """Anything that an audit entry can name as its `actor`."""

    @property
    def ref(self) -> str: ...


@dataclass(frozen=True)
class AgentActor:
    """An agent, as authenticated by one of its tokens."""

    agent_id: UUID
    token_id: UUID
    name: str = ""

    @property
    def ref(self) -> str:
        return f"agent:{self.agent_id}"

    @property
    def is_authenticated(self) -> bool:
        """Return True; Django REST framework asks this of `request.user`."""
        return True


@dataclass(frozen=True)
class PersonActor:
    """A person with a session; `person` comes from the session alone (docs/attacks.md A14)."""

    person: UUID
    user_id: int

    @property
    def ref(self) -> str:
        return f"person:{self.person}"


@dataclass(frozen=True)
class ProcessActor:
    """The worker, an operator at a shell, or the system itself."""

    ref: str


def worker() -> ProcessActor:
    """Return this worker, named by its host."""
    return ProcessActor(f"worker:{socket.gethostname()}")


def operator() -> ProcessActor:
    """Return the account that runs a command, from the operating system, not from LOGNAME."""
    return ProcessActor(f"operator:{account.name()}@{socket.gethostname()}")


SYSTEM = ProcessActor("system:portal")
