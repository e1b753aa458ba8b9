"""Re-export the software passkey for tests."""

from __future__ import annotations

from hitlportal.demo.people.passkey import SoftPasskey

__all__ = ["SoftPasskey"]
