"""The base of all refusals: a class's docstring is its message; its name goes on record."""

from __future__ import annotations

import re
from inspect import cleandoc
from typing import ClassVar


class Refused(Exception):
    """Refused."""

    name: ClassVar[str] = "refused"

    def __init__(self, detail: str = "", *, pointer: str = "") -> None:
        """`detail` says what is wrong this time; `pointer` (RFC 6901) says where in the input."""
        self.detail = detail
        self.pointer = pointer
        super().__init__(detail)

    def __init_subclass__(cls, name: str = "") -> None:
        cls.name = name or re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    @property
    def message(self) -> str:
        return cleandoc(type(self).__doc__ or "")

    def __str__(self) -> str:
        place = f" at {self.pointer}" if self.pointer else ""
        return f"{self.name}: {self.detail or self.message}{place}"
