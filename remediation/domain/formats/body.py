"""The JSON of a record, read leniently. No recursion: evidence is as deep as its writer likes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from audit.tlog.canonical import Json

Body = Mapping[str, Json]


def say(body: Body, *path: str) -> str:
    """The text at a path, "" where there is none; names match without regard to case."""
    value = value_at(body, *path)
    return value if isinstance(value, str) else ""


def value_at(body: Body, *path: str) -> Json:
    """The value at a path, None where there is none; names match as in `say`."""
    found: Json = dict(body)
    for name in path:
        found = _member(found, name)
    return found


def _member(value: Json, name: str) -> Json:
    """Exporters change ``accessKeyId``: exactly so, else in any case."""
    if not isinstance(value, dict):
        return None
    if name in value:
        return value[name]
    return next((item for key, item in value.items() if key.lower() == name.lower()), None)


def members(at: str, value: Json) -> Iterator[tuple[str, Json]]:
    """What an object or a list holds, each with its pointer."""
    if isinstance(value, dict):
        yield from ((f"{at}/{_escaped(name)}", member) for name, member in value.items())
    elif isinstance(value, list):
        yield from ((f"{at}/{index}", member) for index, member in enumerate(value))


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def strings_in(value: Json, at: str = "") -> Iterator[tuple[str, str]]:
    """Every text and number in a JSON value with its pointer."""
    rest: list[tuple[str, Json]] = [(at, value)]
    while rest:
        pointer, item = rest.pop()
        if isinstance(item, str):
            yield pointer, item
        elif isinstance(item, dict | list):
            rest += reversed(list(members(pointer, item)))
        elif item is not None and not isinstance(item, bool):
            yield pointer, str(item)
