"""Named groups of kind rules, so that a ladder need not repeat what nearly every ladder says.

``uses = ["talk", "steps"]`` adds a group; an entry under ``[kinds]`` overrides the group's. A group's ``who`` may hold
a word that the ladder fills in: whoever its steps name as their takers, consenters, seconders or blockers, whoever may
extend one of its clocks, whoever may appoint a mediator by default, or every role it declares.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from mediation.rules import DEFAULT_APPOINTMENT, KindRule, LadderFile

TAKERS = "takers of steps"
CONSENTERS = "consenters"
SECONDERS = "seconders"
BLOCKERS = "blockers"
EXTENDERS = "extenders"
HOLDERS = "role holders"
APPOINTERS = "appointers"

_BOTH = ("party", "mediator")


def _rules(who: Iterable[str], *kinds: str, two_person: bool = False) -> dict[str, KindRule]:
    return {kind: KindRule(tuple(who), two_person=two_person) for kind in kinds}


GROUPS: dict[str, dict[str, KindRule]] = {
    "talk": {
        **_rules(("party",), "incident-notice", "update"),
        **_rules(_BOTH, "statement", "acknowledgement", "holding-reply"),
        **_rules(_BOTH, "authenticity-query", "authenticity-answer", "goodwill-note", "session-open"),
        **_rules(("party",), "public-safety-notice"),
        **_rules(("party",), "public-attribution", two_person=True),
        **_rules(_BOTH, "rekey"),
        **_rules(("party", "mediator", "nominee", "verifier", HOLDERS), "receipt"),
    },
    "steps": {
        **_rules((TAKERS,), "step-request"),
        **_rules((CONSENTERS,), "step-accept"),
        **_rules((TAKERS, CONSENTERS), "step-decline"),
        **_rules((SECONDERS,), "second"),
        **_rules((BLOCKERS,), "block"),
        **_rules(("party", "mediator", EXTENDERS), "extension"),
    },
    "questions": _rules(("party",), "clarification-request", "clarification-answer"),
    "mediation": {
        **_rules(("party",), "nomination", "nomination-reveal"),
        **_rules((APPOINTERS,), "default-appointment"),
        **_rules(("nominee",), "mediator-acceptance"),
        **_rules(("nominee", "mediator"), "declaration"),
        **_rules(("party",), "objection", "objection-answer", "waiver"),
        **_rules(("party",), "admission", two_person=True),
        **_rules(("party", "nominee", "mediator"), "withdrawal"),
        **_rules(("party",), "handover"),
        **_rules(("mediator",), "proposal"),
        **_rules(("party",), "proposal-accept", two_person=True),
        **_rules(("party",), "proposal-refuse"),
    },
    "verification": {
        **_rules(("party",), "breach-report", "carve-out-notice"),
        **_rules(("verifier",), "finding"),
    },
    "closing": _rules(_BOTH, "close", two_person=True),
    "rejoin": _rules(_BOTH, "rejoin"),
}
"""The groups by name. Every rung, unless a rung forbids the kind."""


EVERYWHERE: dict[str, KindRule] = _rules(("party",), "disclosure-notice", "disclosure-consent")
"""What every ladder has without naming it: showing words of the thread to outsiders is agreed in the accord, not there."""


def kinds_of(file: LadderFile) -> dict[str, KindRule]:
    """All kinds of a ladder with their rules: those that every ladder has, those of its groups, then its own. Groups it
    names and that do not exist are left out here; the file's check complains about them."""
    fill = _fillings(file)
    found: dict[str, KindRule] = dict(EVERYWHERE)
    for group in file.uses:
        for kind, rule in GROUPS.get(group, {}).items():
            who = tuple(dict.fromkeys(role for word in rule.who for role in fill.get(word, (word,))))
            if who:
                found[kind] = replace(rule, who=who)
    return {**found, **file.kinds}


def _fillings(file: LadderFile) -> dict[str, tuple[str, ...]]:
    steps = [step for step in file.step if step.trigger == "step-request"]
    declared = tuple(role.id for role in file.role)
    takers = tuple(role for step in steps for role in step.who)
    # An early exit and a step of consent `other` are accepted by a party.
    consenters = tuple(
        "party" if step.consent == "other" or step.early_exit else step.consent
        for step in steps
        if step.consent != "none" or step.early_exit
    )
    return {
        TAKERS: takers,
        CONSENTERS: consenters,
        SECONDERS: tuple(step.seconded_by.role for step in steps if step.seconded_by is not None),
        BLOCKERS: tuple(step.blocked_by.role for step in steps if step.blocked_by is not None),
        EXTENDERS: tuple(clock.extend for clock in file.clock if clock.extend in declared),
        HOLDERS: declared,
        APPOINTERS: _appointers(file),
    }


def _appointers(file: LadderFile) -> tuple[str, ...]:
    """Who may ever appoint by default: the body the ladder names, else the parties; and whom an option is given."""
    body = file.mediation.appointed_by if file.mediation is not None else ""
    given = [found for clock in file.clock for found in (clock.timeout, clock.when_met)]
    given += [step.when_taken for step in file.step]
    to = [found.to for found in given if found is not None and found.option == DEFAULT_APPOINTMENT]
    return (body or "party", *("party" if name in ("requester", "respondent", "either") else name for name in to))
