"""Readable acts in words, and other sentences the desk shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hotline.clock import span_words
from mediation.ladder import Ladder
from mediation.state import Clock
from mediation.words import ran_out

EntryName = Callable[[str], str]


def act_words(kind: str, act: Mapping[str, Any], ladder: Ladder | None, name: EntryName) -> str:
    """One line about what an entry does. ``name`` gives an entry's words from its id, as in "entry 7"."""
    make = _WORDS.get(kind)
    if make is None:
        about = act.get("entry")
        return f"about {name(about)}" if isinstance(about, str) else ""
    return make(act, ladder, name)


def step_title(ladder: Ladder | None, step: str) -> str:
    """A step's title, or its id where this station has no ladder for it."""
    found = None if ladder is None else ladder.steps.get(step)
    return step if found is None else found.title


def clock_title(ladder: Ladder | None, clock: Clock) -> str:
    """A clock's title."""
    found = None if ladder is None else ladder.clocks.get(clock.rule)
    return clock.rule if found is None else found.title


def late_words(late: int) -> str:
    """How long after its time (ms) a clock that ran out was noted; "" below a second, which is how notes always come."""
    if late < 1_000:
        return ""
    return f"the hub noted it {span_words(late)} after its time"


def _rung(ladder: Ladder | None, rung: str) -> str:
    found = None if ladder is None else ladder.rungs.get(rung)
    return rung if found is None else found.title


def _clock_by_id(ladder: Ladder | None, clock: str) -> str:
    rule = None if ladder is None else ladder.clocks.get(clock.split("/", 1)[0])
    return clock if rule is None else rule.title


def _members(members: Any) -> str:
    return ", ".join(sorted({str(member["office"]) for member in members}))


def _receipt(act: Mapping[str, Any], ladder: Ladder | None, name: EntryName) -> str:
    also = act.get("also", ())
    if not also:
        return f"about {name(act['entry'])}"
    if len(also) > 2:
        return f"about {name(act['entry'])} and {len(also)} more"
    return f"about {', '.join(name(each) for each in (act['entry'], *also[:-1]))} and {name(also[-1])}"


def _open(act: Mapping[str, Any], ladder: Ladder | None, name: EntryName) -> str:
    return f"thread opened between {' and '.join(act['parties'])}"


def _rekey(act: Mapping[str, Any], ladder: Ladder | None, name: EntryName) -> str:
    words = [f"keys renewed (epoch {act['epoch']})"]
    if act.get("adds"):
        words.append(f"{_members(act['adds'])} let in")
    if act.get("removes"):
        words.append(f"{_members(act['removes'])} left out")
    return ", ".join(words)


def _rejoin(act: Mapping[str, Any], ladder: Ladder | None, name: EntryName) -> str:
    return f"a station came back into the keys by itself, after losing its own (epoch {act['epoch']}); check by phone"


def _followed(act: Mapping[str, Any], ladder: Ladder | None, name: EntryName) -> str:
    return f"the keys of epoch {act['epoch']} have arrived"


def _cannot_follow(act: Mapping[str, Any], ladder: Ladder | None, name: EntryName) -> str:
    return f"cannot follow the keys made with {name(act['entry'])} ({act['code']}); the keys before them are in force again"


def _resealed(act: Mapping[str, Any], ladder: Ladder | None, name: EntryName) -> str:
    return f"{', '.join(name(entry) for entry in act['entries'][:10])} sealed again"


def _expired(act: Mapping[str, Any], ladder: Ladder | None, name: EntryName) -> str:
    rule = None if ladder is None else ladder.clocks.get(act["clock"].split("/", 1)[0])
    if ladder is None or rule is None:
        return f"the time for “{act['clock']}” ran out"
    return ran_out(ladder, rule, act["end"])


def _supersede(act: Mapping[str, Any], ladder: Ladder | None, name: EntryName) -> str:
    return f"replaces {name(act['supersedes'])}" if act.get("supersedes") else ""


def _ask(act: Mapping[str, Any], ladder: Ladder | None, name: EntryName) -> str:
    words = f"{act['questions']} numbered question{'s' if act['questions'] != 1 else ''}"
    return words + (", asks to preserve evidence" if act.get("preservation") else "")


def _answer(act: Mapping[str, Any], ladder: Ladder | None, name: EntryName) -> str:
    states = ", ".join(f"{number} {state}" for number, state in enumerate(act["answers"], 1))
    return f"answers to {name(act['entry'])}: {states}"


def _verdict(act: Mapping[str, Any], ladder: Ladder | None, name: EntryName) -> str:
    said = {"ours": "OURS", "not-ours": "NOT OURS", "unknown": "cannot say yet"}[str(act["verdict"])]
    return f"to {name(act['entry'])}: {said}"


def _step(words: str) -> Callable[[Mapping[str, Any], Ladder | None, EntryName], str]:
    def make(act: Mapping[str, Any], ladder: Ladder | None, name: EntryName) -> str:
        return f"{words} “{step_title(ladder, act['step'])}”"

    return make


def _extension(act: Mapping[str, Any], ladder: Ladder | None, name: EntryName) -> str:
    return f"more time for “{_clock_by_id(ladder, act['clock'])}”"


def _breach(act: Mapping[str, Any], ladder: Ladder | None, name: EntryName) -> str:
    return f"asks {act['verifier']} to look at it" if act.get("verifier") else ""


