"""Read OpenBao's PKI engine, and its lists of revoked certificates where readers fetch them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from remediation.domain.errors import TargetUnobservable
from remediation.executors.openbao_server import Api
from remediation.executors.tls_bundle import anchors, fingerprint, words
from remediation.executors.tls_handshake import public_key_of
from remediation.executors.tls_places import Certificate, Relying

# A list that ends sooner is about to refuse every client that reads it.
LEAST_LEFT = timedelta(hours=6)
FETCH_SECONDS = 4.0
MOST_BYTES = 8 * 1024 * 1024
MOST_ISSUERS = 50


@dataclass(frozen=True)
class Issued:
    """A certificate as the engine keeps it."""

    leaf: x509.Certificate
    issuer: x509.Certificate
    revoked: bool


@dataclass(frozen=True)
class Lists:
    """What the readers of lists get: `problem` is "" if each list is good; `has`: whether each
    list has the serial number."""

    problem: str
    until: datetime | None
    has: bool


def issued(api: Api, mount: str, serial: str) -> Issued | None:
    """Return a certificate; None if the engine has none. Raises hvac's and requests' errors."""
    found = api.get(f"{mount}/cert/{colons(serial)}")
    if found is None:
        return None
    issuer = api.get(f"{mount}/issuer/{found.get('issuer_id') or 'default'}/json")
    if issuer is None:
        raise TargetUnobservable("the issuer of the certificate is not there")
    return Issued(
        x509.load_pem_x509_certificate(str(found["certificate"]).encode()),
        x509.load_pem_x509_certificate(str(issuer["certificate"]).encode()),
        bool(found.get("revocation_time")),
    )


def issuer_of(api: Api, mount: str) -> x509.Certificate:
    """Return the certificate of the engine's default issuer."""
    found = api.get(f"{mount}/issuer/default/json")
    if found is None:
        raise TargetUnobservable("the engine has no issuer")
    return x509.load_pem_x509_certificate(str(found["certificate"]).encode())


def authorities(api: Api, mount: str) -> dict[str, x509.Certificate]:
    """Return the CA certificates of an engine that have not expired, by SHA-256.

    Its issuers, with the ones above them. Raises hvac's and requests' errors.
    """
    texts: list[str] = []
    for name in api.list(f"{mount}/issuers")[:MOST_ISSUERS]:
        found = api.get(f"{mount}/issuer/{name}/json") or {}
        chain = found.get("ca_chain")
        texts += [str(found.get("certificate", "")), *map(str, chain or [])]
    certificates = [x509.load_pem_x509_certificate(one.encode()) for one in texts if one]
    return {fingerprint(one): one for one in certificates if _is_authority(one)}


def _is_authority(one: x509.Certificate) -> bool:
    if one.not_valid_after_utc <= utc_now():
        return False
    try:
        return one.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def colons(serial: str) -> str:
    return ":".join(serial[at : at + 2] for at in range(0, len(serial), 2))


def trust_problems(entry: Certificate, issuer: x509.Certificate) -> list[str]:
    """Return who does not trust this issuer, in words: trust comes first, the leaf second."""
    everybody = {"clients": Relying(entry.trust_file, ()), **entry.relying}
    found = []
    for name, client in sorted(everybody.items()):
        try:
            trusted = anchors(client.trust_file)
        except (OSError, ValueError) as error:
            found.append(f"{name}: trust file: {words(error)}")
            continue
        if not trusts(trusted, issuer):
            found.append(f"{name}: does not trust the issuer {issuer.subject.rfc4514_string()}")
        elif client.pinned_keys and public_key_of(issuer) not in client.pinned_keys:
            found.append(f"{name}: takes only pinned keys, and a new one is not among them")
    return found


def trusts(trusted: Iterable[x509.Certificate], issuer: x509.Certificate) -> bool:
    """Return whether the issuer is among these, or one of them signed it."""
    return any(_signed(issuer, one) for one in trusted)


def _signed(one: x509.Certificate, by: x509.Certificate) -> bool:
    if one == by:
        return True
    try:
        one.verify_directly_issued_by(by)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def lists_of(api: Api, entry: Certificate, found: Issued, now: datetime) -> Lists:
    """Fetch each list as its readers do, and say what is wrong with it."""
    renewed = _not_renewed(api, entry.mount)
    urls = entry.crl_urls or _addresses(found.leaf)
    if not urls:
        return Lists("no list is named in the certificate or in the map", None, False)
    problems, until, has = [renewed] if renewed else [], [], []
    for url in urls:
        try:
            one = _fetch(url, entry.crl_ca_file)
        except Exception as error:  # requests' and cryptography's errors have no common class
            problems.append(f"{url}: {type(error).__name__}")
            continue
        ends = one.next_update_utc
        if not one.is_signature_valid(found.issuer.public_key()):  # type: ignore[arg-type]
            problems.append(f"{url}: not signed by the issuer")
        elif ends is None or ends - now < LEAST_LEFT:
            problems.append(f"{url}: {_ends(ends, now)}")
        if ends is not None:
            until.append(ends)
        has.append(one.get_revoked_certificate_by_serial_number(found.leaf.serial_number))
    return Lists(
        "; ".join(problems),
        min(until, default=None),
        bool(has) and len(has) == len(urls) and None not in has,
    )


def _not_renewed(api: Api, mount: str) -> str:
    """Return why nobody renews the list; "" if the engine does."""
    config = api.get(f"{mount}/config/crl") or {}
    if config.get("disable") is True:
        return "the engine makes no list"
    if config.get("auto_rebuild") is not True:
        return "the engine does not renew its list before it runs out (auto_rebuild is off)"
    return ""


def _addresses(leaf: x509.Certificate) -> tuple[str, ...]:
    try:
        points = leaf.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except x509.ExtensionNotFound:
        return ()
    names = (name for point in points for name in point.full_name or ())
    return tuple(name.value for name in names if isinstance(name, x509.UniformResourceIdentifier))


def _ends(ends: datetime | None, now: datetime) -> str:
    if ends is None:
        return "runs out at no time that it says"
    when = ends.strftime("%Y-%m-%d %H:%M UTC")
    if ends <= now:
        return f"ran out at {when}: its readers refuse every certificate"
    hours = int(LEAST_LEFT.total_seconds() // 3600)
    return f"runs out at {when}, in less than {hours} hours: let the engine make it anew before"


def _fetch(url: str, ca_file: Path | None) -> x509.CertificateRevocationList:
    from requests import Session

    if not url.startswith(("http://", "https://")):
        raise ValueError("not an address of the web")
    if ca_file is not None:
        anchors(ca_file)  # the library would wait for a pipe
    with Session() as session:
        session.trust_env = False
        session.verify = True if ca_file is None else str(ca_file)
        with session.get(url, timeout=FETCH_SECONDS, stream=True) as answer:
            answer.raise_for_status()
            body = answer.raw.read(MOST_BYTES + 1, decode_content=True)
    if len(body) > MOST_BYTES:
        raise ValueError("too large")
    if body.lstrip().startswith(b"-----BEGIN"):
        return x509.load_pem_x509_crl(body)
    return x509.load_der_x509_crl(body)


def utc_now() -> datetime:
    return datetime.now(UTC)
