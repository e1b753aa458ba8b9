"""What is found in evidence and what is not (attacks.md A61). Values are made up, or the vendors'
own examples; they are put together here, so that no scanner takes this file for a leak."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from remediation.domain import detector, masking
from remediation.domain.detector import Found, Secret

CASES = Path(__file__).resolve().parents[2] / "hitlportal" / "demo" / "cases"
AWS = "wJalrXUtnFEMI/K7MDENG" + "/bPxRfiCYEXAMPLEKEY"
SESSION = "IQoJb3JpZ2luX2VjE" + "AbC9/+d" * 40 + "=="
KEY = (
    "-----BEGIN " + "RSA PRIVATE KEY-----\n" + "MIIEowIBAAKCAQEA7\n" * 20 + "-----END RSA"
    " PRIVATE KEY-----"
)
JWT = ".".join(
    base64.urlsafe_b64encode(part).decode().rstrip("=")
    for part in (b'{"alg":"HS256"}', b'{"sub":"1234567890"}', b"0123456789abcdef0123456789abcdef")
)
PASSWORD = "Tr0ub4dor" + "&3"

# (rule, text, the secret in it)
HELD = [
    ("aws_secret_key", json.dumps({"secretAccessKey": AWS}), AWS),
    ("aws_secret_key", json.dumps({"body": json.dumps({"SecretAccessKey": AWS})}), AWS),
    ("aws_secret_key", f"aws_secret_access_key = {AWS}\n", AWS),
    ("aws_secret_key", f"export AWS_SECRET_ACCESS_KEY='{AWS}'", AWS),
    ("aws_session_token", json.dumps({"sessionToken": SESSION}), SESSION),
    ("aws_session_token", f"X-Amz-Security-Token={SESSION}&X-Amz-Date=1", SESSION),
    ("private_key", f"key: {KEY}\nend", KEY),
    ("private_key", json.dumps({"k": KEY}), json.dumps(KEY)[1:-1]),
    ("private_key", KEY[:200] + " <cut>", KEY[:200] + " "),
    ("connection_string", f"postgres://app:{PASSWORD}@db.internal:5432/x", PASSWORD),
    ("connection_string", f"amqp://:{PASSWORD}@broker/", PASSWORD),
    ("connection_string", f"Server=db;User Id=app;Password={PASSWORD};", PASSWORD),
    ("connection_string", f"host=db user=app password={PASSWORD} sslmode=require", PASSWORD),
    ("bearer_token", "Authorization: Bearer 2YotnFZFEjr1zCsicMWpAA01", "2YotnFZFEjr1zCsicMWpAA01"),
    ("bearer_token", '"Authorization": "Basic YWxpY2U6c2VjcmV0"', "YWxpY2U6c2VjcmV0"),
    ("jwt", f"token {JWT} used", JWT),
    ("assigned_secret", json.dumps({"masterUserPassword": PASSWORD}), PASSWORD),
    ("assigned_secret", json.dumps({"client_secret": "f00ba4-very-secret"}), "f00ba4-very-secret"),
    ("assigned_secret", json.dumps(json.dumps({"password": PASSWORD})), PASSWORD),
    ("github_token", "use ghp_" + "a1B2" * 9, "ghp_" + "a1B2" * 9),
    ("github_token", "github_pat_" + "a1B2_" * 14, "github_pat_" + "a1B2_" * 14),
    ("gitlab_token", "glpat-" + "a1B2c" * 4, "glpat-" + "a1B2c" * 4),
    ("slack_token", "xoxb-" + "123456789012-abcDEF", "xoxb-" + "123456789012-abcDEF"),
    ("stripe_key", "sk_live_" + "a1B2c3" * 4, "sk_live_" + "a1B2c3" * 4),
    ("google_api_key", "AIza" + "a1B2c" * 7, "AIza" + "a1B2c" * 7),
    ("npm_token", "npm_" + "a1B2" * 9, "npm_" + "a1B2" * 9),
    ("model_provider_key", "sk-ant-" + "api03-" * 6, "sk-ant-" + "api03-" * 6),
    ("sendgrid_key", "SG." + "a" * 22 + "." + "b" * 43, "SG." + "a" * 22 + "." + "b" * 43),
    ("vault_token", "hvs." + "CAESI" * 6, "hvs." + "CAESI" * 6),
    ("portal_token", "hitl_0a1b2c3d_" + "x" * 43, "hitl_0a1b2c3d_" + "x" * 43),
    ("azure_storage_key", "AccountKey=" + "a" * 86 + "==", "AccountKey=" + "a" * 86 + "=="),
]

# Identifiers, names, digests, placeholders, references.
NOT_HELD = [
    "AKIAIOSFODNN7EXAMPLE and ASIAIOSFODNN7EXAMPLE are identifiers of keys",
    json.dumps({"accessKeyId": "AKIAIOSFODNN7EXAMPLE", "principalId": "AROAEXAMPLE:session-1"}),
    json.dumps({"password": "***", "secretString": "HIDDEN_DUE_TO_SECURITY_REASONS"}),
    json.dumps({"sessionToken": "REDACTED-BY-CURATOR", "password": "<redacted>"}),
    json.dumps({"secretAccessKey": "[masked]", "passwordResetRequired": False}),
    json.dumps({"password": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db"}),
    "arn:aws:sts::123456789012:assigned-role/deploy-service-role-for-production-systems",
    "sha256 " + "0123456789abcdef" * 4,
    "https://user@host.example/path:80/@scope and http://host:8080/a@b",
    "postgres://app:${PASSWORD}@db/x and postgres://app:***@db/x",
    "a bearer token is required for authentication of this request",
    "git commit 3b18e512dba79e4c8300dd08aeb37f8e728b8dad",
    "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
    "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----",
    "eyJ is how a token begins",
    "",
]


@pytest.mark.parametrize(("rule", "text", "secret"), HELD, ids=[f"{r}-{n}" for n, (r, _, _)
                                                               in enumerate(HELD)])  # fmt: skip
def test_a61_a_secret_is_found_where_it_stands(rule: str, text: str, secret: str) -> None:
    content = ("é " + text).encode()
    (found,) = detector.find(content).secrets
    assert found.rule == rule
    assert content[found.offset : found.end].decode() == secret


@pytest.mark.parametrize("text", NOT_HELD)
def test_a61_what_is_no_secret_is_not_found(text: str) -> None:
    assert detector.find(text.encode()) == Found()


def test_a61_the_real_cases_hold_none() -> None:
    """Their session tokens were taken out by who published them; everything else is a name."""
    files = [path for path in CASES.rglob("*") if path.suffix in (".json", ".yml")]
    assert len(files) > 40
    assert [path for path in files if detector.find(path.read_bytes())] == []


def test_a61_the_real_cases_would_not_hide_one() -> None:
    for path in sorted(CASES.rglob("events.json"))[:5]:
        content = path.read_bytes()
        planted = content[: len(content) // 2] + f'"secretAccessKey": "{AWS}"'.encode() + content
        assert [one.rule for one in detector.find(planted).secrets] == ["aws_secret_key"]


def test_every_rule_has_a_title_and_a_case() -> None:
    rules = {rule for rule, _ in detector._RULES} | {"jwt", "private_key"}
    assert rules == set(detector.TITLES)
    assert {rule for rule, _, _ in HELD} >= rules - {
        # Taken as detect-secrets has them.
        "discord_token", "mailchimp_key", "pypi_token", "square_secret",
    }  # fmt: skip


def test_findings_do_not_overlap() -> None:
    content = json.dumps({"password": f"https://a:{PASSWORD}@b/", "x": AWS}).encode()
    found = detector.find(content).secrets
    assert len(found) == 1
    assert content[found[0].offset : found[0].end].decode() == f"https://a:{PASSWORD}@b/"


def test_a63_a_store_of_secrets_is_not_listed() -> None:
    found = detector.find(b"\n".join(b"ghp_" + b"%036d" % n for n in range(detector.MOST + 1)))
    assert len(found.secrets) == detector.MOST
    assert not found.whole


@pytest.mark.parametrize("content", [b"\xff\xfe\0\x80" * 1000, bytes(range(256)), b"\xed\xa0\x80"])
def test_a63_any_bytes_are_looked_through(content: bytes) -> None:
    held = content + f" ghp_{'a1B2' * 9} ".encode() + content
    assert detector.find(held).secrets == (Secret(len(content) + 1, 40, "github_token"),)


def test_a60_two_lines_of_an_intruder_do_not_cover_what_lies_between_them() -> None:
    names = ["ListUsers", "StopLogging", "GetUser"]
    agents = ["-----BEGIN " + "PRIVATE KEY-----", "aws-cli", "-----END " + "PRIVATE KEY-----"]
    events = [{"eventName": n, "userAgent": a} for n, a in zip(names, agents, strict=True)]
    content = json.dumps({"Records": events}).encode()
    document = json.loads(masking.masked(content, detector.find(content)))
    assert [one["eventName"] for one in document["Records"]] == names


@pytest.mark.parametrize(
    "content",
    [
        json.dumps({"secretAccessKey": AWS}).replace("/", "\\/"),
        json.dumps({"secretAccessKey": AWS}).replace("/", "\\u002f"),
        json.dumps({"body": json.dumps({"secretAccessKey": AWS}).replace("/", "\\/")}),
        json.dumps({"url": f"https://app:{PASSWORD}@db/x"}).replace("/", "\\/"),
        json.dumps({"password": PASSWORD}).replace("&", "\\u0026"),
    ],
)
def test_a61_what_json_escapes_is_found_all_the_same(content: str) -> None:
    found = detector.find(content.encode())
    read = json.dumps(json.loads(masking.masked(content.encode(), found)))
    assert len(found.secrets) == 1
    assert masking.MASK in read
    assert AWS not in read and PASSWORD not in read


def test_a61_the_same_secret_is_covered_wherever_it_stands() -> None:
    content = json.dumps({"secretAccessKey": AWS, "argv": ["aws", "configure", AWS]}).encode()
    assert AWS.encode() not in masking.masked(content, detector.find(content))
