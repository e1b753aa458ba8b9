"""The endpoints: read the body, call one service, build the answer."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from hashlib import sha256
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.utils.cache import get_conditional_response
from rest_framework.request import Request
from rest_framework.views import APIView

from audit.tlog.canonical import Json, encode
from remediation.api import answers, at_once, documented, idempotency, parsers
from remediation.api.catalogue import catalogue
from remediation.domain import report as reports
from remediation.domain import strict
from remediation.domain.fields import Fields
from remediation.domain.states import ProposalState
from remediation.reading.here import Rules
from remediation.services.actors import AgentActor
from remediation.services.outbox import dispatch
from remediation.services.reporting import prepare, submit, supersede, withdraw
from remediation.services.reporting.idempotency import Answer, once, replay

# The work of a request, in its transaction; its argument is the number of the trial.
Work = Callable[[int], Answer]
TRIALS = 3


class AgentView(APIView):
    """The base of all endpoints; the settings name authentication, throttling and error handler."""

    http_method_names = ["get", "head", "post"]
    metadata_class = None

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        super().initial(request, *args, **kwargs)
        # The framework passes its user on to middleware, where users are people; an agent must
        # not appear there.
        request._request.user = AnonymousUser()


class ReportsView(AgentView):
    @documented.report
    def post(self, request: Request) -> HttpResponse:
        agent = _agent(request)
        with at_once.place(agent.agent_id):
            return _once(request, partial(_read_report, agent), settings.REPORT_MAX_BYTES)


class ProposalView(AgentView):
    @documented.proposal
    def get(self, request: Request, proposal_id: UUID) -> HttpResponseBase:
        found = answers.own(_agent(request), proposal_id)
        response = _conditional(request._request, answers.proposal(found))
        if found.state in answers.RETRY_AFTER:
            response.headers["Retry-After"] = str(answers.RETRY_AFTER[found.state])
        return response


class WithdrawView(AgentView):
    @documented.withdraw
    def post(self, request: Request, proposal_id: UUID) -> HttpResponse:
        return _once(request, _later(_withdraw, _agent(request), proposal_id))


class SupersedeView(AgentView):
    @documented.supersede
    def post(self, request: Request, proposal_id: UUID) -> HttpResponse:
        return _once(request, _later(_supersede, _agent(request), proposal_id))


class ActionsView(AgentView):
    @documented.actions
    def get(self, request: Request) -> HttpResponseBase:
        shown = catalogue(allow_test=settings.ALLOW_TEST_ACTIONS)
        return _conditional(request._request, shown)


class NothingHereView(APIView):
    """Answer every other path below /api/v1/ with 404 as a problem, for every caller."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()
    schema = None

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        raise Http404


# ---- the work: in one transaction with its idempotency record ----------------------------------


def _read_report(agent: AgentActor, raw: bytes) -> Work:
    """Parse, search and mask before the transaction; the work only looks up and stores."""
    if len(raw) > prepare.SMALL:
        rules = Rules(settings.PROTECTED_CLUSTERS, settings.ALLOW_TEST_ACTIONS)
        apart = prepare.prepare_apart(raw, agent.agent_id, rules)
        return partial(_submit, agent, apart.masked.report, apart)
    report = reports.parse(
        raw, protected=settings.PROTECTED_CLUSTERS, allow_test=settings.ALLOW_TEST_ACTIONS
    )
    prepared = prepare.prepare(report, agent.agent_id)
    return partial(_submit, agent, report, prepared)


def _submit(
    agent: AgentActor, report: reports.Report, ready: prepare.Prepared, trial: int
) -> Answer:
    made = submit.report(report, actor=agent, prepared=ready, last=trial == TRIALS)
    for each in made.alternatives:
        _wake_after_commit(each)
    if made.proposal_id is None:
        return Answer(201, answers.submitted(made, report))
    _wake_after_commit(made.proposal_id)
    return Answer(201, answers.submitted(made, report), answers.url(made.proposal_id))


