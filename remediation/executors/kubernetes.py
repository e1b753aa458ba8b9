"""Workloads, role bindings, service accounts and their tokens, of Kubernetes."""

from __future__ import annotations

from remediation.domain.catalogue.kubernetes import PROVIDER
from remediation.executors.driver import Driver
from remediation.executors.kubernetes_account import RemoveAccount, RestoreAccount
from remediation.executors.kubernetes_binding import (
    AddSubject,
    RemoveBinding,
    RemoveSubject,
    RestoreBinding,
)
from remediation.executors.kubernetes_isolate import Isolate, Release
from remediation.executors.kubernetes_rollout import RedoRollout, UndoRollout
from remediation.executors.kubernetes_scale import ScaleBack, ScaleToZero
from remediation.executors.kubernetes_server import read
from remediation.executors.kubernetes_token import DeleteToken
from remediation.executors.libraries import KUBERNETES

DRIVER = Driver(
    PROVIDER.name,
    (
        Isolate,
        Release,
        ScaleToZero,
        ScaleBack,
        UndoRollout,
        RedoRollout,
        RemoveBinding,
        RestoreBinding,
        RemoveSubject,
        AddSubject,
        RemoveAccount,
        RestoreAccount,
        DeleteToken,
    ),
    read,
    needs=(KUBERNETES,),
)
