"""Answer requests to read identities now, and compare leaked secrets with the one in force.

With the observer's login, from a queue and a process of its own: a target that hangs delays neither
execution nor a look. Targets are read side by side, so it delays no other target either.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from hashlib import sha256

from django.db import Error as DatabaseError
from django.db import connection, transaction

from audit import log
from audit.tlog.canonical import Json
from remediation.domain import containment, instant
from remediation.domain.errors import Refused, TargetUnobservable
from remediation.domain.events import Event
from remediation.domain.live import Reading, step_for
from remediation.domain.plan import Step
from remediation.domain.secrets import compared as comparison
from remediation.domain.slots import LEAD
from remediation.domain.telling import Kind
from remediation.executors.base import Compared
from remediation.executors.run import executor_of, run_live, run_secret_in_force
from remediation.executors.targets import Targets
from remediation.models import Identity, Incident, LiveObservation, LiveRequest, SecretCheck
from remediation.services import host_files
from remediation.services.actors import Actor
from remediation.services.assessment import leaked
from remediation.services.assessment.leaked import Leaked
from remediation.services.clock import database_now
from remediation.services.outbox import audience, pause, serve, tell

logger = logging.getLogger(__name__)

# What one run of the task takes, and how many targets it reads side by side.
MOST, SIDE_BY_SIDE = 40, 8
# After this the rest is recorded as unanswered; an executor's own limits are shorter.
SECONDS = 25.0
# Another process leaves a request alone for so long; longer than one reading takes.
CLAIMED_S = 30
NO_ACTION = "The portal cannot read this kind of identity."

DUE = """
SELECT r.id, r.locator FROM public.remediation_liverequest r
 WHERE r.recorded_at > clock_timestamp() - interval '10 minutes'
   AND NOT EXISTS (SELECT 1 FROM public.remediation_liveobservation o WHERE o.request_id = r.id)
 ORDER BY r.id LIMIT 200
