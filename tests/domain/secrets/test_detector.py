"""What is found in evidence and what is not (A61). Values are made up, or the vendors'
own examples; they are put together here, so that no scanner takes this file for a leak."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest

from remediation.domain.secrets import assigned, detector, masking
from remediation.domain.secrets import rules as secret_rules
from remediation.domain.secrets.detector import Found, Secret
from tests.every import every

CASES = Path(__file__).resolve().parents[3] / "hitlportal" / "demo" / "cases"
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
    ("private_key", KEY[:200] + " <cut>", KEY[:200]),
    ("private_key", KEY.replace("\n", "\r\n"), KEY.replace("\n", "\r\n")),
    ("private_key", json.dumps(json.dumps(KEY)), json.dumps(json.dumps(KEY))[3:-3]),
    ("private_key", f"key={KEY.replace(chr(10), ' ')}", KEY.replace("\n", " ")),
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
    # Without quotes: shell, YAML, URL, option, form.
    ("assigned_secret", f"export DB_PASSWORD={PASSWORD}\n", PASSWORD),
    ("assigned_secret", f"password: {PASSWORD}\nuser: app\n", PASSWORD),
    ("assigned_secret", f"  postgres-password:  {PASSWORD} # rotate", PASSWORD),
    ("assigned_secret", f"GET /login?user=app&password={PASSWORD}&next=/ HTTP/1.1", PASSWORD),
    ("assigned_secret", json.dumps({"cmd": f"mysql --password={PASSWORD} -h x"}), PASSWORD),
    ("assigned_secret", f"rdsctl --master-user-password {PASSWORD} --now", PASSWORD),
    ("assigned_secret", f"(password={PASSWORD})", PASSWORD),
    ("assigned_secret", "PASSWORD=Summer2024,really!", "Summer2024,really!"),
    ("assigned_secret", "password=hunter", "hunter"),
    ("assigned_secret", "X-Api-Key: f00ba4f00ba4f00ba4aa", "f00ba4f00ba4f00ba4aa"),
    ("assigned_secret", "api_token=f00ba4f00ba4f00ba4aa", "f00ba4f00ba4f00ba4aa"),
    (
        "assigned_secret",
        json.dumps({"refresh_token": "f00ba4-f00ba4-f00ba4"}),
        "f00ba4-f00ba4-f00ba4",
    ),
    # SQL, pairs, XML.
    ("assigned_secret", f"ALTER ROLE app WITH PASSWORD '{PASSWORD}';", PASSWORD),
    ("assigned_secret", json.dumps({"q": f"CREATE USER a IDENTIFIED BY '{PASSWORD}'"}), PASSWORD),
    ("assigned_secret", json.dumps({"name": "DB_PASSWORD", "value": PASSWORD}), PASSWORD),
    ("assigned_secret", f"- name: DB_PASSWORD\n  value: {PASSWORD}\n", PASSWORD),
    ("assigned_secret", f'<add key="Password" value="{PASSWORD}"/>', PASSWORD),
    ("assigned_secret", f"<password>{PASSWORD}</password>", PASSWORD),
    ("assigned_secret", json.dumps({"user": "a", "pass": PASSWORD}), PASSWORD),
    # In quotes, with what JSON and shells escape.
    ("assigned_secret", json.dumps({"password": 'Tr0ub"4dor'}), 'Tr0ub\\"4dor'),
    ("assigned_secret", json.dumps(json.dumps({"password": 'Tr0ub"4dor'})), 'Tr0ub\\\\\\"4dor'),
    ("assigned_secret", json.dumps({"password": "correct horse battery"}), "correct horse battery"),
    ("assigned_secret", "password = 'correct horse battery'", "correct horse battery"),
    ("connection_string", "https://app:p$ss*w@db/x", "p$ss*w"),
    ("connection_string", f"curl -s -u app:{PASSWORD} https://x/", PASSWORD),
    ("bearer_token", "Authorization: token 2YotnFZFEjr1zCsicMWp", "2YotnFZFEjr1zCsicMWp"),
    ("session_cookie", "Cookie: JSESSIONID=0123456789ABCDEF0123; a=b", "0123456789ABCDEF0123"),
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
    # Words, programs, paths and references behind the name of a secret.
    "Failed password for root from 10.0.0.1 port 22; password: incorrect, token: unexpected_eof",
    "password = getpass() or os.environ['X']; token=request.headers.token; secret=self.a.secret",
    "password: ${DB_PASSWORD} password=$PASSWORD --password {{ password }} password=%(pw)s",
    "password: /run/secrets/db secret: kube-system/default-token",
    "secret: vault:kv/data/app#password and password=https://wiki.example/passwords",
    "arn:aws:secretsmanager:eu-west-1:123456789012:secret:payments-key-8-2aONLk",
    json.dumps({"nextToken": "AAAA1111BBBB2222CCCC", "clientRequestToken": "AAAA1111BBBB2222CCCC"}),
    json.dumps({"password": "AKIAIOSFODNN7EXAMPLE", "passwd": "123456789012"}),
    json.dumps(
        {
            "password": "********",
            "token": "xxxxxxxxxxxxxxxxxxxx",
            "hashed_token": "0771cae4d170dc02a6ff",
        }
    ),
    json.dumps({"passwordLastUsed": "2024-01-01T00:00:00Z", "password_reset_required": True}),
    "QVdTIHNlY3JldHMgYXJlIG5vdCBoZXJlIGJ1dCB3b3JkcyBhcmU= is base64 of words",
    "",
]


@every(("rule", "text", "secret"), HELD, ids=[f"{r}-{n}" for n, (r, _, _)
                                                               in enumerate(HELD)])  # fmt: skip
def test_a61_a_secret_is_found_at_its_place(rule: str, text: str, secret: str) -> None:
    content = ("é " + text).encode()
    (found,) = detector.find(content).secrets
    assert found.rule == rule
    assert content[found.offset : found.end].decode() == secret


@every("text", NOT_HELD)
def test_a61_ordinary_values_are_not_found(text: str) -> None:
    assert detector.find(text.encode()) == Found()


def test_a61_the_real_cases_hold_no_secret() -> None:
    """Their publishers removed the session tokens; every remaining value is a name."""
    files = [path for path in CASES.rglob("*") if path.suffix in (".json", ".yml")]
    assert len(files) > 40
    assert [path for path in files if detector.find(path.read_bytes())] == []


def test_a61_a_secret_planted_in_a_real_case_is_found() -> None:
    for path in sorted(CASES.rglob("events.json"))[:5]:
        content = path.read_bytes()
        planted = content[: len(content) // 2] + f'"secretAccessKey": "{AWS}"'.encode() + content
        assert [one.rule for one in detector.find(planted).secrets] == ["aws_secret_key"]


def test_every_rule_has_a_title_and_a_case() -> None:
    rules = {rule for rule, _ in secret_rules._RULES} | {
        "jwt",
        "private_key",
        "assigned_secret",
        "repeated_secret",
    }
    assert rules == set(detector.TITLES)
    assert {rule for rule, _, _ in HELD} >= rules - {
        # Rules copied from detect-secrets.
        "repeated_secret", "discord_token", "mailchimp_key", "pypi_token", "square_secret",
    }  # fmt: skip


def test_findings_do_not_overlap() -> None:
    content = json.dumps({"password": f"https://a:{PASSWORD}@b/", "x": AWS}).encode()
    found = detector.find(content).secrets
    assert len(found) == 1
    assert content[found[0].offset : found[0].end].decode() == f"https://a:{PASSWORD}@b/"


def test_a63_an_artefact_full_of_secrets_is_not_listed() -> None:
    found = detector.find(b"\n".join(b"ghp_" + b"%036d" % n for n in range(detector.MOST + 1)))
    assert len(found.secrets) == detector.MOST
    assert not found.whole


@pytest.mark.parametrize("content", [b"\xff\xfe\0\x80" * 1000, bytes(range(256)), b"\xed\xa0\x80"])
def test_a63_any_bytes_can_be_searched(content: bytes) -> None:
    held = content + f" ghp_{'a1B2' * 9} ".encode() + content
    assert detector.find(held).secrets == (Secret(len(content) + 1, 40, "github_token"),)


@pytest.mark.parametrize("name", ["token=", "password:", "api_key="])
def test_a63_many_names_without_values_are_searched_in_linear_time(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each name reads 256 characters after it; eight megabytes of names took a worker a minute."""
    looked, values = [], assigned._values

    def counted(text: str, lower: str, match: re.Match[str]) -> Any:
        looked.append(match.start())
        return values(text, lower, match)

    monkeypatch.setattr(assigned, "_values", counted)
    content = name * 10_000
    list(assigned.assigned(content, content))
    assert len(looked) <= 6 * len(content) / 256 + 6


