"""Say what no machine read as records, so that no check passes over it.

A check that compares records sees nothing of an artefact in no known form.
"""

from __future__ import annotations

from audit.tlog.canonical import Json
from remediation.domain.checks.given import CheckInput
from remediation.domain.citations import resolve

_FORM = "of a known form"


def not_read(given: CheckInput) -> str:
    """Return what the check that just ran needed and no machine read; "" if there is nothing."""
    if not (given.budget.cited_records or given.budget.all_records):
        return ""
    whole = {sha256 for sha256 in given.cited if not _holds_records(given, sha256)}
    if whole:
        return _told(len(whole), "cited artefact", f"holds no record {_FORM}", "hold")
    places = _places(given)
    if places:
        return _told(places, "cited place", f"is in no record {_FORM}", "are")
    if not given.budget.all_records:
        return ""
    others = sum(not _holds_records(given, sha256) for sha256 in given.evidence)
    if others:
        return _told(others, "artefact that nothing cites", f"holds no record {_FORM}", "hold")
    beside = sum(records.beside for records in given.records.values())
    return _told(beside, "entry of a list", f"is no record {_FORM}", "are") if beside else ""


def _holds_records(given: CheckInput, sha256: str) -> bool:
    return sha256 in given.records and bool(given.records[sha256].found)


def _places(given: CheckInput) -> int:
    """Return how many cited places are outside every record.

    Where a pointer leads to nothing, `citation_value_not_found` fails.
    """
    cited = {(c.evidence, c.pointer) for claim in given.diagnosis.claims for c in claim.citations}
    outside = (one for one in cited if given.records[one[0]].at(one[1]) is None)
    return sum(_is_there(given.documents[sha256], pointer) for sha256, pointer in outside)


def _is_there(document: Json, pointer: str) -> bool:
    try:
        resolve(document, pointer)
    except LookupError:
        return False
    return True


_MANY = {
    "cited artefact": "cited artefacts",
    "cited place": "cited places",
    "artefact that nothing cites": "artefacts that nothing cites",
    "entry of a list": "entries of lists",
}


def _told(number: int, what: str, why: str, many: str) -> str:
    if number == 1:
        return f"the {what} was not read by a machine: it {why}"
    rest = why.partition(" ")[2]
    return f"{number} {_MANY[what]} were not read by a machine: they {many} {rest}"
