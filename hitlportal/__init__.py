"""Wires the portal together: settings, logins, commands, pages around the pages."""

__version__ = "0.1.0"  # the only place; pyproject.toml reads it, CHANGELOG.md has its heading
