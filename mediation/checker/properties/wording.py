"""Neutral wording: what a screen says when a clock has run out never says that somebody is to blame.

A clock that ran out is a fact about time; who is responsible is for people to say, with reasons (WTO practice: a
deadline passed gives a right to go on, not a finding). The word list is small on purpose and in English; a ladder in
another language is for its reviewers.
"""

from __future__ import annotations

import re

from mediation.checker.found import Found

BLAMING = (
    "accus", "aggress", "at fault", "bad faith", "blame", "breach", "cheat", "culprit", "defied", "defiance", "failed",
    "failure", "guilt", "ignored", "illegal", "liable", "lied", "non-complian", "offend", "perpetrat", "punish",
    "refused", "refusal", "sanction", "stall", "unlawful", "violat", "wilful", "wrongdo",
)  # fmt: skip
"""Beginnings of words that assert guilt, intent or a penalty."""

_BLAMING = re.compile(rf"(?<![a-z])(?:{'|'.join(BLAMING)})[a-z]*", re.IGNORECASE)


def neutral(found: Found) -> None:
    """``wording``: the sentence shown at a clock's end blames somebody. A title that does is remarked on."""
    for clock in found.file.clock:
        blaming = _BLAMING.search(clock.wording)
        if blaming is not None:
            sentence = (
                f"The wording of {clock.title!r} says {blaming[0]!r}: a clock's end says what ran out, not whose fault."
            )
            found.add("wording", found.at("clock", clock.id, "wording"), sentence)
        in_title = _BLAMING.search(clock.title)
        if in_title is not None and not clock.wording:
            sentence = f"The title {clock.title!r} says {in_title[0]!r} and is shown when the clock runs out."
            found.remark("wording", found.at("clock", clock.id, "title"), sentence)
