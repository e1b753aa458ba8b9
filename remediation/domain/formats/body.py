"""Read the JSON of a record leniently. No recursion, because evidence can be very deep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from audit.tlog.canonical import Json

Body = Mapping[str, Json]


def say(body: Body, *path: str) -> str:
    """Return the text at a path, "" if there is none; names match in any case."""
    value = value_at(body, *path)
    return value if isinstance(value, str) else ""


def value_at(body: Body, *path: str) -> Json:
    """Return the value at a path, None if there is none; names match as in `say`."""
    found: Json = dict(body)
    for name in path:
        found = _member(found, name)
    return found


def _member(value: Json, name: str) -> Json:
    """Return the member of this name, else in any case: exporters change ``accessKeyId``."""
    if not isinstance(value, dict):
        return None
    if name in value:
        return value[name]
    return next((item for key, item in value.items() if key.lower() == name.lower()), None)


def members(at: str, value: Json) -> Iterator[tuple[str, Json]]:
    """Yield each member of an object or a list with its pointer."""
    if isinstance(value, dict):
        yield from ((f"{at}/{_escaped(name)}", member) for name, member in value.items())
    elif isinstance(value, list):
        yield from ((f"{at}/{index}", member) for index, member in enumerate(value))


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def strings_in(value: Json, at: str = "") -> Iterator[tuple[str, str]]:
    """Yield every text and number in a JSON value with its pointer."""
    rest: list[tuple[str, Json]] = [(at, value)]
    while rest:
        pointer, item = rest.pop()
        if isinstance(item, str):
            yield pointer, item
        elif isinstance(item, dict | list):
            rest += reversed(list(members(pointer, item)))
        elif item is not None and not isinstance(item, bool):
            yield pointer, str(item)


def word(body: Body, *path: str) -> str:
    """Return the text or the whole number at a path as text, "" if there is none."""
    value = value_at(body, *path)
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value)


def one_of(body: Body, *paths: str) -> str:
    """Return the first text or number that is not empty at these paths, written ``a.b.c``."""
    return next((said for path in paths if (said := word(body, *path.split(".")))), "")


def items(body: Body, *path: str) -> list[Body]:
    """Return the objects in the list at a path; an object alone counts as a list of one."""
    value = value_at(body, *path)
    listed = value if isinstance(value, list) else [value]
    return [item for item in listed if isinstance(item, dict)]


def names_of(*said: str) -> tuple[str, ...]:
    """Return the names without empty ones and repetitions, in their order."""
    return tuple(dict.fromkeys(name for name in said if name))
