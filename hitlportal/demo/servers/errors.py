"""Errors of the demo's supervisor; each message names a remedy."""

from __future__ import annotations


class ServerError(Exception):
    """A server of the demo or of the tests cannot be run."""


class NoAccount(ServerError):
    """No account exists that servers could run under."""


class NoBinaries(ServerError):
    """No suitable server program is installed."""


class ServerFailed(ServerError):
    """A server ended during its start or did not answer in time; carries the end of its log."""


class InstallationFailed(Exception):
    """A command that installs or checks the portal failed; carries its output."""
