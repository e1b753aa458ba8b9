"""Search everything that a secret may have leaked into, in the encodings that leaks have.

    search = Search([value])
    search.files(directory, server.log)         logs, evidence, whatever lies on disk
    search.database(superuser_dsn)              every row, statement statistics, running statements
    search.broker(url)                          every key of every database
    search.text("captured logging", caplog.text)
    assert search.found == []

The forms are made here and not by executors/secret.py, so that both cannot miss the same one.
"""

from __future__ import annotations

import base64
import html
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, quote_plus, urlsplit

import psycopg
import redis
from psycopg import sql

DATABASES = 16
# Part of a value, as a log that cuts long lines has it.
CUT = 24


def forms_of(secret: str) -> dict[str, bytes]:
    """Return the bytes to look for, by encoding."""
    raw = secret.encode()
    forms = {
        "plain": raw,
        "beginning": raw[:CUT],
        "end": raw[-CUT:],
        "reversed": raw[::-1],
        "json": json.dumps(secret)[1:-1].encode(),
        "json in json": json.dumps(json.dumps(secret))[3:-3].encode(),
        "python": repr(secret)[1:-1].encode(),
        "url": quote(secret, safe="").encode(),
        "form": quote_plus(secret).encode(),
        "html": html.escape(secret).encode(),
        "hex": raw.hex().encode(),
        "HEX": raw.hex().upper().encode(),
        "utf-16": secret.encode("utf-16-le"),
        "base32": base64.b32encode(raw)[:-8],
    }
    for shift in range(3):
        whole = base64.b64encode(b"\0" * shift + raw + b"\0" * ((-shift - len(raw)) % 3))
        inner = whole[4 if shift else 0 : -4]
        forms[f"base64 +{shift}"] = inner
        forms[f"base64url +{shift}"] = inner.replace(b"+", b"-").replace(b"/", b"_")
    return {name: form for name, form in forms.items() if len(form) >= 10}


@dataclass
class Search:
    """Where secrets were found, as "place: encoding"; never the secret itself."""

    secrets: list[str] = field(repr=False)
    found: list[str] = field(default_factory=list)
    # What was looked at: a search of nothing finds nothing.
    looked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        assert self.secrets and all(len(secret) >= 12 for secret in self.secrets)
        self._forms = [(name, form) for one in self.secrets for name, form in forms_of(one).items()]

    def data(self, place: str, data: bytes) -> None:
        self.looked.append(place)
        self.found += [f"{place}: {name}" for name, form in self._forms if form in data]

    def text(self, place: str, text: str) -> None:
        self.data(place, text.encode("utf-8", "surrogatepass"))

    def files(self, *paths: Path) -> None:
        """Search files and whole directories; of compressed ones what is inside, too."""
        for path in paths:
            assert path.exists(), path
            for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
                if file.is_file():
                    data = file.read_bytes()
                    self.data(str(file), data)
                    if data[:2] in (b"\x1f\x8b", b"\x78\x9c"):
                        self.data(f"{file} (inside)", zlib.decompressobj(47).decompress(data))

    def database(self, superuser_dsn: str) -> None:
        """Search every table of a database, and what the cluster keeps of statements."""
        name = urlsplit(superuser_dsn).path
        with psycopg.connect(superuser_dsn, autocommit=True) as connection:
            for schema, table in _tables(connection):
                wanted = sql.Identifier(schema, table)
                try:
                    rows = connection.execute(sql.SQL("SELECT r::text FROM {} AS r").format(wanted))
                except psycopg.errors.UndefinedTable:  # another test has just dropped it
                    continue
                self.text(f"{name} {schema}.{table}", "\n".join(row[0] for row in rows))
            for view, column in (("pg_stat_activity", "query"), ("pg_stat_statements", "query")):
                if connection.execute("SELECT to_regclass(%s)", [view]).fetchone() == (None,):
                    continue
                rows = connection.execute(
                    sql.SQL("SELECT {} FROM {}").format(
                        sql.Identifier(column), sql.Identifier(view)
                    )
                )
                self.text(f"{name} {view}", "\n".join(str(row[0]) for row in rows))

    def broker(self, url: str) -> None:
        """Search every key of a Valkey server, and its slow log."""
        at = urlsplit(url)
        for number in range(DATABASES):
            with redis.Redis.from_url(at._replace(path=f"/{number}").geturl()) as client:
                for key in client.scan_iter():
                    self.data(f"valkey {number} {key!r}", key + b"\n" + _value(client, key))
                if number == 0:
                    self.text("valkey slow log", str(client.slowlog_get(1000)))


def _tables(connection: psycopg.Connection[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    yield from connection.execute(
        "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('information_schema', 'pg_catalog')"
        " AND n.nspname NOT LIKE 'pg\\_t%'"
    ).fetchall()


def _value(client: redis.Redis, key: bytes) -> bytes:
    kind = client.type(key)
    read = {
        b"string": lambda: client.get(key),
        b"list": lambda: client.lrange(key, 0, -1),
        b"set": lambda: client.smembers(key),
        b"zset": lambda: client.zrange(key, 0, -1),
        b"hash": lambda: client.hgetall(key),
    }.get(kind, lambda: client.dump(key))
    found = read()
    if isinstance(found, dict):
        found = [*found.keys(), *found.values()]
    return found if isinstance(found, bytes) else b"\n".join(found or [])