def test_a_secret_behind_a_few_names_is_found() -> None:
    content = f"kind=token:password:secret={PASSWORD} and so on".encode()
    assert PASSWORD.encode() not in masking.masked(content, detector.find(content))


def test_letters_and_digits_are_those_of_python() -> None:
    for one in map(chr, range(256)):
        assert bool(assigned._DIGIT.search(one)) == one.isdigit()
        assert bool(assigned._LETTER.search(one)) == one.isalpha()


def test_a60_two_lines_of_an_intruder_do_not_mask_the_text_between_them() -> None:
    names = ["ListUsers", "StopLogging", "GetUser"]
    agents = ["-----BEGIN " + "PRIVATE KEY-----", "aws-cli", "-----END " + "PRIVATE KEY-----"]
    events = [{"eventName": n, "userAgent": a} for n, a in zip(names, agents, strict=True)]
    content = json.dumps({"Records": events}).encode()
    document = json.loads(masking.masked(content, detector.find(content)))
    assert [one["eventName"] for one in document["Records"]] == names


def test_a60_one_line_of_an_intruder_does_not_mask_later_log_lines() -> None:
    """Nor does a pair of lines: between them only key material is masked."""
    theirs = "Nov 27 01:00:00 host sshd 12: Accepted publickey for root from 10.0.0.1 port 22\n" * 9
    begin, end = "-----BEGIN " + "PRIVATE KEY-----", "-----END " + "PRIVATE KEY-----"
    for text in (f"agent {begin}\n{theirs}", f"agent {begin}\n{theirs}agent {end}\n"):
        assert theirs in masking.masked(text.encode(), detector.find(text.encode())).decode()


