"""The demo's people, services, database roles and real CloudTrail cases."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

CASES = Path(__file__).resolve().parent / "cases"
# An intrusion exercise in a real account, recorded by Invictus: 1,448 events, three access keys.
CASE = CASES / "invictus-account-stream-1"
# A backdoor user made with a stolen key (Stratus Red Team). The account is not in the inventory,
# so this report shows how the portal presents an unrecorded target.
UNKNOWN_CASE = CASES / "stratus-persistence-iam-backdoor-user"
AGENT = "reference-agent"
# A minimal second agent: it looks for addresses of the ledger in build logs.
SCANNER = "leak-scanner"
# A third one: it watches how tokens and workloads are used.
WATCH = "usage-watch"

# The target: a separate cluster, with a role that a program uses all the time.
CLUSTER = DATABASE = "ledger"
ROLE = "svc_reports"
ROLE_LOCATOR = f"postgres.role:{CLUSTER}/{ROLE}"
# Three more roles, of three services of the shop (inventory_files.py). A public build log contained
# their passwords.
LEAKED = {
    "svc_checkout": "checkoutservice",
    "svc_payments": "paymentservice",
    "svc_shipping": "shippingservice",
}
LEAKED_LOCATORS = tuple(f"postgres.role:{CLUSTER}/{role}" for role in LEAKED)
# A role of two teams: services of both read statements with it. Its password stands on a page of a
# wiki, and the agent that found it proposes nothing.
SHARED = "svc_statements"
SHARED_LOCATOR = f"postgres.role:{CLUSTER}/{SHARED}"
# The main story: a service account in wrong hands, which three services use at the same time. They
# read its password at a place of the file store; one of them reloads it only on request.
ROTATED = "svc_billing"
ROTATED_LOCATOR = f"postgres.role:{CLUSTER}/{ROTATED}"
STORE, PLACE = "apps", f"{CLUSTER}/{ROTATED}"
# An API token of a client at an OAuth provider, used from where its client never was.
ISSUER, CLIENT = "login", "stock-feed"
# A workload of a simulated cluster, which sends data to an unknown address.
KUBERNETES, NAMESPACE, WORKLOAD = "shop-eu", "payouts", "payout-runner"
WORKLOAD_LOCATOR = f"kubernetes.workload:{KUBERNETES}/{NAMESPACE}/deployment/{WORKLOAD}"
# Titles of incidents.
WIKI_TITLE = f"Password of {SHARED} on a page of the wiki"
TOKEN_TITLE = f"API token of {CLIENT} is used from an unknown network"
WORKLOAD_TITLE = f"Deployment {WORKLOAD} sends data to an unknown address"
# Missing in the agent's scope: this service signs with the stolen key, too.
MISSED_SERVICE = "emailservice"


@dataclass(frozen=True)
class Person:
    """An account of the demo. ``later`` are its groups after the agent's token was issued.

    Who reviews holds the rights on every service, except on those of the teams ``not_of``.
    """

    username: str
    name: str
    does: str
    groups: tuple[str, ...]
    later: tuple[str, ...] | None = None
    reviews: bool = False
    not_of: tuple[str, ...] = ()


PEOPLE = (
    Person("alice", "Alice Adler", "approves for security", ("security",), reviews=True),
    Person(
        "bob",
        "Bob Brandt",
        "approves for the services, except for those of finance",
        ("service_owner",),
        reviews=True,
        not_of=("finance",),
    ),
    Person("carol", "Carol Conti", "reads everything, decides nothing", ("auditor",)),
    Person(
        "dave",
        "Dave Dietz",
        "owns the agent, so he may not decide on it",
        ("service_owner",),
        reviews=True,
    ),
    Person(
        "eve",
        "Eve Ernst",
        "made the agent's token, so she may not decide on it",
        ("agent_admin",),
        # A person who administers agents holds no approver role, so eve changes groups after
        # issuing the token. She stays excluded from deciding on the agent's proposals.
        later=("security",),
        reviews=True,
    ),
    Person(
        "frank",
        "Frank Falk",
        "is played by the demo: corrected one report, gave another back",
        ("service_owner",),
        reviews=True,
    ),
    Person(
        "lena", "Lena Lindt", "leads: plans, assigns, gets a mail of what is overdue", ("lead",)
    ),
    Person("irene", "Irene Ito", "keeps the inventory", ("inventory_editor",)),
    Person("adam", "Adam Abel", "administers agents and people", ("agent_admin", "user_admin")),
)
# The people whose passkeys the demo adds to the approvers file, with their roles. In production an
# operator does this after comparing the fingerprint with the person.
APPROVERS = {"alice": "security", "bob": "service_owner", "frank": "service_owner"}


@dataclass(frozen=True)
class Service:
    """A service of the demo's inventory and its dependencies."""

    name: str
    owner_team: str
    criticality: str
    payment_path: bool
    external_partner: bool
    needs: tuple[str, ...]


@dataclass(frozen=True)
class Consumer:
    """A program of a service that uses ROTATED: it holds sessions all the time, and the server's
    records show it under the service's name."""

    service: str
    takes_by: str  # how it learns a new password: by itself, or on request
    period_s: int = 0


BY_ITSELF, BY_HAND = "reload", "by_hand"
CONSUMERS = (
    Consumer("billing-api", BY_ITSELF),
    Consumer("refund-desk", BY_ITSELF),
    Consumer("invoice-run", BY_HAND),
)

# `needs` names services, or identities by locator; this one stands for every key in CASE.
EACH_KEY = "each key"
# And this one for the API token, which is made at the first start.
REVOKED = "each API token"
SERVICES = (
    Service("statement-export", "payments", "high", True, False, (EACH_KEY,)),
    Service("settlement-reports", "payments", "high", True, False, (ROLE_LOCATOR,)),
    Service("billing-api", "payments", "critical", True, False, (ROTATED_LOCATOR,)),
    Service("refund-desk", "payments", "high", True, False, (ROTATED_LOCATOR,)),
    Service("invoice-run", "merchants", "high", False, True, (ROTATED_LOCATOR,)),
    Service("card-settlement", "payments", "critical", True, False, ("settlement-reports",)),
    Service("merchant-portal", "merchants", "medium", False, True, ("statement-export",)),
    Service("merchant-statements", "merchants", "medium", False, False, (SHARED_LOCATOR,)),
    Service("tax-statements", "finance", "medium", False, False, (SHARED_LOCATOR,)),
    Service("month-end-close", "finance", "medium", False, False, ("card-settlement",)),
    Service("stock-feed", "merchants", "medium", False, False, (REVOKED,)),
    Service("shop-availability", "merchants", "low", False, False, ("stock-feed",)),
    Service("merchant-payouts", "payments", "critical", True, False, (WORKLOAD_LOCATOR,)),
    Service("partner-bank-link", "merchants", "high", False, True, ("merchant-payouts",)),
)
