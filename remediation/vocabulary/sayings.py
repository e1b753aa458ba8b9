"""Fixed sentences and titles of the domain that pages show and nobody signs."""

from __future__ import annotations

from django.utils.translation import gettext_noop

SAYINGS = frozenset(
    {
        # Reasons of the two lists (domain/statement.py).
        gettext_noop("The diagnosis is wrong"),
        gettext_noop("The evidence does not carry the diagnosis"),
        gettext_noop("It would reach too much"),
        gettext_noop("The action does not fit the incident"),
        gettext_noop("It is being handled in another way"),
        gettext_noop("The report looks manipulated"),
        gettext_noop("Another reason"),
        gettext_noop("Evidence is missing"),
        gettext_noop("The diagnosis is not clear"),
        gettext_noop("The scope is not clear"),
        gettext_noop("The action is not clear"),
        gettext_noop("This is not the time for it"),
        # How a step stands (domain/outcome.py).
        gettext_noop("not begun"),
        gettext_noop("being applied"),
        gettext_noop("applied, being verified"),
        gettext_noop("applied and verified"),
        gettext_noop("failed"),
        gettext_noop("outcome not known"),
        gettext_noop("being undone"),
        gettext_noop("undone"),
        gettext_noop("could not be undone"),
        # Kinds of secrets (domain/secrets/detector.py).
        gettext_noop("AWS secret access key"),
        gettext_noop("AWS session token"),
        gettext_noop("private key"),
        gettext_noop("password in a connection string"),
        gettext_noop("bearer token"),
        gettext_noop("password, token or client secret"),
        gettext_noop("secret that other evidence gives away"),
        gettext_noop("cookie of a session"),
        gettext_noop("JSON web token"),
        gettext_noop("Azure storage key"),
        gettext_noop("Discord token"),
        gettext_noop("GitHub token"),
        gettext_noop("GitLab token"),
        gettext_noop("Google API key"),
        gettext_noop("Mailchimp key"),
        gettext_noop("npm token"),
        gettext_noop("key of a model provider"),
        gettext_noop("token of one of this portal's agents"),
        gettext_noop("PyPI token"),
        gettext_noop("SendGrid key"),
        gettext_noop("Slack token"),
        gettext_noop("Square secret"),
        gettext_noop("Stripe key"),
        gettext_noop("Vault token"),
        # Kinds of targets (domain/actions.py).
        gettext_noop("PostgreSQL role"),
        gettext_noop("AWS IAM access key"),
        gettext_noop("AWS IAM user"),
        gettext_noop("AWS IAM role"),
        gettext_noop("AWS account root user"),
        gettext_noop("Kubernetes service account"),
        gettext_noop("Kubernetes secret"),
        gettext_noop("Test target"),
        # What actions do beside their sentence, and what they do not (domain/actions.py).
        gettext_noop("It ends every open session of the role, after new logins are refused."),
        gettext_noop("It does not revoke grants: other roles that are members of it keep them."),
        gettext_noop("It does not change the password."),
        gettext_noop("Sessions that a connection pooler opened as another role are not ended."),
        gettext_noop("A transaction that was prepared for two-phase commit keeps its locks."),
        gettext_noop(
            "Roles that administer the cluster (superuser, CREATEROLE, REPLICATION, BYPASSRLS)"
            " are refused."
        ),
        gettext_noop("It ends no session."),
        gettext_noop("It does not restore sessions that were ended."),
        gettext_noop("It ends no session; requests signed with the key are refused."),
        gettext_noop("Services may accept the key for some minutes more."),
        gettext_noop(
            "It does not end sessions of temporary credentials that were made with the key before."
        ),
        gettext_noop("It does not touch other keys, roles or users that the key may have created."),
        gettext_noop("It does not make the key safe to use again."),
        gettext_noop("It changes nothing outside a file of the worker."),
        # Marks of the drawing of a scope (domain/diagram.py).
        gettext_noop("not in the inventory"),
        gettext_noop("Not known"),
        gettext_noop("payment path"),
        gettext_noop("partner"),
        gettext_noop("no owner"),
        # Why somebody may not decide (sql/people.sql).
        gettext_noop("owner of the agent"),
        gettext_noop("made a token of the agent"),
        gettext_noop("rotated a token of the agent"),
        gettext_noop("edited the plan"),
        gettext_noop("corrected the diagnosis"),
        gettext_noop("loosened the inventory in the last 7 days"),
        # Notes of an import (domain/intake/report.py).
        gettext_noop("Without an owner"),
        gettext_noop("Owner teams that nobody knew before"),
        gettext_noop("In the inventory, not in these files"),
        gettext_noop("Dependencies in the inventory, not in these files"),
        gettext_noop("Leads to nothing known, not taken"),
        gettext_noop("Not taken"),
    }
)
