"""Secret values in bytes of evidence: where they stand, by which rule; never the value itself.

Formats of vendors come from detect-secrets (Yelp, Apache-2.0): only its patterns are used, and
nothing is verified over a network. What needs its surroundings (AWS secrets, private keys whole,
connection strings, bearer tokens, assigned passwords) has a rule here. Identifiers of keys are no
secrets. Every pattern is bounded or begins with a literal, so that an artefact made to be slow is
not (attacks.md A61, A63). What is encoded once more (base64, UTF-16) is not found.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from detect_secrets.plugins.azure_storage_key import AzureStorageKeyDetector
from detect_secrets.plugins.discord import DiscordBotTokenDetector
from detect_secrets.plugins.github_token import GitHubTokenDetector
from detect_secrets.plugins.gitlab_token import GitLabTokenDetector
from detect_secrets.plugins.jwt import JwtTokenDetector
from detect_secrets.plugins.mailchimp import MailchimpDetector
from detect_secrets.plugins.pypi_token import PypiTokenDetector
from detect_secrets.plugins.sendgrid import SendGridDetector
from detect_secrets.plugins.slack import SlackDetector
from detect_secrets.plugins.square_oauth import SquareOAuthDetector
from detect_secrets.plugins.stripe import StripeDetector

# Changes with every rule, so that older findings are told from newer ones.
VERSION = "detect-secrets 1.5.0, hitlportal 2"
# More than this in one artefact: it is a store of secrets, and none of it is shown.
MOST = 100

TITLES = {
    "aws_secret_key": "AWS secret access key",
    "aws_session_token": "AWS session token",
    "private_key": "private key",
    "connection_string": "password in a connection string",
    "bearer_token": "bearer token",
    "assigned_secret": "password or client secret",
    "jwt": "JSON web token",
    "azure_storage_key": "Azure storage key",
    "discord_token": "Discord token",
    "github_token": "GitHub token",
    "gitlab_token": "GitLab token",
    "google_api_key": "Google API key",
    "mailchimp_key": "Mailchimp key",
    "npm_token": "npm token",
    "model_provider_key": "key of a model provider",
    "portal_token": "token of one of this portal's agents",
    "pypi_token": "PyPI token",
    "sendgrid_key": "SendGrid key",
    "slack_token": "Slack token",
    "square_secret": "Square secret",
    "stripe_key": "Stripe key",
    "vault_token": "Vault token",
}

# Between the name of a field and its value: quotes, escapes of nested JSON, colon, equals sign.
_GAP = r"[\s\"'\\:=>,]{1,12}"
# (rule, pattern); where it has a group, the group is the secret.
_OWN: tuple[tuple[str, str], ...] = (
    (
        "aws_secret_key",
        rf"(?i:secret[\s_-]?(?:access[\s_-]?)?key){_GAP}([A-Za-z0-9/+]{{40}})(?![A-Za-z0-9/+=])",
    ),
    (
        "aws_session_token",
        rf"(?i:session[\s_-]?token|security[\s_-]?token){_GAP}([A-Za-z0-9/+=%]{{100,4096}})",
    ),
    ("connection_string", r"://[^\s:/?#\[\]@\"'<>]{0,64}:([^\s/?#@\"'<>{}$*]{3,128})@"),
    ("bearer_token", r"(?i:\bbearer\s{1,3})((?=[A-Za-z._~+/=-]{0,200}[0-9])[\w.~+/=-]{20,4096})"),
    ("bearer_token", rf"(?i:authorization{_GAP}basic\s{{1,3}})([A-Za-z0-9+/=]{{8,512}})"),
    (
        "assigned_secret",
        r"(?i:password|passwd|passphrase|client_?secret|secret_?string)\\{0,3}[\"']\s{0,3}[:=]"
        r"\s{0,3}\\{0,3}[\"']([^\"'\\\s]{6,256})\\{0,3}[\"']",
    ),
    ("google_api_key", r"\bAIza[\w-]{35}\b"),
    ("github_token", r"\bgithub_pat_\w{60,100}\b"),
    ("npm_token", r"\bnpm_[A-Za-z0-9]{36}\b"),
    ("model_provider_key", r"\bsk-(?:ant|proj|svcacct)-[\w-]{32,200}"),
    ("vault_token", r"\bhv[sbr]\.[\w-]{24,200}"),
    ("portal_token", r"\bhitl_[A-Za-z0-9]{8,}_[\w-]{20,200}"),
)
_OF_VENDORS: tuple[tuple[str, Iterable[re.Pattern[str]]], ...] = (
    ("azure_storage_key", AzureStorageKeyDetector.denylist),
    ("discord_token", DiscordBotTokenDetector.denylist),
    ("github_token", GitHubTokenDetector.denylist),
    ("gitlab_token", GitLabTokenDetector.denylist),
    ("mailchimp_key", MailchimpDetector.denylist),
    ("pypi_token", PypiTokenDetector.denylist),
    ("sendgrid_key", SendGridDetector.denylist),
    ("slack_token", SlackDetector.denylist),
    ("square_secret", SquareOAuthDetector.denylist),
    ("stripe_key", StripeDetector.denylist),
)
_RULES = tuple((rule, re.compile(pattern, re.ASCII)) for rule, pattern in _OWN) + tuple(
    (rule, pattern) for rule, patterns in _OF_VENDORS for pattern in patterns
)
# A run of the token's alphabet is looked at once, at its beginning.
_JWT = re.compile(r"(?<![\w=-])eyJ[\w=-]{8,}+\.[\w=-]{8,}+(?:\.[\w=-]*+)?", re.ASCII)
# password=… of a connection string, where it says before which server or user it is for.
_PASSWORD = re.compile(r"(?i:[;\s](?:password|pwd)\s?=\s?)([^;\s\"']{4,128})", re.ASCII)
_SERVER = re.compile(
    r"(?i:\b(?:server|host|data source|user id|uid|user|dbname|database)\s?=)", re.ASCII
)
_BEFORE = 200
_KEY_HEAD = re.compile(r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----")
_KEY_BODY = re.compile(r"[A-Za-z0-9+/=\s\\:,.\-]*+", re.ASCII)
_KEY_BREAK = re.compile("[\"'{}<>]")
_KEY_MOST = 16_384
# What stands where a secret was, by whoever wrote the log; and references to a secret elsewhere.
_PLACEHOLDER = re.compile(
    r"(?i)\*+|x+|\.+|\[masked\]|hidden_due_to_security_reasons|[<\[({]?(?:redacted[\w-]*|masked|hidden|"
    r"sensitive|removed|null|none|true|false|password|secret|string)[>\])}]?|\$\{.*\}|<.*>|"
    r"(?:arn|aws|vault|ssm|projects):.*|\{\{.*\}\}",
    re.DOTALL,
)


@dataclass(frozen=True, order=True)
class Secret:
    """One finding: where it begins, how many bytes it has, and the rule that found it."""

    offset: int
    length: int
    rule: str

    @property
    def end(self) -> int:
        return self.offset + self.length


@dataclass(frozen=True)
class Found:
    """The findings in one artefact; ``whole`` is False when there were too many to list."""

    secrets: tuple[Secret, ...] = ()
    whole: bool = True

    def __bool__(self) -> bool:
        return bool(self.secrets)


def find(content: bytes) -> Found:
    """The secrets in the bytes, in their order, none within another. Raises nothing."""
    # One character for each byte, so that a place in the text is a place in the bytes.
    text = content.decode("latin-1")
    merged: list[Secret] = []
    first = {*_found(text), *_found_escaped(text)}
    for one in sorted({*first, *_again(text, first)}):
        if merged and one.offset < merged[-1].end:
            last = merged[-1]
            length = max(last.end, one.end) - last.offset
            merged[-1] = Secret(last.offset, length, last.rule)
        else:
            merged.append(one)
    return Found(tuple(merged[:MOST]), whole=len(merged) <= MOST)


# A slash or a printable character as JSON may escape it, also within JSON that stands in JSON.
# Quotes and backslashes stay: they would move the ends of texts.
_ESCAPED = re.compile(r"\\{1,3}(?:/|u00(?!22|5[cC])([2-7][0-9A-Fa-f]))")
# Shorter values stand in many places by chance.
_REPEATED = 16


def _found_escaped(text: str) -> Iterator[Secret]:
    """What is a secret only after JSON's escapes are read, at its place in the text as it is."""
    pieces: list[str] = []
    # Pairs of places from which on both texts go side by side: (in the read text, in the text).
    marks = [(0, 0)]
    at = 0
    for match in _ESCAPED.finditer(text):
        pieces += text[at : match.start()], chr(int(match[1], 16)) if match[1] else "/"
        at = match.end()
        marks.append((marks[-1][0] + len(pieces[-2]) + 1, at))
    if not pieces:
        return
    pieces.append(text[at:])
    starts = [read for read, _ in marks]

    def source(place: int) -> int:
        read, written = marks[bisect_right(starts, place) - 1]
        return written + place - read

    for one in _found("".join(pieces)):
        start = source(one.offset)
        yield Secret(start, source(one.end) - start, one.rule)


