"""Public breaches of the same pattern, and what each went on to need.

`breaches.json` is data in our own words, with the names of its sources; it is versioned and loaded
strictly. A page shows what fits beside the question how it turned out; no decision depends on it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from remediation.domain.errors import BadValue
from remediation.domain.fields import Fields
from remediation.domain.strict import parse as parse_json

MAX_BYTES = 256 * 1024
MOST = 3

# Features of a failure, each with its words for pages.
FEATURES: Mapping[str, str] = MappingProxyType(
    {
        "still_valid_after_notice": "the credential stayed valid after it leaked",
        "missed_sibling": "another credential of the same holder was missed",
        "secrets_behind": "it opened further secrets",
        "vendor_vault": "it came from the store of a vendor",
        "mutable_reference": "a reference was moved to other code",
        "signing_key_scope": "a signing key reached too far",
        "revocation_tripwire": "something waited for the revocation",
        "unknown_consumers": "it was shared with users that nobody knew",
        "irrevocable": "it could not be revoked by itself",
        "session_outlives": "sessions outlived the credential",
        "attacker_persistence": "the intruder had made a way back",
        "logging_impaired": "logs were missing or switched off",
        "over_permission": "it had far more rights than it used",
        "agent_permission": "an agent could do more than it should",
        "leaked_in_code": "the secret stood in code, a log or a file",
        "unused_forgotten": "it was believed unused, or forgotten",
        "wrong_environment": "the change reached another environment",
    }
)
PROVIDERS = frozenset(
    ["any", "aws", "azure", "gcp", "github", "gitlab", "npm", "ci", "saas", "database",
     "identity_provider", "pki", "kubernetes"]
)  # fmt: skip
# Families of a declared provider, by its name; any other name is its own family.
FAMILY: Mapping[str, str] = MappingProxyType({"postgres": "database"})
# What a check that did not pass tells about the failure.
OF_CHECKS: Mapping[str, str] = MappingProxyType(
    {
        "sibling_credential": "missed_sibling",
        "telemetry_switched_off": "logging_impaired",
        "secret_in_evidence": "leaked_in_code",
        "used_by_production": "unknown_consumers",
        "irreversible": "irrevocable",
        "containment_order": "attacker_persistence",
    }
)


@dataclass(frozen=True)
class Breach:
    """One public breach: what it went on to need, and what its containment risked."""

    id: str
    name: str
    when: str
    providers: tuple[str, ...]
    features: tuple[str, ...]
    needed: str
    risk: str
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Similar:
    """A breach with the features that it shares with an incident."""

    breach: Breach
    shared: tuple[str, ...]
    same_provider: bool


def load(body: bytes) -> tuple[Breach, ...]:
    """Parse the file. Raises BadInput for an unknown key, provider or feature, or an id twice."""
    top = Fields(
        parse_json(body, max_bytes=MAX_BYTES), required=("version", "compiled", "breaches")
    )
    top.integer("version", 1, 1)
    top.text("compiled", 10, least=10)
    found = top.array("breaches", _breach, least=1, most=500)
    if len({one.id for one in found}) != len(found):
        raise BadValue("a breach has the id of another one")
    return found


def _breach(value: object, at: str) -> Breach:
    source = Fields(
        value,  # type: ignore[arg-type]
        at,
        required=("id", "name", "when", "providers", "features", "needed", "risk", "sources"),
    )
    breach = Breach(
        id=source.text("id", 10, least=1),
        name=source.text("name", 100, least=1),
        when=source.text("when", 7, least=7),
        providers=source.texts("providers", most=10),
        features=source.texts("features", most=10),
        needed=source.text("needed", 400, least=1),
        risk=source.text("risk", 400, least=1),
        sources=source.texts("sources", most=10),
    )
    for given, known in ((breach.providers, PROVIDERS), (breach.features, FEATURES)):
        if not given or set(given) - set(known):
            raise BadValue(f"{breach.id}: {sorted(set(given) - set(known))} is not known")
    if not breach.sources:
        raise BadValue(f"{breach.id} names no source")
    return breach


def similar(
    provider: str, features: Collection[str], among: Iterable[Breach]
) -> tuple[Similar, ...]:
    """Return the few breaches that share most features with an incident, those of its provider
    first among equals. Without a shared feature nothing is similar.
    """
    family = FAMILY.get(provider, provider)
    found = [
        Similar(
            one,
            tuple(each for each in one.features if each in features),
            family in one.providers,
        )
        for one in among
    ]
    fitting = [one for one in found if one.shared]
    fitting.sort(key=lambda one: (-2 * len(one.shared) - one.same_provider, one.breach.id))
    return tuple(fitting[:MOST])
