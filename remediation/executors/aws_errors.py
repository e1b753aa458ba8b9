"""The errors of AWS calls, by what they leave."""

from __future__ import annotations


class Spreading(Exception):
    """Reads of the same keys disagree: a change has not reached every part of IAM yet."""


def words(error: Exception) -> str:
    """Return an error in one short line."""
    return " ".join(str(error).split())[:300]
