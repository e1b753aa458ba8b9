"""Find secrets by the name of their field: `password: …`, `API_TOKEN=…`.

The name alone is weak evidence: it can be a form's label, a program's variable or a word of a log.
So a quoted value counts; an unquoted one counts only if it does not look like a word, a path, code
or a reference to a secret elsewhere. A false finding makes a citation of the value fail, so the
rules are measured on real records (tests/benchmarks/detector.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# Lower-case names of fields with secrets; the group matches passwords and passphrases. The others
# are machine-made secrets, and only those kinds of token that give access.
_NAMES = re.compile(
    r"(passwor[dt]|passwd|passphrase|identified by|(?<![a-z])pwd|"
    r"(?<![a-z0-9])pass(?=\\{0,3}[\"']\s{0,3}:))|"
    r"client[_-]?secret|secret[_-]?string|secret[_-]?key|api[_-]?key|_secret|"
    r"(?:access|refresh|auth|private|deploy|bot|api|vault|bearer|registration)[_-]?token|"
    r"(?<![a-z0-9:/.])(?<!hashed_)(?:token|secret)",
    re.ASCII,
)
_SIGN = r"\\{0,3}[\"']?\s{0,3}(?:=>|[:=])\s{0,3}"
# A pair, as in a Kubernetes environment: {"name": "DB_PASSWORD", "value": "…"}.
_PAIR = rf"\\{{0,3}}[\"']?[\s,]{{0,40}}\\{{0,3}}[\"']?(?i:value){_SIGN}"
# Quotes of JSON, of JSON within JSON, of a shell or a program. Without line ends and bare quotes,
# so that a quote that an intruder leaves open cannot reach into the next value.
_QUOTED = (
    r"\"((?:[^\"\\\x00-\x1f]|\\.){6,256})\"",
    r"\\\"((?:[^\"\\\x00-\x1f]|\\\\(?:\\[\"\\]|[^\"\\\x00-\x1f])){6,256})\\\"",
    r"\\{0,3}'((?:[^\"'\\\x00-\x1f]|\\.){6,256})'",
    r"\\{2,7}[\"']([^\"'\\\s]{6,256})\\{1,7}[\"']",
)
# Ends at white space or at a delimiter; a password may contain a comma or similar.
_BARE = r"((?:[^\s\"'`\\,;&<>{}()\[\]|]|[,;&](?![\s,;&]|[\w.-]{1,40}[=:]|$)){6,256})"
_IN_QUOTES = (
    *(re.compile(rf"(?:{_SIGN}|{_PAIR}){value}", re.ASCII) for value in _QUOTED),
    # SQL, and XML.
    re.compile(r"\s{1,3}[eE]?\\{0,3}'([^'\"\\\x00-\x1f]{6,256})\\{0,3}'", re.ASCII),
    re.compile(r">([^<>\s]{6,256})</", re.ASCII),
)
_WITHOUT = re.compile(
    rf"(?:[ \t]{{0,3}}(?:=>|[:=])[ \t]{{0,3}}|\s{{1,40}}value:[ \t]{{1,3}}){_BARE}", re.ASCII
)
_OPTION = re.compile(rf"[ \t]{{1,3}}{_BARE}", re.ASCII)
_IS_OPTION = re.compile(r"--(?:[a-z-]{0,30}-)?\Z", re.ASCII)

# Placeholders that the log's writer put in place of a secret; references to a secret elsewhere.
_PLACEHOLDER = re.compile(
    r"(?i)(.)\1*|(..|...)\2+|\[masked\]|hidden_due_to_security_reasons|[<\[({]?(?:redacted[\w-]*|masked|"
    r"hidden|sensitive|removed|null|none|true|false|password|secret|string|required|optional|"
    r"undefined|unknown|empty|invalid|expired|changed?)[>\])}]?|\$\w+|\$\{.*\}|\$\(.*|\{.*\}|<.*>|"
    r"(?:arn|aws|vault|ssm|projects|secretref|valuefrom):.*|%\(?\w*\)?s?",
    re.DOTALL,
)
# Identifiers of keys, roles and accounts (AWS), and UUIDs: they give no access.
_IDENTIFIER = re.compile(
    r"(?:AKIA|ASIA|AROA|AIDA|ANPA|ANVA|AGPA|AIPA|APKA|ACCA|ABIA|ABSK)[A-Z0-9]{16}|[0-9]{12}|"
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    re.ASCII,
)
# A variable or attribute of a program, a path, or a time.
_PROGRAM = re.compile(
    r"[A-Za-z_]\w*(?:(?:\.|::|->)[A-Za-z_]\w*)+|\.?[\w-]+(?:/[\w.-]+)+/?|"
    r"(?:\.{1,2}|~)?/[\w./-]*|(?:https?|file)://.*|[0-9]{4}-[0-9]{2}-[0-9]{2}.*",
    re.ASCII,
)
_WORDS = re.compile(r"[A-Za-z_.:/-]+[.!?:]?", re.ASCII)
_TOKEN_LEAST = 16
# Digits and letters (as `str` defines them) among the 256 characters of latin-1. As patterns, which
# are fast: an artefact can have a name every few bytes, each followed by a long value (A63).
_DIGIT = re.compile("[0-9\xb2\xb3\xb9]")
_LETTER = re.compile("[A-Za-z\xaa\xb5\xba\xc0-\xd6\xd8-\xf6\xf8-\xff]")
# How many names within the value of another name are examined: each can have a value of 256
# characters, and there can be a name every few bytes (A63).
_WITHIN = 4


def is_no_secret(text: str, start: int, end: int) -> bool:
    """Return whether this part of the text is a placeholder, a reference or an identifier."""
    return bool(_PLACEHOLDER.fullmatch(text, start, end) or _IDENTIFIER.fullmatch(text, start, end))


def assigned(text: str, lower: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of each value; ``lower`` is the text in lower case."""
    reached, within = 0, 0
    for name in _NAMES.finditer(lower):
        within = within + 1 if name.start() < reached else 0
        if within > _WITHIN:
            continue
        for start, end, quoted in _values(text, lower, name):
            # Only an unquoted value can extend over other names.
            reached = reached if quoted or within else end
            if is_no_secret(text, start, end):
                continue
            if not name[1] and not _is_token(text[start:end]):
                continue
            if quoted or _is_bare_secret(text, start, end):
                yield start, end


def _values(text: str, lower: str, name: re.Match[str]) -> Iterator[tuple[int, int, bool]]:
    """Yield start and end of the value after the name, and whether it is quoted."""
    for pattern in _IN_QUOTES:
        if match := pattern.match(text, name.end()):
            yield *match.span(1), True
            return
    match = _WITHOUT.match(text, name.end())
    if not match and _IS_OPTION.search(lower, max(0, name.start() - 34), name.start()):
        match = _OPTION.match(text, name.end())
    if match:
        yield *match.span(1), False


def _is_token(value: str) -> bool:
    """Return whether the value looks machine-made: long, with letters and digits."""
    mixed = bool(_DIGIT.search(value) and _LETTER.search(value))
    return len(value) >= _TOKEN_LEAST and mixed and " " not in value


def _is_bare_secret(text: str, start: int, end: int) -> bool:
    value = text[start:end]
    if text[end : end + 1] == "(" or _PROGRAM.fullmatch(value) or value.startswith("--"):
        return False
    # A word after a colon is prose; directly after an equals sign it is a value.
    return not _WORDS.fullmatch(value) or (text[start - 1] == "=" and value.isalpha())
