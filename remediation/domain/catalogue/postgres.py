"""PostgreSQL: the provider, with the words of its fields and parameters."""

from __future__ import annotations

from remediation.domain.catalogue.postgres_login import DISABLE, ENABLE
from remediation.domain.catalogue.postgres_membership import GRANT, MEMBERSHIP, REVOKE
from remediation.domain.catalogue.postgres_role import ROLE
from remediation.domain.catalogue.postgres_rotation import CREATE_TWIN, END_SESSIONS, ROTATE
from remediation.domain.catalogue.spec import Provider, pgettext

PROVIDER = Provider(
    name="postgres",
    tested="PostgreSQL 18 and 15, PgBouncer",
    title="PostgreSQL",
    targets=(ROLE, MEMBERSHIP),
    actions=(DISABLE, ENABLE, ROTATE, END_SESSIONS, CREATE_TWIN, REVOKE, GRANT),
    words={
        "cluster": pgettext("field of a target", "cluster"),
        "role": pgettext("field of a target", "role"),
        "granted": pgettext("field of a target", "granted role"),
        "login": pgettext("field of an observation", "login"),
        "superuser": pgettext("field of an observation", "superuser"),
        "createrole": pgettext("field of an observation", "may create roles"),
        "replication": pgettext("field of an observation", "replication"),
        "bypassrls": pgettext("field of an observation", "bypasses row security"),
        "member_of_managed": pgettext("field of an observation", "member of managed"),
        "oid": pgettext("field of an observation", "oid"),
        "password_id": pgettext("field of an observation", "fingerprint of the password"),
        "password_version": pgettext("field of an observation", "version of the password"),
        "store_version": pgettext("field of an observation", "version that consumers read"),
        "store_staged": pgettext("field of an observation", "version that waits in the store"),
        "like": pgettext("parameter of an action", "rights of"),
        "store": pgettext("parameter of an action", "place in the store"),
        "end_sessions": pgettext("parameter of an action", "end sessions"),
        "begun_before": pgettext("parameter of an action", "sessions that began before"),
        "sessions": pgettext("field of an observation", "sessions"),
        "session_places": pgettext("field of an observation", "sessions by client"),
        "last_activity": pgettext("field of an observation", "last activity"),
        "valid_until": pgettext("field of an observation", "valid until"),
        "owned_objects": pgettext("field of an observation", "owned objects"),
        "prepared_transactions": pgettext("field of an observation", "prepared transactions"),
        "member_of": pgettext("field of an observation", "member of"),
        "can_become": pgettext("field of an observation", "can become"),
        "members": pgettext("field of an observation", "members"),
        "member_sessions": pgettext("field of an observation", "sessions of members"),
        "definer_functions": pgettext("field of an observation", "functions with its rights"),
        "servers": pgettext("field of an observation", "servers"),
        "standbys_unseen": pgettext("field of an observation", "standbys not looked at"),
        "subscribers": pgettext("field of an observation", "logical subscribers"),
        "pooler": pgettext("field of an observation", "pooler"),
        "membership": pgettext("field of an observation", "is a member"),
        "membership_options": pgettext("field of an observation", "options of the membership"),
        "membership_enrolled": pgettext("field of an observation", "membership is enrolled"),
        "other_grantors": pgettext("field of an observation", "granted by others, too"),
        "role_oid": pgettext("field of an observation", "oid of the role"),
        "granted_oid": pgettext("field of an observation", "oid of the granted role"),
        "older_sessions": pgettext("field of an observation", "sessions from before"),
        "still_through": pgettext("field of an observation", "has it through other roles"),
        "passed_on": pgettext("field of an observation", "granted on to"),
        "kept_by": pgettext("field of an observation", "kept in place by"),
        "administers": pgettext("field of an observation", "administers the cluster"),
        "uncut": pgettext("field of an observation", "why the login is not cut to the step"),
    },
)