"""


@dataclass(frozen=True)
class _Work:
    """One request, and all that its thread needs: threads use no database connection."""

    request: LiveRequest
    at: str
    step: Step | None
    known: bool
    leaked: Leaked


@dataclass(frozen=True)
class _Answer:
    """What was read for a request, and which secrets are in force if any were compared."""

    reading: Reading
    compared: Compared | None = field(default=None, repr=False)


def answer_due(*, actor: Actor) -> int:
    """Answer the requests that nobody answered; return how many answers were recorded."""
    work = [_prepared(one) for one in _claimed()]
    if not work:
        return 0
    try:
        targets: Targets | None = host_files.targets()
        why = ""
    except TargetUnobservable as error:
        targets, why = None, error.detail or error.message
    pool = ThreadPoolExecutor(min(SIDE_BY_SIDE, len(work)), thread_name_prefix="read_live")
    begun = {pool.submit(_read, one, targets, why): one for one in work}
    recorded = 0
    try:
        # Each answer is recorded when it comes: a target that hangs holds up no other.
        for done in as_completed(begun, timeout=SECONDS):
            recorded += _answered(begun.pop(done), done.result(), actor)
    except TimeoutError:
        logger.warning("%s targets did not answer within %s s", len(begun), SECONDS)
    pool.shutdown(wait=False, cancel_futures=True)
    late = f"no answer within {SECONDS:.0f} s"
    return recorded + sum(
        _answered(one, _Answer(Reading(one.at, None, why=late, known=one.known)), actor)
        for one in begun.values()
    )


def _claimed() -> list[LiveRequest]:
    with connection.cursor() as cursor:
        cursor.execute(DUE)
        rows = cursor.fetchall()
    own = serve.own_identities({locator for _, locator in rows})
    due = [pk for pk, locator in rows if locator in own]
    mine = [pk for pk in due if pause.first(f"live:{pk}", CLAIMED_S)][:MOST]
    return list(LiveRequest.objects.filter(pk__in=mine).select_related("incident").order_by("pk"))


def _prepared(request: LiveRequest) -> _Work:
    known = Identity.objects.filter(locator=request.locator).exists()
    step = step_for(request.locator)
    found = leaked.find(request.incident) if known and step is not None else Leaked()
    return _Work(request, instant.dump(database_now()), step, known, found)


def _read(work: _Work, targets: Targets | None, why: str) -> _Answer:
    if not work.known or work.step is None or targets is None:
        said = why if work.step else NO_ACTION
        return _Answer(Reading(work.at, None, why=said, known=work.known))
    reading = _reading(work, work.step, targets)
    if not work.leaked.candidates:
        return _Answer(reading)
    return _Answer(reading, _compare(work.step, targets, work.leaked))


def _reading(work: _Work, step: Step, targets: Targets) -> Reading:
    try:
        seen = run_live(step, targets)
        points = executor_of(step).points(step, seen)
        return Reading(work.at, seen, containment.places([point.to_json() for point in points]))
    except Refused as error:
        return Reading(work.at, None, why=error.detail or error.message)
    except Exception as error:
        # An executor of another package may fail here; that is no proof of anything.
        logger.error("%s cannot be read: %s", work.request.locator, type(error).__name__)
        return Reading(work.at, None, why=type(error).__name__)


def _compare(step: Step, targets: Targets, found: Leaked) -> Compared:
    try:
        return run_secret_in_force(step, targets, found.candidates)
    except Refused as error:
        return Compared((None,) * len(found.candidates), why=error.detail or error.message)


def _answered(work: _Work, answer: _Answer, actor: Actor) -> bool:
    """Record the answer; a crash before the commit leaves the request to the next turn."""
    try:
        with transaction.atomic():
            if LiveObservation.objects.filter(request=work.request).exists():
                return False
            _record(work.request, answer.reading, actor)
            if answer.compared is not None:
                _record_secrets(work, answer.compared, actor)
    except DatabaseError as error:
        logger.error("request %s was not answered: %s", work.request.pk, error)
        return False
    return True


def _record(request: LiveRequest, reading: Reading, actor: Actor) -> None:
    body = reading.body()
    entry = log.append(
        action=Event.WORKER_LIVE_OBSERVED,
        actor=actor.ref,
        object=f"incident:{request.incident_id}",
        data={
            "identity": request.locator,
            "found": reading.found,
            "at": reading.at,
            "why": reading.why[:500],
            "sha256": sha256(body).hexdigest(),
        },
    )
    LiveObservation.objects.create(
        request=request, found=reading.found, body=body, actor=actor.ref, entry=entry.id
    )


def _record_secrets(work: _Work, compared: Compared, actor: Actor) -> None:
    body = comparison.body(
        work.leaked.spots,
        compared.answers,
        at=work.at,
        place=compared.place,
        why=compared.why,
        left_out=work.leaked.left_out,
    )
    in_force = comparison.verdict(compared.answers, compared.why)
    said: dict[str, Json] = {
        "identity": work.request.locator,
        "in_force": in_force,
        "at": work.at,
        "place": compared.place,
        "why": compared.why[:500],
        "secrets": [list(one) for one in _in_force(work.leaked, compared.answers)],
        "compared": sum(answer is not None for answer in compared.answers),
        "sha256": sha256(body).hexdigest(),
    }
    entry = log.append(
        action=Event.WORKER_SECRET_COMPARED,
        actor=actor.ref,
        object=f"incident:{work.request.incident_id}",
        data=said,
    )
    SecretCheck.objects.create(
        request=work.request, in_force=in_force, body=body, actor=actor.ref, entry=entry.id
    )
    if in_force == "yes":
        _tell(work.request)


def _tell(request: LiveRequest) -> None:
    """Have the reviewers and leads told once for each incident and identity."""
    incident = Incident.objects.get(pk=request.incident_id)
    identity = sha256(request.locator.encode()).hexdigest()[:16]
    tell.tell(
        Kind.SECRET_IN_FORCE,
        people={*audience.reviewers(incident), *audience.holders(LEAD)},
        once=f"in_force:{incident.pk}:{identity}",
        incident=incident,
    )


def _in_force(found: Leaked, answers: Sequence[bool | None]) -> Iterable[tuple[str, int, int, str]]:
    """Yield artefact, place and rule of each secret that is in force."""
    for spots, answer in zip(found.spots, answers, strict=True):
        if answer:
            yield from ((one.sha256, one.offset, one.length, one.rule) for one in spots[:20])
