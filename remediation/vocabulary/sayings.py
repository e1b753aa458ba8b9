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
        gettext_noop("applied, not yet confirmed"),
        gettext_noop("applied, not confirmed"),
        gettext_noop("applied and verified"),
        gettext_noop("failed"),
        gettext_noop("outcome not known"),
        gettext_noop("being rolled back"),
        gettext_noop("rolled back"),
        gettext_noop("could not be rolled back"),
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
        # Sentence for a kind that no action works on (domain/catalogue/spec.py). A provider's own
        # sentences stand in its declaration.
        gettext_noop("The portal cannot change this; a person has to."),
        # Marks of the drawing of a scope (domain/diagram.py).
        gettext_noop("not in the inventory"),
        gettext_noop("Not known"),
        gettext_noop("payment path"),
        gettext_noop("partner"),
        gettext_noop("no owner"),
        # Why a person may not decide (sql/separation.sql).
        gettext_noop("owner of the agent"),
        gettext_noop("made a token of the agent"),
        gettext_noop("rotated a token of the agent"),
        gettext_noop("edited the plan"),
        gettext_noop("corrected the diagnosis"),
        gettext_noop("loosened the inventory in the last 7 days"),
        # The same, of people who took no part (services/access/deciders.py).
        gettext_noop("has no right to review an affected service"),
        gettext_noop("every slot of this role is filled"),
        # Notes of an import (domain/intake/report.py).
        gettext_noop("Without an owner"),
        gettext_noop("New owner teams"),
        gettext_noop("In the inventory, not in these files"),
        gettext_noop("Dependencies in the inventory, not in these files"),
        gettext_noop("Dependencies on something unknown, not imported"),
        gettext_noop("Not imported"),
    }
)
