"""Say in plain words what is wrong with a field of a plan."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext

from remediation import vocabulary
from remediation.domain import draft as drafts
from remediation.domain import errors
from remediation.domain.draft import Problem
from remediation.domain.schema_inputs import Input, InputKind

Problems = Mapping[str, Problem]


def target_error(problem: Problem) -> str:
    """Return the sentence for a field of a target."""
    refusal = problem.refusal
    if isinstance(refusal, errors.MissingField):
        return gettext("Fill this in.")
    if isinstance(refusal, errors.ProtectedTarget):
        return gettext(
            "No plan may name this: it belongs to the portal, or it administers the system."
        )
    if "invisible" in refusal.detail:
        return gettext("It contains invisible characters. Choose the target from the list instead.")
    return gettext("This is not a valid value. Look at the example.")


def parameter_error(problem: Problem, given: Input) -> str:
    """Return the sentence for a parameter."""
    if isinstance(problem.refusal, errors.MissingField):
        return gettext("Fill this in.")
    if given.kind is InputKind.WHOLE:
        return _whole(given)
    if given.kind in (InputKind.CHOICE, InputKind.YES_NO):
        return gettext("Choose one of the list.")
    if given.kind is InputKind.JSON:
        return gettext("This is not valid JSON for this field.")
    if given.longest is not None and "longer" in problem.refusal.detail:
        return gettext("At most %(number)s characters.") % {"number": given.longest}
    return gettext("The action does not accept this value.")


def step_error(problem: Problem) -> str:
    """Return the sentence for a whole step."""
    refusal = problem.refusal
    if isinstance(refusal, errors.TwoStepsOneTarget):
        return gettext("Another step works on this target already. Remove one of the two.")
    if isinstance(refusal, errors.ProtectedTarget):
        return target_error(problem)
    if isinstance(refusal, errors.UnknownAction | errors.UnknownTargetKind):
        return gettext("No action of the catalogue fits. Remove the step and add it again.")
    if isinstance(refusal, errors.RotationOrder):
        return rotation_error(problem)
    return vocabulary.message(refusal)


def rotation_error(problem: Problem) -> str:
    """Return the sentence for steps whose order does not fit; the reason is the refusal's."""
    return gettext("The order does not fit: %(why)s.") % {"why": problem.refusal.detail}


def wait_error(problem: Problem) -> str:
    """Return the sentence for a wait."""
    refusal = problem.refusal
    if isinstance(refusal, errors.MissingField):
        return gettext("Choose how long it waits at most.")
    if problem.pointer.endswith("/wait"):
        return gettext("Choose what it waits for.")
    return gettext("This wait does not fit: %(why)s.") % {"why": refusal.detail}


def plan_error(problem: Problem) -> str:
    """Return the sentence for the plan as a whole."""
    if problem.pointer == "/steps" and isinstance(problem.refusal, errors.MissingField):
        return gettext("The plan has no step yet. Add one below.")
    if isinstance(problem.refusal, errors.RotationOrder):
        return rotation_error(problem)
    return vocabulary.message(problem.refusal)


def rationale_error(problem: Problem) -> str:
    """Return the sentence for the rationale."""
    if isinstance(problem.refusal, errors.MissingField):
        return gettext("Say in at least %(number)s characters why this plan fits.") % {
            "number": drafts.MIN_RATIONALE
        }
    if isinstance(problem.refusal, errors.TooLarge):
        return gettext("At most %(number)s characters.") % {"number": drafts.MAX_RATIONALE}
    return gettext("It contains invisible characters. Type it again.")


def _whole(given: Input) -> str:
    if given.least is not None and given.most is not None:
        return gettext("Give a whole number from %(least)s to %(most)s.") % {
            "least": given.least,
            "most": given.most,
        }
    return gettext("Give a whole number.")
