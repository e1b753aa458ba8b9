"""Wire the portal together: settings, logins, commands, sign-in and the frame of all pages."""

__version__ = "0.1.0"  # the only place; pyproject.toml reads it, CHANGELOG.md has its heading