def _again(text: str, found: Collection[Secret]) -> Iterator[Secret]:
    """Further places of what was found where its surroundings gave it away."""
    rules = {
        text[one.offset : one.end]: one.rule
        for one in sorted(found)[:MOST]
        if one.length >= _REPEATED and one.rule != "private_key"
    }
    for value, rule in rules.items():
        for match in re.finditer(re.escape(value), text):
            yield Secret(match.start(), len(value), rule)


def _found(text: str) -> Iterator[Secret]:
    lower = text.lower()
    hopeful = {rule for rule, needles in _NEEDLES.items() if any(n in lower for n in needles)}
    for rule, pattern in _RULES:
        if rule in _NEEDLES and rule not in hopeful:
            continue
        for match in pattern.finditer(text):
            # A vendor's pattern may have a group that is only its prefix: the match is the secret.
            start, end = match.span(1 if rule in _GROUPED else 0)
            if not _PLACEHOLDER.fullmatch(match.string, start, end):
                yield Secret(start, end - start, rule)
    for match in _JWT.finditer(text):
        if JwtTokenDetector.is_formally_valid(match[0]):
            yield Secret(match.start(), len(match[0]), "jwt")
    for match in _PASSWORD.finditer(text):
        before = _SERVER.search(text, max(0, match.start() - _BEFORE), match.start())
        if before and not _PLACEHOLDER.fullmatch(text, match.start(1), match.end(1)):
            yield Secret(match.start(1), match.end(1) - match.start(1), "connection_string")
    yield from _private_keys(text)


