"""Choose what each run of the campaign meets: a seeded, repeatable choice. Pure.

The choice of run `number` depends on the seed and the number alone, so that one run can be played
again without the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

CLUSTER = "ledger"  # the target's name
STEPS = 3
# Who is killed. `here` is the process that waits at the place: a child of the pool, or the sweeper
# when it settles. `master` leaves the children of its pool alive, `worker` takes all.
VICTIMS = (
    "here",
    "portal",
    "target",
    "master",
    "here",
    "sweeper",
    "broker",
    "worker",
    "sequencer",
    "here",
)
# Where: the call waits for a lock on the target (`during`), or the process waits in a trap.
PLACES = (
    "after:intended",
    "during",
    "after:apply",
    "before:applied",
    "after:applied",
    "after:verify",
    "before:verified",
    "after:verified",
    "before:apply",
    "before:intended",
)
# While what a person signed is carried out. A rollback applies and verifies the inverse action.
UNDO_PLACES = (
    "before:undo_intended",
    "after:undo_intended",
    "before:rollback",
    "before:apply",
    "before:verify",
    "after:rollback",
    "before:undone",
    "after:undone",
)
# Around a wait behind the first step: it begins, a person answers, the second step begins.
WAIT_PLACES = ("after:wait", "before:intended", "before:wait", "after:intended")
TIGHTEN_PLACES = ("before:tighten", "after:tighten")
# A second kill, while the run is being settled.
SETTLING = ("before:applied", "before:verified", "before:failed", "before:end", "after:verified")
# Where a process may sleep past the end of its lease. Not before a call: what a machine pause
# there can still do stands in SECURITY.md.
SLEEPS = ("after:apply", "before:applied", "before:verified")
# Nobody is killed: the process in the trap sleeps until the run has ended without it.
SLEEP = "sleep"
LONGEST_DELAY_S = 5.0


@dataclass(frozen=True)
class Kill:
    """One kill: whom, and where. ``place`` "" means: ``delay`` seconds after the approval."""

    victim: str
    place: str
    step: int = 0
    delay: float = 0.0


@dataclass(frozen=True)
class Scenario:
    """One run of a plan of three steps."""

    number: int
    kills: tuple[Kill, ...]
    # "": nothing; `undo`, `keep`: a person halts; `after`: a person has a stopped run undone;
    # `locked`: a lock on the target outlasts the kill; `stuck`: a session that cannot be ended for
    # a while; `open`: one that never ends; `wait`: it waits behind the first step for a person.
    twist: str = ""
    step: int = 0  # the step of the twist

    @property
    def count(self) -> int:
        """Return how many kills it makes."""
        return sum(kill.victim != SLEEP for kill in self.kills)

    def __str__(self) -> str:
        kills = ", then ".join(
            f"{k.victim} at {k.place} of step {k.step}" if k.place else f"{k.victim} at {k.delay} s"
            for k in self.kills
        )
        return f"run {self.number}: {kills}" + (f"; {self.twist} {self.step}" if self.twist else "")


@dataclass(frozen=True)
class Abilities:
    """What the product can do; a campaign leaves out what it cannot."""

    keep: bool = False  # a halt says keep or undo
    tightens: bool = False
    waits: bool = False


def scenario(seed: int, number: int, able: Abilities) -> Scenario:
    """Return run ``number`` of a campaign."""
    dice = Random(f"{seed}/{number}")
    victim = VICTIMS[(number + number // 8) % len(VICTIMS)]
    match number % 8:
        case 4 if number % 16 == 12:
            place = dice.choice(SLEEPS)
            return Scenario(number, (Kill(SLEEP, place, dice.randrange(0, STEPS)),))
        case 3:
            return Scenario(number, (Kill(victim, "", delay=_delay(dice)),))
        case 1 | 5:
            return _halted(dice, number, victim, able)
        case 7 if able.waits:
            return _waiting(number, victim)
        case 6:
            return _stuck(dice, number, victim, able)
        case _:
            return _aimed(dice, number, victim)


def campaign(seed: int, kills: int, able: Abilities) -> list[Scenario]:
    """Return as many runs as make at least ``kills`` kills."""
    found: list[Scenario] = []
    while sum(one.count for one in found) < kills:
        found.append(scenario(seed, len(found), able))
    return found


def _aimed(dice: Random, number: int, victim: str) -> Scenario:
    place = PLACES[(number + number // len(PLACES)) % len(PLACES)]
    # The first step's `intended` is recorded with the approval's move: nothing waits before it.
    step = dice.randrange(1 if place == "before:intended" else 0, STEPS)
    kills = [Kill(victim, place, step)]
    if dice.random() < 0.25:
        kills.append(Kill(dice.choice(("here", "portal", "target")), dice.choice(SETTLING), step))
    twist = "locked" if place == "during" and dice.random() < 0.5 else ""
    return Scenario(number, tuple(kills), twist, step)


def _halted(dice: Random, number: int, victim: str, able: Abilities) -> Scenario:
    """A person halts between two steps; the kill comes then, or while the halt is carried out."""
    step = dice.randrange(0, STEPS - 1)
    place = UNDO_PLACES[number // 8 % len(UNDO_PLACES)]
    if able.keep and dice.random() < 0.3:
        return Scenario(number, (Kill(victim, "after:verified", step),), "keep", step)
    if able.keep and dice.random() < 0.4:
        # The call of the next step is lost, so the run stops; then it is undone.
        lost = Kill("here", "before:apply", step + 1)
        return Scenario(number, (lost, Kill(victim, place, dice.randrange(0, step + 1))), "after")
    return Scenario(number, (Kill(victim, place, dice.randrange(0, step + 1)),), "undo", step)


def _waiting(number: int, victim: str) -> Scenario:
    """The run waits for a person behind its first step, and the kill comes around that."""
    place = WAIT_PLACES[number // 8 % len(WAIT_PLACES)]
    step = 0 if place.endswith(":wait") else 1
    return Scenario(number, (Kill(victim, place, step),), "wait", 0)


def _stuck(dice: Random, number: int, victim: str, able: Abilities) -> Scenario:
    """A session cannot be ended: the kill comes while the step is being confirmed."""
    step = dice.randrange(0, STEPS)
    if able.tightens and dice.random() < 0.6:
        kill = Kill(victim, TIGHTEN_PLACES[number // 8 % len(TIGHTEN_PLACES)], step)
    else:
        kill = Kill(victim, "during_sessions", step)
    twist = "open" if able.tightens and dice.random() < 0.25 else "stuck"
    return Scenario(number, (kill,), twist, step)


def _delay(dice: Random) -> float:
    return round(dice.uniform(0, LONGEST_DELAY_S), 2)
