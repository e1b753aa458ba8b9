"""The rules that find secrets in a text.

Vendors' formats come from detect-secrets (Yelp, Apache-2.0): only its patterns are used, and
nothing is verified over a network. Secrets that only their context identifies (AWS secrets,
connection strings, bearer tokens, assigned passwords) have rules here. Identifiers of keys and
accounts are not secrets, whatever the name of their field. Every pattern is bounded or begins with
a literal, so that a hostile artefact cannot make the search slow (docs/attacks.md A61, A63).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
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

from remediation.domain.secrets import assigned, pem

TITLES = {
    "aws_secret_key": "AWS secret access key",
    "aws_session_token": "AWS session token",
    "private_key": "private key",
    "connection_string": "password in a connection string",
    "bearer_token": "bearer token",
    "assigned_secret": "password, token or client secret",
    "repeated_secret": "secret that other evidence gives away",
    "session_cookie": "cookie of a session",
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


@dataclass(frozen=True, order=True)
class Secret:
    """One finding: its start, its length, and the rule that found it."""

    offset: int
    length: int
    rule: str

    @property
    def end(self) -> int:
        return self.offset + self.length


# Between a field's name and its value: quotes, escapes of nested JSON, colon, equals sign.
_GAP = r"[\s\"'\\:=>,]{1,12}"
# (rule, pattern); if the pattern has a group, the group is the secret.
_OWN: tuple[tuple[str, str], ...] = (
    (
        "aws_secret_key",
        rf"(?i:secret[\s_-]?(?:access[\s_-]?)?key){_GAP}([A-Za-z0-9/+]{{40}})(?![A-Za-z0-9/+=])",
    ),
    (
        "aws_session_token",
        rf"(?i:session[\s_-]?token|security[\s_-]?token){_GAP}([A-Za-z0-9/+=%]{{100,4096}})",
    ),
    ("connection_string", r"://[^\s:/?#\[\]@\"'<>]{0,64}:([^\s/?#@\"'<>]{3,128})@"),
    ("connection_string", r"\bcurl\s[^\n\r\"]{0,200}?(?:-u|--user)[\s='\\]{0,4}"
                          r"[\w.@-]{1,64}:([^\s\"'\\]{4,128})"),
    ("bearer_token", r"(?i:\bbearer\s{1,3})((?=[A-Za-z._~+/=-]{0,200}[0-9])[\w.~+/=-]{20,4096})"),
    ("bearer_token", rf"(?i:authorization{_GAP}basic\s{{1,3}})([A-Za-z0-9+/=]{{8,512}})"),
    (
        "bearer_token",
        rf"(?i:authorization{_GAP}(?:token|api-?key|negotiate)\s{{1,3}})([\w.~+/=-]{{16,4096}})",
    ),
    (
        "session_cookie",
        r"(?i:\b(?:j?sessionid|phpsessid|asp\.net_sessionid|connect\.sid)=)([\w%.-]{16,512})",
    ),
    ("google_api_key", r"\bAIza[\w-]{35}\b"),
    ("github_token", r"\bgithub_pat_\w{60,100}\b"),
    ("npm_token", r"\bnpm_[A-Za-z0-9]{36}\b"),
    ("model_provider_key", r"\bsk-(?:ant|proj|svcacct)-[\w-]{32,200}"),
    ("vault_token", r"\bhv[sbr]\.[\w-]{24,200}"),
    ("portal_token", r"\bhitl_[A-Za-z0-9]{8,}_[\w-]{20,200}"),
)  # fmt: skip
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
_GROUPED = frozenset(rule for rule, pattern in _OWN if re.compile(pattern).groups)
# Matches only at the beginning of a run of the token's alphabet, so each run is examined once.
_JWT = re.compile(r"(?<![\w=-])eyJ[\w=-]{8,}+\.[\w=-]{8,}+(?:\.[\w=-]*+)?", re.ASCII)
# password=… of a connection string that names a server or user before it.
_PASSWORD = re.compile(r"(?i:[;\s](?:password|pwd)\s?=\s?)([^;\s\"']{4,128})", re.ASCII)
_SERVER = re.compile(
    r"(?i:\b(?:server|host|data source|user id|uid|user|dbname|database)\s?=)", re.ASCII
)
_BEFORE = 200

# Searched first, in lower case, because most artefacts contain none of them.
_NEEDLES: dict[str, tuple[str, ...]] = {
    "aws_secret_key": ("secret",),
    "aws_session_token": ("token",),
    "connection_string": ("://", "curl"),
    "bearer_token": ("bearer", "authorization"),
    "session_cookie": ("sessionid=", "phpsessid=", "connect.sid="),
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


def found(text: str) -> Iterator[Secret]:
    """Yield what the rules find in this text; findings may overlap."""
    lower = text.lower()
    yield from _by_form(text, lower)
    for start, end in assigned.assigned(text, lower):
        yield Secret(start, end - start, "assigned_secret")
    for start, end in pem.private_keys(text):
        yield Secret(start, end - start, "private_key")


def _by_form(text: str, lower: str) -> Iterator[Secret]:
    hopeful = {rule for rule, needles in _NEEDLES.items() if any(n in lower for n in needles)}
    for rule, pattern in _RULES:
        if rule in _NEEDLES and rule not in hopeful:
            continue
        for match in pattern.finditer(text):
            # A vendor's pattern may have a group that is only its prefix: the match is the secret.
            start, end = match.span(1 if rule in _GROUPED else 0)
            if not assigned.is_no_secret(text, start, end):
                yield Secret(start, end - start, rule)
    for match in _JWT.finditer(text):
        if JwtTokenDetector.is_formally_valid(match[0]):
            yield Secret(match.start(), len(match[0]), "jwt")
    for match in _PASSWORD.finditer(text):
        before = _SERVER.search(text, max(0, match.start() - _BEFORE), match.start())
        if before and not assigned.is_no_secret(text, *match.span(1)):
            yield Secret(match.start(1), match.end(1) - match.start(1), "connection_string")
