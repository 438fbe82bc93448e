"""Acts for a rehearsal from a few words: ``answered later``, ``MD HD``, ``4h``.

Without words an act is what most people would send: all questions answered, the roster's first offices nominated, an
hour more. Words that fit no such act raise `Unfit` with a sentence that says what would.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol, cast, get_args

import msgspec
from msgspec.structs import replace

from mediation.draft import Draft
from mediation.durations import DAY, HOUR, MINUTE, SECOND, WEEK
from mediation.ladder import Ladder
from mediation.nominations import eligible
from mediation.offers import NOTHING
from mediation.rules import Ground
from mediation.state import ThreadState
from protocols.kinds import (
    KINDS,
    About,
    Act,
    Admission,
    Answer,
    AnswerState,
    Appointment,
    Ask,
    Breach,
    CarveOut,
    DisclosureConsent,
    DisclosureNotice,
    Extension,
    Finding,
    Nominate,
    Objection,
    ObjectionAnswer,
    Portion,
    Received,
    Scope,
    Verdict,
    Waiver,
    Withdrawal,
)
from protocols.nomination import nomination_digest

NOMINEES = 3
_UNITS = {"w": WEEK, "d": DAY, "h": HOUR, "m": MINUTE, "min": MINUTE, "s": SECOND}


class Unfit(ValueError):
    """Words that mean nothing here; the text is a sentence that says what would."""


class Written(msgspec.Struct, frozen=True):
    """An entry of the rehearsal, as much of it as later entries refer to."""

    id: str
    seq: int
    kind: str
    office: str


class Sealed(msgspec.Struct, frozen=True):
    """A sealed list that only its own office's station knows. ``entry`` is known once it was sent."""

    nominees: tuple[str, ...]
    salt: str
    entry: str = ""