def _finding(act: Mapping[str, Any], ladder: Ladder | None, name: EntryName) -> str:
    said = {
        "breach": "a breach",
        "accidental": "accidental, not a breach",
        "not-a-breach": "not a breach",
        "undetermined": "undetermined",
    }
    return f"on {name(act['entry'])}: {said[str(act['finding'])]}"


def _carve_out(act: Mapping[str, Any], ladder: Ladder | None, name: EntryName) -> str:
    return f"ground: {str(act['ground']).replace('-', ' ')}"


def _nomination(act: Mapping[str, Any], ladder: Ladder | None, name: EntryName) -> str:
    return "a sealed list of mediators"


def _reveal(act: Mapping[str, Any], ladder: Ladder | None, name: EntryName) -> str:
    return f"the sealed list was: {', '.join(act['nominees'])}"


def _appointment(act: Mapping[str, Any], ladder: Ladder | None, name: EntryName) -> str:
    return (
        f"appoints {act['mediator']}" if act.get("mediator") else "appoints the first of the roster without objection"
    )


def _objection(act: Mapping[str, Any], ladder: Ladder | None, name: EntryName) -> str:
    if act.get("co_mediator"):
        return f"accepts {act['mediator']} only beside {act['co_mediator']}"
    return f"objects to {act['mediator']}"


def _objection_answer(act: Mapping[str, Any], ladder: Ladder | None, name: EntryName) -> str:
    return f"{'agrees' if act['agree'] else 'does not agree'} to {name(act['objection'])}"


def _waiver(act: Mapping[str, Any], ladder: Ladder | None, name: EntryName) -> str:
    return f"no further objection to {', '.join(act['mediators'])}"


def _admission(act: Mapping[str, Any], ladder: Ladder | None, name: EntryName) -> str:
    scope = act.get("scope", {})
    shown = []
    if scope.get("from_rung"):
        shown.append(f"everything since “{_rung(ladder, scope['from_rung'])}”")
    if scope.get("entries"):
        shown.append(f"{len(scope['entries'])} named entries")
    return f"admits {', '.join(act['mediators'])}; shows them {' and '.join(shown) or 'nothing from before'}"


def _withdrawal(act: Mapping[str, Any], ladder: Ladder | None, name: EntryName) -> str:
    return f"without {act['mediator']} from now on"


def _handover(act: Mapping[str, Any], ladder: Ladder | None, name: EntryName) -> str:
    return f"{len(act['entries'])} earlier entries opened to the mediators"


def _proposal(act: Mapping[str, Any], ladder: Ladder | None, name: EntryName) -> str:
    return f"version {act['version']} of the text ({', '.join(act.get('languages', ('en',)))})"


def _proposal_answer(words: str) -> Callable[[Mapping[str, Any], Ladder | None, EntryName], str]:
    def make(act: Mapping[str, Any], ladder: Ladder | None, name: EntryName) -> str:
        return f"{words} version {act['version']}"

    return make


def _complaint(act: Mapping[str, Any], ladder: Ladder | None, name: EntryName) -> str:
    return f"the text of {name(act['entry'])} was not what its author signed ({act['code']}), and was not taken"


def _disclosure_notice(act: Mapping[str, Any], ladder: Ladder | None, name: EntryName) -> str:
    whom = {
        "court": "a court",
        "arbitrator": "an arbitrator",
        "investigator": "an investigator",
        "legislature": "a legislature",
        "public": "the public",
        "other": "somebody outside",
    }[str(act["recipient"])]
    shown = "; ".join(f"of entry {each['seq']}: {', '.join(each['fields'])}" for each in act["portions"])
    return f"{'has shown' if act.get('made') else 'means to show'} to {whom} {shown}"


def _disclosure_consent(act: Mapping[str, Any], ladder: Ladder | None, name: EntryName) -> str:
    return f"{'consents' if act['agree'] else 'does not consent'} to what {name(act['notice'])} names"


_WORDS: dict[str, Callable[[Mapping[str, Any], Ladder | None, EntryName], str]] = {
    "open": _open,
    "rekey": _rekey,
    "rejoin": _rejoin,
    "followed": _followed,
    "cannot-follow": _cannot_follow,
    "resealed": _resealed,
    "receipt": _receipt,
    "complaint": _complaint,
    "clock-expired": _expired,
    "update": _supersede,
    "clarification-request": _ask,
    "clarification-answer": _answer,
    "authenticity-answer": _verdict,
    "step-request": _step("asks for the step"),
    "step-accept": _step("accepts the step"),
    "step-decline": _step("declines the step"),
    "second": _step("seconds the request for"),
    "block": _step("blocks the request for"),
    "extension": _extension,
    "breach-report": _breach,
    "finding": _finding,
    "carve-out-notice": _carve_out,
    "nomination": _nomination,
    "nomination-reveal": _reveal,
    "default-appointment": _appointment,
    "objection": _objection,
    "objection-answer": _objection_answer,
    "waiver": _waiver,
    "admission": _admission,
    "withdrawal": _withdrawal,
    "handover": _handover,
    "proposal": _proposal,
    "proposal-accept": _proposal_answer("accepts"),
    "proposal-refuse": _proposal_answer("refuses"),
    "disclosure-notice": _disclosure_notice,
    "disclosure-consent": _disclosure_consent,
}