def test_a60_an_unclosed_quote_of_an_intruder_masks_nothing_of_others() -> None:
    for opened in ('password="abcdef', "password='abcdef", '\\"password\\":\\"abcdef'):
        events = [{"userAgent": opened}, {"eventName": "StopLogging"}, {"userAgent": "it's"}]
        content = json.dumps(events).encode()
        document = json.loads(masking.masked(content, detector.find(content)))
        assert document[1:] == events[1:]


def test_a61_a_key_whose_lines_are_list_items_is_masked_line_by_line() -> None:
    content = json.dumps({"key": KEY.replace("7\n", "7abcdef\n").split("\n"), "x": "y"}).encode()
    covered = masking.masked(content, detector.find(content))
    assert b"MIIEow" not in covered
    assert json.loads(covered)["x"] == "y"


PEM_LIKE = "secretAccessKey: " + AWS
ENCODED = {
    "base64": base64.b64encode(PEM_LIKE.encode()),
    "base64 of a shell's line": base64.b64encode(f"export PASSWORD={PASSWORD}".encode()),
    "url-safe": base64.urlsafe_b64encode(b"\xff\xfe\xfd" + PEM_LIKE.encode()).rstrip(b"="),
    "base64 over lines": base64.encodebytes((PEM_LIKE + " " * 60 + PEM_LIKE).encode()),
    "in JSON": json.dumps(
        {"u": base64.encodebytes((" " * 40 + PEM_LIKE).encode()).decode()}
    ).encode(),
    "of JSON, slashes escaped": json.dumps(
        {"u": base64.b64encode(json.dumps({"password": PASSWORD, "a": "???>>>"}).encode()).decode()}
    )
    .replace("/", "\\/")
    .encode(),
    "PowerShell": b"-enc " + base64.b64encode(PEM_LIKE.encode("utf-16-le")),
    "UTF-16 with its mark": PEM_LIKE.encode("utf-16"),
    "UTF-16, big endian": PEM_LIKE.encode("utf-16-be"),
    "UTF-16 within a log": b"2026 line\n" + PEM_LIKE.encode("utf-16-le") + b"\nnext line",
    "UTF-16 of JSON": json.dumps({"password": PASSWORD, "url": "a/b"})
    .replace("/", "\\/")
    .encode("utf-16-le"),
    "percent": b"q=aws_secret_access_key%3D" + AWS.replace("/", "%2F").encode(),
    "line feeds in code": b'"AWS_SECRET_ACCESS_KEY=\\u000a' + AWS.encode() + b'"',
}


@every("content", ENCODED.values(), ids=ENCODED)
def test_a61_an_encoded_secret_is_found_and_known_decoded(content: bytes) -> None:
    found = detector.find(content)
    assert found.secrets
    # In place: decoding the masked text shows it nowhere.
    assert detector.find(masking.masked(content, found)) == Found()
    # A decoded quote by an agent is masked too.
    assert {AWS, PASSWORD} & masking.values(content)


def test_a61_a_kubernetes_value_is_known_decoded() -> None:
    packed = base64.b64encode(PASSWORD.encode())
    content = b"data:\n  password: " + packed + b"\n"
    assert PASSWORD in masking.values(content)
    assert packed not in masking.masked(content, detector.find(content))


def test_a61_more_secrets_than_are_listed_are_still_known() -> None:
    """Otherwise a hundred secrets of an intruder would let an agent quote the next one."""
    many = "\n".join(f"ghp_{n:036d}" for n in range(detector.MOST + 1))
    content = f"{many}\npassword: {PASSWORD}".encode()
    assert not detector.find(content).whole
    assert PASSWORD in masking.values(content)


def test_a60_a_known_name_in_a_password_field_is_masked_nowhere() -> None:
    name = "payments-deploy-2024"
    content = json.dumps([{"password": name}, {"userName": name, "password": PASSWORD}]).encode()
    covered = masking.masked(content, detector.find(content, {name}))
    assert covered.count(name.encode()) == 2
    assert PASSWORD.encode() not in covered
    assert masking.values(content, {name}) == {PASSWORD}


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
def test_a61_a_secret_with_json_escapes_is_found(content: str) -> None:
    found = detector.find(content.encode())
    read = json.dumps(json.loads(masking.masked(content.encode(), found)))
    assert len(found.secrets) == 1
    assert masking.MASK in read
    assert AWS not in read and PASSWORD not in read


def test_a61_every_occurrence_of_a_secret_is_masked() -> None:
    content = json.dumps({"secretAccessKey": AWS, "argv": ["aws", "configure", AWS]}).encode()
    assert AWS.encode() not in masking.masked(content, detector.find(content))
