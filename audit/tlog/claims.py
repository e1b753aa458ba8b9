"""Find the entries of a bundle that are mere claims of a login that executes nothing.

The web process can write any entry in the name of people and agents. If it is taken over, one that
names a document which nobody has must not make the whole bundle worthless. So what such an entry
lacks is only remarked on, unless something rests on the entry: what the gate saw when it cleared a
run; the proposals that the worker worked on; the first report of the incident. What these name must
be in the bundle, or its author could leave out what a decision was about.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from audit.tlog.canonical import read
from audit.tlog.incident import Documents, Entry, find
from audit.tlog.rules import Rules


def claimed(entries: Sequence[Entry], documents: Documents, rules: Rules) -> frozenset[int]:
    """Return the indexes of these entries.

    An entry from before writers were recorded is not among them, nor is one of a login that may
    clear a run.
    """
    relied_on = frozenset(_relied_on(entries, documents, rules))
    first = frozenset(_first(entries, rules))
    return frozenset(
        entry.index
        for entry in entries
        if entry.writer
        and not _may_clear(entry, rules)
        # A decision of the worker is never a mere claim, whoever wrote it.
        and _kind(entry.action) != _kind(rules.cleared)
        and entry.index not in first
        and entry.body not in relied_on
    )


def _may_clear(entry: Entry, rules: Rules) -> bool:
    may = rules.writers.get(entry.writer, ())
    return bool({rules.cleared, f"{_kind(rules.cleared)}:*"} & set(may))


def _kind(action: str) -> str:
    return action.partition(":")[0]


def _relied_on(entries: Sequence[Entry], documents: Documents, rules: Rules) -> Iterator[bytes]:
    """Yield the bytes of every entry in the evidence of a cleared run."""
    for entry in entries:
        if entry.action != rules.cleared:
            continue
        digest = str(find(entry.said.get("data"), "evidence"))
        given = find(read(documents.get(("", digest)) or b""), "log.entries")
        for one in given if isinstance(given, list) else ():
            yield str(find(one, "body")).encode(errors="surrogatepass")


def _first(entries: Sequence[Entry], rules: Rules) -> Iterator[int]:
    """Yield the first report, and the first entry that proposed what the worker worked on."""
    worked_on = {entry.object for entry in entries if _may_clear(entry, rules)}
    reported, _ = rules.erasable
    found: set[tuple[bool, str]] = set()
    for entry in entries:
        proposes = entry.action in rules.proposed and _is_proposal(entry)
        if not (proposes and entry.object in worked_on) and entry.action != reported:
            continue
        if (proposes, entry.object) not in found:
            found.add((proposes, entry.object))
            yield entry.index


def _is_proposal(entry: Entry) -> bool:
    """Return whether the object is a proposal of the incident, not the incident itself."""
    return entry.object != f"incident:{find(entry.said.get('data'), 'incident')}"
