"""Run the servers of the demo and of the tests: two PostgreSQL clusters and Valkey.

The portal and the target have separate clusters, so the portal acts on a target over a real
connection with a real login.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from hitlportal.demo.servers.binaries import PostgresBinaries
from hitlportal.demo.servers.postgres import LOG_EVERYTHING, NOT_DURABLE, PostgresCluster
from hitlportal.demo.servers.valkey import ValkeyServer

__all__ = ["LOG_EVERYTHING", "NOT_DURABLE", "PostgresCluster", "Servers", "ValkeyServer"]


class Servers:
    """All servers below one directory, started in order and stopped in reverse.

    A context manager: every server is stopped when the block ends, also after Ctrl-C.
    """

    def __init__(
        self,
        directory: Path,
        *,
        portal_binaries: PostgresBinaries | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        common = dict(settings or {})
        self.portal = PostgresCluster(
            directory / "portal", binaries=portal_binaries, settings=common
        )
        self.target = PostgresCluster(directory / "target", settings={**common, **LOG_EVERYTHING})
        self.valkey = ValkeyServer(directory / "valkey")

    def start(self) -> None:
        """Start all servers; if one fails, stop the others and raise its error."""
        try:
            for server in (self.portal, self.target, self.valkey):
                server.start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop all running servers."""
        for server in (self.valkey, self.target, self.portal):
            server.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
