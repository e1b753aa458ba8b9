"""OpenBao: what holds access besides secret ids and leases of databases, as one list."""

from __future__ import annotations

from remediation.domain.catalogue import (
    openbao_entity,
    openbao_lease_prefix,
    openbao_lock,
    openbao_token,
)

TARGETS = (
    openbao_entity.ENTITY,
    openbao_token.TOKEN,
    openbao_lease_prefix.LEASE_PREFIX,
    openbao_lock.USER,
)
ACTIONS = (
    openbao_entity.DISABLE,
    openbao_entity.ENABLE,
    openbao_token.REVOKE_TOKEN,
    openbao_lease_prefix.REVOKE_PREFIX,
    openbao_lock.DISABLE_USER,
    openbao_lock.ENABLE_USER,
    openbao_lock.DISABLE_APPROLE,
    openbao_lock.ENABLE_APPROLE,
)
WORDS = {
    **openbao_entity.WORDS,
    **openbao_token.WORDS,
    **openbao_lease_prefix.WORDS,
    **openbao_lock.WORDS,
}