# Looked for first, in lower case, since most artefacts hold none of them.
_NEEDLES: dict[str, tuple[str, ...]] = {
    "aws_secret_key": ("secret",),
    "aws_session_token": ("token",),
    "connection_string": ("://",),
    "bearer_token": ("bearer", "basic"),
    "assigned_secret": ("pass", "secret"),
    "azure_storage_key": ("accountkey",),
    "github_token": ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
    "gitlab_token": ("gl", "gr1348941"),
    "google_api_key": ("aiza",),
    "mailchimp_key": ("-us",),
    "model_provider_key": ("sk-",),
    "npm_token": ("npm_",),
    "portal_token": ("hitl_",),
    "pypi_token": ("pypi-",),
    "sendgrid_key": ("sg.",),
    "slack_token": ("xox", "hooks.slack.com"),
    "square_secret": ("sq0csp-",),
    "stripe_key": ("k_live_",),
    "vault_token": ("hvs.", "hvb.", "hvr."),
}
_GROUPED = frozenset(rule for rule, pattern in _OWN if re.compile(pattern).groups)


def _private_keys(text: str) -> Iterator[Secret]:
    """From the first line of each to its last, or as far as it looks like one."""
    at = 0
    while head := _KEY_HEAD.search(text, at):
        tail = text.find("-----END", head.end(), head.end() + _KEY_MOST)
        # A key has no quotes and brackets: else two lines that an intruder wrote, each into an
        # event of his, would cover the events between them.
        if tail >= 0 and not _KEY_BREAK.search(text, head.end(), tail):
            close = text.find("-----", tail + 8, tail + 60)
            end = close + 5 if close >= 0 else tail + 8
        else:
            body = _KEY_BODY.match(text, head.end())
            assert body is not None  # it may be empty
            end = body.end()
        yield Secret(head.start(), end - head.start(), "private_key")
        at = end
