"""Define the Celery tasks: one service call each, without ids. Rows decide, not messages."""

from __future__ import annotations

from celery import shared_task

from remediation.services.actors import worker
from remediation.services.assessment import assess as assess_
from remediation.services.assessment import read_live as live_
from remediation.services.execution import execute as execute_
from remediation.services.execution import look as look_
from remediation.services.execution import reconcile as reconcile_
from remediation.services.learning import ask_outcome as outcome_
from remediation.services.outbox import deliver as deliver_
from remediation.services.outbox import dispatch, not_started
from remediation.services.outbox import expire as expire_
from remediation.services.outbox import notify_result as result_
from remediation.services.outbox.take import take
from remediation.services.reporting import end_alternatives as end_alternatives_
from remediation.services.reporting import escalate as escalate_
from remediation.services.review import confirm_dissent


@shared_task(name="remediation.assess")
def assess() -> None:
    """Assess what is to be assessed."""
    take("assess", work=lambda key: assess_.assess(key, actor=worker()))


@shared_task(name="remediation.settle")
def settle() -> None:
    """Confirm dissents."""
    take("settle", work=lambda key: confirm_dissent.confirm(key, actor=worker()))
    end_alternatives_.end_alternatives(actor=worker())


@shared_task(name="remediation.execute")
def execute() -> None:
    """Run approved proposals; first end their alternatives."""
    end_alternatives_.end_alternatives(actor=worker())
    take("execute", work=lambda key: execute_.execute(key, actor=worker()))


@shared_task(name="remediation.sweep")
def sweep() -> None:
    """Send messages for due work again."""
    dispatch.sweep()


@shared_task(name="remediation.reconcile")
def reconcile() -> None:
    """Settle runs that no worker holds any more."""
    reconcile_.reconcile(actor=worker())


@shared_task(name="remediation.reconcile_one")
def reconcile_one() -> None:
    """Do what people signed about stopped, unknown or waiting runs."""
    kinds = ("undo", "settle_run", "answer")
    take(*kinds, work=lambda key: reconcile_.reconcile_one(key, actor=worker()))


@shared_task(name="remediation.expire")
def expire() -> None:
    """Expire proposals past their deadline, warn of near ones, end alternatives of the decided."""
    expire_.expire(actor=worker())
    end_alternatives_.end_alternatives(actor=worker())


@shared_task(name="remediation.notify")
def notify() -> None:
    """Tell people what does not start, and again what runs left to them; deliver what is due."""
    not_started.tell_late(actor=worker())
    result_.remind(actor=worker())
    escalate_.escalate(actor=worker())
    deliver_.wake_all(actor=worker())


@shared_task(name="remediation.tell")
def tell() -> None:
    """Find the channels that have something to send."""
    deliver_.wake_all(actor=worker())


@shared_task(name="remediation.deliver")
def deliver(channel: str) -> None:
    """Send what is due by one channel."""
    deliver_.deliver(str(channel), actor=worker())


@shared_task(name="remediation.ask_outcome")
def ask_outcome() -> None:
    """Ask people how it turned out."""
    outcome_.ask_due(actor=worker())


@shared_task(name="remediation.look")
def look() -> None:
    """Look whether contained incidents are still contained."""
    look_.look(actor=worker())


@shared_task(name="remediation.read_live")
def read_live() -> None:
    """Read identities that people look at now."""
    live_.answer_due(actor=worker())
