"""The software passkey, where tests look for it."""

from __future__ import annotations

from hitlportal.demo.people.passkey import SoftPasskey

__all__ = ["SoftPasskey"]