def _withdraw(agent: AgentActor, proposal_id: UUID, raw: bytes) -> Answer:
    value = Fields(_small(raw), required=("reason",))
    reason = value.text("reason", 200, least=1)
    withdraw.withdraw(actor=agent, proposal_id=proposal_id, reason=reason)
    return Answer(200, {"proposal": str(proposal_id), "state": ProposalState.WITHDRAWN.value})


def _supersede(agent: AgentActor, proposal_id: UUID, raw: bytes) -> Answer:
    value = Fields(_small(raw), required=("proposal", "reason"))
    plan, rationale = reports.parse_proposal(
        value.value("proposal"),
        value.at("proposal"),
        protected=settings.PROTECTED_CLUSTERS,
        allow_test=settings.ALLOW_TEST_ACTIONS,
    )
    new_id = supersede.supersede(
        actor=agent,
        proposal_id=proposal_id,
        plan=plan,
        rationale=rationale,
        reason=value.text("reason", 200, least=1),
    )
    _wake_after_commit(new_id)
    made: dict[str, Json] = {
        "proposal": str(new_id),
        "supersedes": str(proposal_id),
        "plan_digest": plan.digest,
        "urls": answers.urls(new_id),
    }
    return Answer(201, made, answers.url(new_id))


def _later(
    work: Callable[[AgentActor, UUID, bytes], Answer], agent: AgentActor, proposal_id: UUID
) -> Callable[[bytes], Work]:
    """Return a reader for work that needs nothing before its transaction."""
    return lambda raw: lambda _: work(agent, proposal_id, raw)


def _small(raw: bytes) -> Json:
    return strict.parse(raw, max_bytes=parsers.SMALL_BODY)


def _wake_after_commit(proposal_id: UUID) -> None:
    # It is committed: if waking fails, the outbox row stands and the sweeper sends.
    transaction.on_commit(lambda: dispatch.wake("assess", proposal_id), robust=True)


# ---- answers -----------------------------------------------------------------------------------


def _agent(request: Request) -> AgentActor:
    agent = request.user
    assert isinstance(agent, AgentActor)  # ensured by IsAgent
    return agent


def _once(
    request: Request, read: Callable[[bytes], Work], limit: int = parsers.SMALL_BODY
) -> HttpResponse:
    """Read the body and do the work once per Idempotency-Key.

    ``read`` makes what the work needs before its transaction. It is asked again when others came
    between, so that the search is not done under a lock; the last trial does it there.
    """
    actor, key = _agent(request), idempotency.key(request._request)
    raw = parsers.body(request._request, limit)
    mark = idempotency.fingerprint(request._request, raw)
    kept = replay(actor=actor, key=key, fingerprint=mark)
    if kept is not None:
        return _answered(kept, replayed=True)
    for trial in range(1, TRIALS + 1):
        work = partial(read(raw), trial)
        with suppress(submit.Outdated):
            answer, replayed = once(actor=actor, key=key, fingerprint=mark, work=work)
            return _answered(answer, replayed=replayed)
    raise AssertionError("the last trial is never outdated")


def _answered(answer: Answer, *, replayed: bool) -> HttpResponse:
    response = _json(answer.body, answer.status)
    if answer.location:
        response.headers["Location"] = answer.location
    if replayed:
        response.headers["Idempotent-Replay"] = "true"
    return response


def _conditional(request: HttpRequest, value: dict[str, Json]) -> HttpResponseBase:
    """Return the answer with a strong ETag over its bytes, or 304 if the agent has them already."""
    response = _json(value, 200)
    etag = f'"{sha256(response.content).hexdigest()[:32]}"'
    response.headers["ETag"] = etag
    response.headers["Cache-Control"] = "private, no-cache"
    return get_conditional_response(request, etag=etag, response=response) or response


def _json(value: dict[str, Json], status: int) -> HttpResponse:
    # Canonical, so that a stored answer has the same bytes when it is repeated.
    response = HttpResponse(encode(value), status=status, content_type="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response
