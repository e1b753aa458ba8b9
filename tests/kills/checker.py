"""Compare the target's log, the target's state and the portal's record of a campaign. Pure.

Each rule yields what it found, in words; an empty report means that the three agree. A call whose
effect the log could not tell counts as done when the target's state at the end needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from tests.kills.history import DISABLE, ENABLE, TERMINATE, Call, Case, History, Role

# The log writes whole milliseconds; both servers read one machine's clock.
CLOCK_S = 0.002
# From reading the target to the record of a look.
LOOK_S = 10.0
ENDED = ("succeeded", "failed", "stopped", "rolled_back")
# The gate may end a proposal before its first step; nothing was changed then.
NOT_BEGUN = ("refused", "expired")
NEEDS_REASON = ("failed", "stopped", "rolled_back", "unknown")
# A step that failed with one of these has changed its target.
CHANGED = ("partly_applied", "verify_failed")
UNDOES = ("undo", "reversal")


@dataclass(frozen=True)
class Finding:
    """One disagreement."""

    rule: str
    proposal: str
    words: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.proposal}: {self.words}"


@dataclass(frozen=True)
class Step:
    """One step of a case: what the target says of it."""

    index: int
    role: Role
    logged: tuple[Call, ...]
    calls: tuple[Call, ...]  # the same, with their effects decided

    def effects(self, *verbs: str) -> list[Call]:
        return [call for call in self.calls if call.effect and call.verb in verbs]

    @property
    def taken(self) -> bool:
        """Return whether access was taken away here, whatever came later."""
        return bool(self.effects(DISABLE))


Rule = Callable[[Case, list[Step]], Iterator[str]]


def check(history: History) -> list[Finding]:
    """Return every disagreement of every case."""
    return [
        Finding(name, case.proposal, words)
        for case in history.cases
        for name, rule in RULES.items()
        for words in rule(case, steps(history, case))
    ]


def steps(history: History, case: Case) -> list[Step]:
    found = []
    for index, name in enumerate(case.roles):
        role, logged = history.roles[name], history.calls_of(name)
        found.append(Step(index, role, tuple(logged), decided(logged, role)))
    return found


def decided(calls: list[Call], role: Role) -> tuple[Call, ...]:
    """Decide the calls whose effect the log could not tell, by the state at the end.

    Every role begins with its login. Where the calls that are certain already explain the end,
    one that is not certain had no effect.
    """
    changes = [i for i, call in enumerate(calls) if call.verb in (DISABLE, ENABLE)]
    sure = [calls[i] for i in changes if calls[i].effect]
    explained = (sure[-1].verb == ENABLE if sure else True) is role.login
    found = list(calls)
    for i in reversed(changes):
        if found[i].effect is None:
            needed = not explained and (found[i].verb == ENABLE) is role.login
            found[i] = replace(found[i], effect=needed)
            explained = explained or needed
    return tuple(found)


# ---- the rules -----------------------------------------------------------------------------------


def once(case: Case, found: list[Step]) -> Iterator[str]:
    """A step takes effect once: never twice without having been undone in between."""
    for step in found:
        last = ""
        for call in step.logged:
            # A call that may have had effect counts here, too: it must not have been made.
            if call.verb == DISABLE and call.effect is not False:
                if last == DISABLE:
                    yield f"step {step.index}: {step.role.name} was disabled twice"
                last = DISABLE
            elif call.verb == ENABLE and call.effect:
                last = ENABLE


def intended_before(case: Case, found: list[Step]) -> Iterator[str]:
    """Each call, also one without effect, has a record committed before it."""
    needed = {DISABLE: "intended", TERMINATE: "intended", ENABLE: "undo_intended"}
    for step in found:
        phases = case.of(step.index)
        for call in step.calls:
            record = phases.get(needed[call.verb])
            if record is None:
                yield f"step {step.index}: {call.verb} was called without {needed[call.verb]}"
            elif record.at > call.began + CLOCK_S:
                late = (record.at - call.began) * 1000
                yield f"step {step.index}: {record.phase} came {late:.0f} ms after {call.verb}"


def given_back(case: Case, found: list[Step]) -> Iterator[str]:
    """Access comes back only by a verified signature that asks for it, recorded before."""
    for step in found:
        for call in step.effects(ENABLE):
            if not any(
                permit.decision in UNDOES
                and permit.verified is not None
                and permit.verified <= call.began + CLOCK_S
                for permit in case.permits
            ):
                yield f"step {step.index}: {step.role.name} was enabled, and nobody signed for it"
        if step.taken and step.role.login and not step.effects(ENABLE):
            yield f"step {step.index}: {step.role.name} may log in again, and no call says why"


def steps_are_true(case: Case, found: list[Step]) -> Iterator[str]:
    """What the record says of a step is what the target's log says."""
    for step in found:
        phases = case.of(step.index)
        said = "applied" in phases or "verified" in phases or _failed_after_change(case, step)
        if said and not step.taken:
            yield f"step {step.index} is recorded as applied, and the target was never changed"
        denied = "failed" in phases and not said and step.index not in case.late
        if denied and step.taken:
            why = phases["failed"].refusal
            yield f"step {step.index} is recorded as failed ({why}), and the target was changed"
        if "applied" in phases and step.taken:
            called = step.effects(DISABLE)[0].began
            if phases["applied"].at < called - CLOCK_S:
                yield f"step {step.index} was recorded as applied before it was called"
        if "undone" in phases and not step.effects(ENABLE):
            yield f"step {step.index} is recorded as undone, and the target was never set back"