class Chosen(Protocol):
    """The part of a choice that an act is made from."""

    @property
    def office(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def act(self) -> Act: ...


def milliseconds(text: str) -> int:
    """Milliseconds of ``90m``, ``2h``, ``1d12h`` or ``1w``. Raises `Unfit`."""
    parts = re.findall(r"(\d{1,6})(w|d|h|min|m|s)", text.lower(), re.ASCII)
    if not parts or "".join(number + unit for number, unit in parts) != text.lower():
        raise Unfit(f"{text!r} is no length of time. Write 30m, 2h, 1d12h or 1w.")
    return sum(int(number) * _UNITS[unit] for number, unit in parts)


def fill(
    ladder: Ladder, state: ThreadState, written: tuple[Written, ...], choice: Chosen, words: tuple[str, ...], salt: str
) -> tuple[Act, Sealed | None]:
    """The act of ``choice`` filled with ``words``; for a nomination also the list to be opened later. Raises `Unfit`."""
    act = choice.act
    if isinstance(act, Nominate):
        nominees = words or eligible(Draft(ladder, state, state.at))[:NOMINEES]
        sealed = Sealed(nominees, salt)
        return Nominate(nomination_digest(state.thread, choice.office, nominees, salt)), sealed
    if isinstance(act, About) and not words:
        return replace(act, entry=_latest(written, choice.office)), None
    if not words:
        return (_answered(act) if isinstance(act, Answer) else act), None
    filler = _FILLERS.get(type(act))
    if filler is None:
        raise Unfit(f"{KINDS[choice.kind].title!r} takes no more words.")
    try:
        return filler(act, words, ladder, state, written), None
    except msgspec.ValidationError as error:
        raise Unfit(f"{' '.join(words)!r} does not fit: {error}.") from None


def _latest(written: tuple[Written, ...], office: str) -> str:
    """The newest entry that somebody else's people wrote."""
    found = (each.id for each in reversed(written) if each.office != office and KINDS[each.kind].content)
    return next(found, NOTHING)


def _answered(act: Answer) -> Act:
    return replace(act, answers=("answered",) * len(act.answers))


def _one_of(words: tuple[str, ...], known: tuple[str, ...]) -> str:
    if len(words) != 1 or words[0] not in known:
        raise Unfit(f"Say one of: {', '.join(known)}.")
    return words[0]


def _answer(act: Answer, words: tuple[str, ...], *_: object) -> Act:
    states = words * len(act.answers) if len(words) == 1 else words
    if len(states) != len(act.answers) or not set(states) <= set(get_args(AnswerState)):
        raise Unfit(f"Say {len(act.answers)} times (or once for all): {', '.join(get_args(AnswerState))}.")
    return replace(act, answers=cast(tuple[AnswerState, ...], states))


def _ask(act: Ask, words: tuple[str, ...], *_: object) -> Act:
    if len(words) != 1 or not words[0].isascii() or not words[0].isdigit() or not 1 <= int(words[0]) <= 50:
        raise Unfit("Say how many questions: a number from 1 to 50.")
    return replace(act, questions=int(words[0]))


def _extension(act: Extension, words: tuple[str, ...], _: Ladder, state: ThreadState, *__: object) -> Act:
    clock = state.clock(act.clock)
    if clock is None or len(words) != 1:
        raise Unfit("Say by how much: 30m, 2h, 1d12h or 1w.")
    return replace(act, until=clock.end + milliseconds(words[0]))


def _about(act: About, words: tuple[str, ...], _: Ladder, __: ThreadState, written: tuple[Written, ...]) -> Act:
    found = next((each.id for each in written if words == (f"#{each.seq}",)), None)
    if found is None:
        raise Unfit("Say which entry by its number: #4.")
    return replace(act, entry=found)


def _admission(act: Admission, words: tuple[str, ...], ladder: Ladder, *_: object) -> Act:
    return replace(act, scope=Scope(from_rung=_one_of(words, tuple(ladder.rungs))))


def _objection(act: Objection, words: tuple[str, ...], *_: object) -> Act:
    if len(words) == 1:
        return _checked(Objection(words[0]))
    if len(words) == 3 and words[1] == "beside":
        return _checked(Objection(words[0], words[2]))
    raise Unfit("Say to whom you object, and, if you take it with another, beside whom: MD, or MD beside HD.")


def _yes_or_no(act: ObjectionAnswer | DisclosureConsent, words: tuple[str, ...], *_: object) -> Act:
    agree = _one_of(words, ("yes", "no")) == "yes"
    return replace(act, agree=agree)


def _portions(act: DisclosureNotice, words: tuple[str, ...], *_: object) -> Act:
    found: dict[int, list[str]] = {}
    for word in words:
        number, cut, field = word.removeprefix("#").partition(":")
        if not (cut and number.isascii() and number.isdigit()):
            raise Unfit("Say which fields of which entries: 2:text 4:answers.")
        found.setdefault(int(number), []).append(field)
    portions = tuple(Portion(number, tuple(fields)) for number, fields in sorted(found.items()))
    return _checked(replace(act, portions=portions))


def _office(act: Withdrawal | Breach, words: tuple[str, ...], *_: object) -> Act:
    if len(words) != 1:
        raise Unfit("Name one office.")
    return _checked(Breach(words[0]) if isinstance(act, Breach) else Withdrawal(words[0]))


def _appointment(act: Appointment, words: tuple[str, ...], *_: object) -> Act:
    if len(words) != 1:
        raise Unfit("Name one office of the roster.")
    return _checked(Appointment(words[0]))


def _waiver(act: Waiver, words: tuple[str, ...], *_: object) -> Act:
    return _checked(Waiver(words))


def _finding(act: Finding, words: tuple[str, ...], *_: object) -> Act:
    found = _one_of(words, ("breach", "accidental", "not-a-breach", "undetermined"))
    return _checked(Finding(act.entry, found))  # type: ignore[arg-type]  # one of the known


def _verdict(act: Verdict, words: tuple[str, ...], *_: object) -> Act:
    return _checked(Verdict(act.entry, _one_of(words, ("ours", "not-ours", "unknown"))))  # type: ignore[arg-type]


def _ground(act: CarveOut, words: tuple[str, ...], *_: object) -> Act:
    return _checked(CarveOut(_one_of(words, get_args(Ground))))  # type: ignore[arg-type]  # one of the known


def _checked(act: Act) -> Act:
    """The act as it would be read from the line: a name that is no office's is found out here."""
    return msgspec.convert(msgspec.to_builtins(act), type(act))


_Filler = Callable[..., Act]
_FILLERS: dict[type[Act], _Filler] = {
    Answer: _answer,
    Ask: _ask,
    Extension: _extension,
    About: _about,
    Received: _about,
    Admission: _admission,
    Objection: _objection,
    ObjectionAnswer: _yes_or_no,
    DisclosureNotice: _portions,
    DisclosureConsent: _yes_or_no,
    Appointment: _appointment,
    Withdrawal: _office,
    Breach: _office,
    Waiver: _waiver,
    Finding: _finding,
    Verdict: _verdict,
    CarveOut: _ground,
}
