"""GitHub: the audit log, and webhooks such as a secret-scanning alert."""

from __future__ import annotations

from collections.abc import Set

from remediation.domain.formats.body import Body, names_of, one_of, say, value_at
from remediation.domain.formats.form import Format

# The member that says what a webhook is about; the most exact stands first.
_ABOUT = (
    "alert",
    "key",
    "comment",
    "review",
    "workflow_job",
    "workflow_run",
    "pull_request",
    "issue",
    "deployment",
    "member",
)


class GitHubAudit(Format):
    """https://docs.github.com/organizations: "Reviewing the audit log for your organization"."""

    def is_record(self, names: Set[str], body: Body) -> bool:
        named = bool(say(body, "action")) and isinstance(value_at(body, "actor"), str | None)
        about = {"org", "business", "repo", "_document_id", "actor_id", "operation_type"}
        return named and "." in say(body, "action") and bool(names & about)

    def name(self, body: Body) -> str:
        return say(body, "action")

    def time(self, body: Body) -> str:
        return one_of(body, "@timestamp", "at_sign_timestamp", "created_at")

    def key(self, body: Body) -> str:
        return one_of(body, "hashed_token")

    def user(self, body: Body) -> str:
        return one_of(body, "actor")

    def actor(self, body: Body) -> str:
        return one_of(body, "actor", "actor_id", "programmatic_access_type")

    def address(self, body: Body) -> str:
        return one_of(body, "actor_ip")

    def account(self, body: Body) -> str:
        return one_of(body, "org", "business")

    def objects(self, body: Body) -> tuple[str, ...]:
        return names_of(
            *(one_of(body, name) for name in ("repo", "repository", "user", "name", "team", "org"))
        )

    def acts(self, body: Body) -> bool:
        return True

    def error(self, body: Body) -> str | None:
        """Return "": the log holds what was done, and names a failed sign-in by its action."""
        return self.name(body) if self.name(body).endswith(("_failed", ".failed")) else ""


class GitHubWebhook(Format):
    """https://docs.github.com/webhooks/webhook-events-and-payloads; its sender is the actor."""

    def is_record(self, names: Set[str], body: Body) -> bool:
        from_github = isinstance(value_at(body, "repository"), dict) or (
            isinstance(value_at(body, "sender"), dict) and "installation" in names
        )
        return from_github and bool(names & {"action", "pusher", "ref", "sender", *_ABOUT})

    def name(self, body: Body) -> str:
        about = next((one for one in _ABOUT if isinstance(value_at(body, one), dict)), "")
        if about == "alert" and one_of(body, "alert.secret_type"):
            about = "secret_scanning_alert"
        said = one_of(body, "action") or ("push" if "pusher" in body else "")
        return ".".join(filter(None, (about, said)))

    def time(self, body: Body) -> str:
        paths = [f"{one}.{at}" for at in ("updated_at", "created_at") for one in _ABOUT]
        return one_of(body, *paths, "head_commit.timestamp")

    def user(self, body: Body) -> str:
        people = [f"{one}.user.login" for one in _ABOUT]
        return one_of(body, "sender.login", "pusher.name", *people)

    def account(self, body: Body) -> str:
        return one_of(body, "organization.login", "repository.owner.login")

    def objects(self, body: Body) -> tuple[str, ...]:
        return names_of(
            one_of(body, "repository.full_name"),
            one_of(body, "alert.secret_type", "key.title"),
            one_of(body, "ref"),
        )

    def note(self, body: Body) -> str:
        """Return how a secret-scanning alert was settled."""
        settled = one_of(body, "alert.resolution")
        return f"resolved as {settled}" if settled else ""

    def acts(self, body: Body) -> bool:
        return bool(self.name(body)) and not isinstance(value_at(body, "alert"), dict)

    def error(self, body: Body) -> str | None:
        return None