def sessions_are_gone(case: Case, found: list[Step]) -> Iterator[str]:
    """A confirmed step left no login and no session, unless a person had it undone."""
    for step in found:
        phases = case.of(step.index)
        if "verified" in phases and "undo_intended" not in phases:
            if step.role.login:
                yield f"step {step.index} is recorded as verified, and the role may log in"
            if step.role.sessions:
                yield f"step {step.index} is recorded as verified; {step.role.sessions} are open"


def end_is_true(case: Case, found: list[Step]) -> Iterator[str]:
    """The end state says what is so at the target."""
    taken = [step.index for step in found if step.taken]
    kept = [step.index for step in found if step.taken and not step.role.login]
    state = case.state
    if state == "succeeded":
        yield from (
            f"succeeded, and step {step.index} is not verified"
            for step in found
            if "verified" not in case.of(step.index)
        )
        yield from (f"succeeded, and step {s.index} keeps its login" for s in found if s.role.login)
    elif state == "failed" and taken:
        yield f"failed says that nothing was changed, and steps {taken} took effect"
    elif state == "stopped" and not kept:
        yield "stopped says that something stays, and nothing is kept"
    elif state == "rolled_back" and kept:
        yield f"rolled_back, and steps {kept} are still disabled"
    elif state in NOT_BEGUN and any(step.calls for step in found):
        yield f"{state} before its first step, and the target was called"


def contained_is_true(case: Case, found: list[Step]) -> Iterator[str]:
    """An incident counts as contained only while its own identity has no access."""
    role = found[0].role
    if case.incident and case.incident[-1] == "contained" and (role.login or role.sessions):
        yield f"the incident is contained; login {role.login}, sessions {role.sessions}"


def looks_are_true(case: Case, found: list[Step]) -> Iterator[str]:
    """A look found what was so at the target. One that fell beside a change is not judged."""
    step = found[0]
    confirmed = case.of(0).get("verified")
    for look in case.looks:
        if any(look.at - LOOK_S <= change.began <= look.at for change in step.calls):
            continue
        before = [c for c in step.effects(DISABLE, ENABLE) if c.began < look.at]
        off = bool(before) and before[-1].verb == DISABLE
        if look.found == "without" and not off:
            yield "a look found no access, and the role could log in"
        if look.found == "access" and off and confirmed is not None and confirmed.at < look.at:
            yield "a look found access, after the step was confirmed"


def ended(case: Case, found: list[Step]) -> Iterator[str]:
    """Every run ended, without people, with its reason."""
    state = case.state
    if state == "unknown":
        yield "left unknown, though the target can be read"
    elif state not in (*ENDED, *NOT_BEGUN):
        yield f"never ended: {state}"
    if state in NEEDS_REASON and not case.moves[-1].reason:
        yield f"{state} without a reason"


def entered(case: Case, found: list[Step]) -> Iterator[str]:
    """Each phase and each move has its audit entry, and no entry is without its row."""
    phases = sorted((found.step, found.phase) for found in case.phases)
    if phases != sorted(case.entered_phases):
        yield f"steps {phases}, and the log has {sorted(case.entered_phases)}"
    moves = [(move.source, move.target) for move in case.moves]
    if sorted(moves) != sorted(case.entered_moves):
        yield f"moves {moves}, and the log has {list(case.entered_moves)}"


def in_order(case: Case, found: list[Step]) -> Iterator[str]:
    """A step begins only after the one before it was confirmed."""
    for step in found[1:]:
        begun = case.of(step.index).get("intended")
        before = case.of(step.index - 1).get("verified")
        if begun is not None and (before is None or before.at > begun.at):
            yield f"step {step.index} began before step {step.index - 1} was confirmed"


def waited(case: Case, found: list[Step]) -> Iterator[str]:
    """Behind the first step a run waits once, and goes on only by a verified answer."""
    moves = [(move.source, move.target) for move in case.moves]
    begun, on = moves.count(("executing", "waiting")), moves.count(("waiting", "executing"))
    if begun > case.waits or on > begun:
        yield f"it waited {begun} times, and went on {on} times"
    second = case.of(1).get("intended")
    if not case.waits or second is None:
        return
    if not on:
        yield "the second step began, and the run had not waited"
    if not any(
        permit.decision == "go_on" and permit.verified is not None and permit.verified <= second.at
        for permit in case.permits
    ):
        yield "the second step began, and nobody had answered"


def _failed_after_change(case: Case, step: Step) -> bool:
    failed = case.of(step.index).get("failed")
    return failed is not None and failed.refusal in CHANGED


RULES: dict[str, Rule] = {
    "twice": once,
    "without_intended": intended_before,
    "given_back": given_back,
    "contradiction": steps_are_true,
    "open_session": sessions_are_gone,
    "end_state": end_is_true,
    "contained": contained_is_true,
    "looks": looks_are_true,
    "not_ended": ended,
    "audit": entered,
    "order": in_order,
    "waited": waited,
}
