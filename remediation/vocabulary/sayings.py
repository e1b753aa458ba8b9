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
        gettext_noop("None of the offered plans fits"),
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
        # By when a plan is due (domain/plan_due.py).
        gettext_noop(
            "The inventory does not say what this identity reaches, so it counts as critical."
        ),
        gettext_noop("It reaches a critical service, or a payment path, in production."),
        gettext_noop("It reaches production, or a service of high criticality."),
        gettext_noop("It reaches neither production nor anything of high criticality."),
        # What people are told (domain/telling.py).
        gettext_noop("a proposal waits for your decision"),
        gettext_noop("half, and four fifths, of the time to decide have passed"),
        gettext_noop("a proposal expired without a decision"),
        gettext_noop("a proposal that you decided, or could have decided, has a result"),
        gettext_noop("a stopped or unknown run still waits for people, once a day"),
        gettext_noop("a worker reported a result too late"),
        gettext_noop("a halt or a settlement of a run was refused"),
        gettext_noop("an approval was signed by a key that may not approve"),
        gettext_noop("nobody who could decide a proposal is left"),
        gettext_noop("a contained incident is open again"),
        gettext_noop("the worker cannot see whether an incident is still contained"),
        gettext_noop("an incident needs a plan"),
        gettext_noop("an incident has no plan after its time for one"),
<<<<<<< HEAD
        gettext_noop("a leaked secret of an incident is still in force"),
=======
        gettext_noop("an incident that you had is not yours any more"),
        gettext_noop("somebody whom you asked has written"),
>>>>>>> w-ux
        gettext_noop("somebody asks or mentions you"),
        gettext_noop("somebody whom you asked has written"),
        gettext_noop("an incident that you had is not yours any more"),
        gettext_noop("an incident is assigned to you"),
        gettext_noop("an incident that you decided about has ended: how did it turn out?"),
        gettext_noop("a channel for notifications fails"),
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
        # What a public breach has in common with an incident (domain/patterns).
        gettext_noop("the credential stayed valid after it leaked"),
        gettext_noop("another credential of the same holder was missed"),
        gettext_noop("it opened further secrets"),
        gettext_noop("it came from the store of a vendor"),
        gettext_noop("a reference was moved to other code"),
        gettext_noop("a signing key reached too far"),
        gettext_noop("something waited for the revocation"),
        gettext_noop("it was shared with users that nobody knew"),
        gettext_noop("it could not be revoked by itself"),
        gettext_noop("sessions outlived the credential"),
        gettext_noop("the intruder had made a way back"),
        gettext_noop("logs were missing or switched off"),
        gettext_noop("it had far more rights than it used"),
        gettext_noop("an agent could do more than it should"),
        gettext_noop("the secret stood in code, a log or a file"),
        gettext_noop("it was believed unused, or forgotten"),
        gettext_noop("the change reached another environment"),
        # Why an identity was not read, or a secret not compared (executors, services).
        gettext_noop("The portal cannot compare secrets for this kind of identity."),
        gettext_noop("The portal cannot read this kind of identity."),
        gettext_noop("the role has no password"),
        gettext_noop("too many secrets to compare all of them"),
    }
)
