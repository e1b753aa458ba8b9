"""What the simulated GitHub holds, and the forms in which it shows it."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

Object = dict[str, Any]
_USER_URLS = (
    "avatar_url", "events_url", "followers_url", "following_url", "gists_url", "html_url",
    "organizations_url", "received_events_url", "repos_url", "starred_url", "subscriptions_url",
    "url",
)  # fmt: skip
_REPOSITORY_URLS = (
    "archive_url", "assignees_url", "blobs_url", "branches_url", "collaborators_url",
    "comments_url", "commits_url", "compare_url", "contents_url", "contributors_url",
    "deployments_url", "downloads_url", "events_url", "forks_url", "git_commits_url",
    "git_refs_url", "git_tags_url", "hooks_url", "html_url", "issue_comment_url",
    "issue_events_url", "issues_url", "keys_url", "labels_url", "languages_url", "merges_url",
    "milestones_url", "notifications_url", "pulls_url", "releases_url", "stargazers_url",
    "statuses_url", "subscribers_url", "subscription_url", "tags_url", "teams_url", "trees_url",
    "url",
)  # fmt: skip
AT = "https://github.example/"
_numbers = itertools.count(50_000_001)


def new_id() -> int:
    """Return a number that nothing else has: GitHub uses none twice."""
    return next(_numbers)


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class App:
    """A GitHub App with the key that it signs with."""

    slug: str
    client_id: str
    key: RSAPublicKey
    id: int = field(default_factory=new_id)

    def shown(self) -> Object:
        return {
            "id": self.id, "slug": self.slug, "node_id": _node(self.slug),
            "client_id": self.client_id, "owner": user("owner"), "name": self.slug,
            "description": None, "external_url": AT, "html_url": f"{AT}apps/{self.slug}",
            "created_at": now(), "updated_at": now(), "permissions": {}, "events": [],
        }  # fmt: skip


@dataclass
class Installation:
    """An App in an organisation. `repositories`: the selected ones; None for all."""

    app: App
    org: str
    permissions: dict[str, str]
    repositories: set[str] | None = None
    suspended_at: str | None = None
    suspended_by: str = ""
    id: int = field(default_factory=new_id)
    created: str = field(default_factory=now)

    @property
    def selection(self) -> str:
        return "all" if self.repositories is None else "selected"

    def shown(self) -> Object:
        at = f"{AT}app/installations/{self.id}"
        return {
            "id": self.id, "account": user(self.org, "Organization"), "app_id": self.app.id,
            "app_slug": self.app.slug, "client_id": self.app.client_id, "target_id": 1,
            "target_type": "Organization", "single_file_name": None,
            "repository_selection": self.selection, "access_tokens_url": f"{at}/access_tokens",
            "html_url": at, "repositories_url": f"{AT}installation/repositories",
            "events": ["push"], "permissions": dict(self.permissions),
            "created_at": self.created, "updated_at": self.created,
            "suspended_by": user(self.suspended_by) if self.suspended_at else None,
            "suspended_at": self.suspended_at,
        }  # fmt: skip


@dataclass
class Grant:
    """A fine-grained token of a user, and what an organisation lets it do."""

    owner: str
    name: str
    text: str
    permissions: dict[str, dict[str, str]]
    selection: str = "all"
    # The chosen ones, for the selection "subset".
    repositories: tuple[str, ...] = ()
    expires: str | None = None
    expired: bool = False
    last_used: str | None = None
    id: int = field(default_factory=new_id)
    token_id: int = field(default_factory=new_id)
    granted: str = field(default_factory=now)

    def shown(self) -> Object:
        return {
            "id": self.id, "owner": user(self.owner), "repository_selection": self.selection,
            "repositories_url": f"{AT}grants/{self.id}/repositories",
            "permissions": self.permissions, "access_granted_at": self.granted,
            "token_id": self.token_id, "token_name": self.name, "token_expired": self.expired,
            "token_expires_at": self.expires, "token_last_used_at": self.last_used,
        }  # fmt: skip


@dataclass
class Organisation:
    """An organisation: its repositories with their deploy keys, and grants to tokens."""

    login: str
    # Repository -> its deploy keys by id.
    repositories: dict[str, dict[int, Object]] = field(default_factory=dict)
    grants: dict[int, Grant] = field(default_factory=dict)
    # What its audit log says.
    audit: list[Object] = field(default_factory=list)

    def add_key(self, repository: str, title: str, public: str, *, read_only: bool) -> int:
        number = new_id()
        self.repositories[repository][number] = {
            "id": number, "key": public, "url": f"{AT}keys/{number}", "title": title,
            "verified": True, "created_at": now(), "read_only": read_only, "added_by": "ann",
            "last_used": "2026-11-20T08:15:00Z", "enabled": True,
        }  # fmt: skip
        return number


def user(login: str, kind: str = "User") -> Object:
    urls = {name: f"{AT}users/{login}/{name}" for name in _USER_URLS}
    return {
        **urls, "login": login, "id": int(_node(login)[:6], 16), "node_id": _node(login),
        "gravatar_id": "", "type": kind, "site_admin": False,
    }  # fmt: skip


def repository(org: str, name: str) -> Object:
    urls = {each: f"{AT}repos/{org}/{name}/{each}" for each in _REPOSITORY_URLS}
    return {
        **urls, "id": int(_node(name)[:6], 16), "node_id": _node(name), "name": name,
        "full_name": f"{org}/{name}", "owner": user(org, "Organization"), "private": True,
        "description": None, "fork": False,
    }  # fmt: skip


def _node(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:16]
