"""``hotline ladder rehearse``: a ladder played through in the terminal, line by line, with a clock that you move.

Plain lines only: it reads as well from a screen reader or a pipe as from a screen. What is typed is a small language of
its own, the same in a script: `--record` writes what was typed, `--play` types it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from textwrap import wrap

from hotline.cli.rehearse_words import happened, where_we_stand
from hotline.cli.saying import printable
from mediation import rehearsal
from mediation.ladder import Ladder
from mediation.refusals import SAFE, Refusal
from mediation.rehearsal import Choice, Session, Unfit, entitled
from mediation.rehearsal_acts import milliseconds
from mediation.rehearsal_cast import PARTIES
from mediation.words import consent, span
from protocols.encoding import Malformed, b64u, digest, from_rfc3339, rfc3339, unb64u
from protocols.kinds import KINDS

START = 1_931_051_520_000
"""When a rehearsal begins unless the script says otherwise: 2031-03-12T03:12:00Z, ms UTC."""

HELP = """\
NUMBER [WORDS]   do what stands at that number; the words fill it in (see below)
do NAME [WORDS]  the same by its name, as scripts write it: do step-request L3-experts
w TIME           wait: w 30m, w 2h, w 1d12h
n                wait until the next clock runs out
as OFFICE        act for another office: as KV
many N NAME      the first N offices to whom it is open do it: many 12 second
down OFFICE      cut an office's line: it signs for nothing; up OFFICE mends it
u                undo the last thing
s                show again where things stand
c                show everything that is closed, and why
l                list the entries so far
q                end
Words: answers take answered, refused or later, one a question or one for all; a nomination takes offices, best first;
a longer clock takes by how much (2h); an objection takes MD, or MD beside HD; an acknowledgement takes an entry (#4);
an admission takes the level from which on the mediators may read; questions take their number.
A line that begins with ! must be refused, one that begins with # is skipped."""

_VERBS = {
    "step-request": "Step",
    "step-accept": "Accept",
    "step-decline": "Decline or withdraw",
    "second": "Second",
    "block": "Block",
}

_COMMON = {
    "ladder.wrong-rung": "Not from this level",
    "ladder.already-there": "Already there",
    "ladder.standstill": "Forbidden by the standstill",
    "ladder.standstill-running": "Not beside a running standstill",
    "ladder.suspended": "Not while another forum is seized",
    "ladder.no-standing": "This office has no part in the thread now",
    "ladder.not-member": "This office is not in the group",
    "ladder.not-yours": "Not this office's to do",
    "ladder.no-mediation": "No mediation is open",
    "ladder.closed": "The thread is closed",
}
"""Reasons that many things are closed for at once."""


class Misplayed(Exception):
    """A script went another way than it was recorded; the text says where."""


@dataclass
class Terminal:
    """One rehearsal: ``write`` takes each line of output. ``seed`` (32 bytes) makes the salts, one a turn."""

    ladder: Ladder
    seed: bytes
    write: Callable[[str], None]
    start: int = START
    recorded: list[str] = field(default_factory=list)
    before: list[tuple[Session, str]] = field(default_factory=list)
    actor: str = PARTIES[0]
    turns: int = 0
    session: Session = field(init=False)

    def begin(self) -> Refusal | None:
        """Opens the thread and shows it; a ladder that opens no thread any more says why."""
        begun = rehearsal.begin(self.ladder, self.start)
        if isinstance(begun, Refusal):
            return begun
        self.session, happenings = begun
        self.say(f"{self.ladder.title}: a rehearsal. Everybody in it is invented; nothing leaves this terminal.")
        self.say("Type a number, or ? for help.")
        for happening in happenings:
            self._lines(happened(self.session, happening))
        self.show()
        return None

    def run(self, lines: Iterable[str], *, strict: bool) -> None:
        """Types ``lines``. ``strict``, for scripts: each line is shown first, and one that is not understood, or goes
        another way than marked, ends it with `Misplayed`; otherwise it is said and the rehearsal goes on."""
        for number, line in enumerate(lines, 1):
            words = tuple(line.split())
            if strict and words:
                self._lines([f"{self.actor}> {line.strip()}"])
            if not words or words[0].startswith("#"):
                continue
            if words == ("q",):
                return
            must_refuse = words[0] == "!"
            said = self.type(words[1:] if must_refuse else words)
            if said is None and must_refuse:
                raise Misplayed(f"line {number}: this was to be refused and was not: {line.strip()}")
            if said is not None:
                self.say(said.text)
            if strict and said is not None and not (must_refuse and said.refused):
                raise Misplayed(f"line {number}: {line.strip()}")

    def type(self, words: tuple[str, ...]) -> Said | None:
        """Does one line. What it answers is said by the caller: a refusal, or that it was not understood."""
        if not words:
            return None
        try:
            return self._command(words)
        except Unfit as error:
            return Said(str(error), refused=False)

    def _command(self, words: tuple[str, ...]) -> Said | None:
        match words:
            case ("?" | "help",):
                self._lines(HELP.splitlines())
            case ("s",):
                self.show()
            case ("c",):
                self._lines(closed(self._choices(), self.session))
            case ("l",):
                self._lines(f"  #{each.seq} {each.office} {each.kind}" for each in self.session.written)
            case ("u",):
                self._undo()
            case ("as", office):
                if office not in rehearsal.actors(self.session):
                    raise Unfit(f"Nobody here is called {office!r}. There are {_list(self.session)}.")
                self._keep(f"as {office}")
                self.actor = office
                self.show()
            case ("down" | "up" as way, office):
                if office not in self.session.state.parties:
                    raise Unfit(f"Only a party's line can be cut here: {' or '.join(self.session.state.parties)}.")
                self._keep(f"{way} {office}")
                self._after(rehearsal.set_line(self.session, office, up=way == "up"))
            case ("w", length):
                self._keep(f"w {length}", rehearsal.wait(self.session, self.session.now + milliseconds(length)))
            case ("n",):
                moment = rehearsal.next_moment(self.session)
                if moment is None:
                    raise Unfit("No clock is running.")
                self._keep("n", rehearsal.wait(self.session, moment))
            case ("do", *name) if name:
                return self._do(*rehearsal.find(self._choices(), tuple(name)))
            case ("many", count, *name) if name and count.isascii() and count.isdigit():
                return self._many(int(count), tuple(name))
            case (number, *rest) if number.isascii() and number.isdigit():
                able = opened(self._choices())
                if not 1 <= int(number) <= len(able):
                    raise Unfit(f"There is no number {number} here.")
                return self._do(able[int(number) - 1], tuple(rest))
            case _:
                raise Unfit("Not understood. ? lists what can be typed.")
        return None

    def _do(self, choice: Choice, words: tuple[str, ...]) -> Said | None:
        written = " ".join(("do", choice.name, *words))
        self.turns += 1
        done = rehearsal.do(self.session, choice, words, b64u(_salt(self.seed, self.turns)))
        if isinstance(done, Refusal):
            self.recorded.append(f"! {written}")
            return Said(f"Refused. {refused(done, self.session.now)}", refused=True)
        self._keep(written, done)
        return None

    def _many(self, count: int, name: tuple[str, ...]) -> Said | None:
        """The first ``count`` offices to whom it is open do the same, one after the other."""
        able = []
        for office in rehearsal.actors(self.session):
            found = tuple(each for each in rehearsal.choices(self.session, office) if each.refusal is None)
            if any(" ".join(name).startswith(each.name) or each.kind == name[0] for each in found):
                able.append(office)
        if not 1 <= count <= len(able):
            raise Unfit(f"That is open to {len(able)} offices now: {', '.join(able) or 'none'}.")
        before, session = (self.session, self.actor), self.session
        happenings: list[rehearsal.Happening] = []
        for office in able[:count]:
            choice, words = rehearsal.find(rehearsal.choices(session, office), name)
            self.turns += 1
            done = rehearsal.do(session, choice, words, b64u(_salt(self.seed, self.turns)))
            if isinstance(done, Refusal):
                break  # what was wanted of so many has happened before all had done it
            session, more = done
            happenings += more
        self.before.append(before)
        self.recorded.append(f"many {count} {' '.join(name)}")
        self._after((session, tuple(happenings)))
        return None

    def _keep(self, line: str, done: tuple[Session, tuple[rehearsal.Happening, ...]] | None = None) -> None:
        """Remembers where things stood before ``line`` did something."""
        self.before.append((self.session, self.actor))
        self.recorded.append(line)
        if done is not None:
            self._after(done)

    def _after(self, done: tuple[Session, tuple[rehearsal.Happening, ...]]) -> None:
        self.session, happenings = done
        for happening in happenings:
            self._lines(happened(self.session, happening))
        self.show()

    def _undo(self) -> None:
        if not self.before:
            raise Unfit("Nothing has happened yet.")
        self.session, self.actor = self.before.pop()
        self.recorded.append("u")
        self.say("Undone.")
        self.show()

    def _choices(self) -> tuple[Choice, ...]:
        return rehearsal.choices(self.session, self.actor)

    def show(self) -> None:
        """Where things stand, what is open to the one who acts, and which steps are closed."""
        found = self._choices()
        self._lines(where_we_stand(self.session))
        self.say(f"Open to {self.actor}:")
        self._lines(numbered(self.session, opened(found)))
        steps = tuple(choice for choice in found if choice.refusal is not None and choice.kind == "step-request")
        if steps:
            self.say("Steps closed now (c shows all that is closed):")
            self._lines(closed(steps, self.session))
        self.say(f"Open to others: {self._others() or 'nothing'}.")

    def _others(self) -> str:
        """How much is open to each other office; those with the same number stand together."""
        counts: dict[int, list[str]] = {}
        for office in rehearsal.actors(self.session):
            count = sum(choice.refusal is None for choice in rehearsal.choices(self.session, office))
            if office != self.actor and count:
                counts.setdefault(count, []).append(office)
        return "; ".join(f"{', '.join(offices)} {count}" for count, offices in counts.items())

    def say(self, line: str) -> None:
        """One line of output. A ladder's own words never steer the terminal."""
        self.write(printable(line))

    def _lines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.say(line)

    def script(self) -> Iterator[str]:
        """What was typed, as `--play` reads it."""
        yield f"# A rehearsal of {self.ladder.id}. Play it with: hotline ladder rehearse {self.ladder.id} --play FILE"
        yield f"ladder {self.ladder.hash}"
        yield f"start {rfc3339(self.start)}"
        yield f"seed {b64u(self.seed)}"
        yield from self.recorded


@dataclass(frozen=True)
class Said:
    """What a line got for an answer instead of happening. ``refused``: by the ladder, not for want of understanding."""

    text: str
    refused: bool


@dataclass(frozen=True)
class Script:
    """A recorded session: the ladder's hash it was recorded under, when it begins (ms UTC), its seed, its lines."""

    ladder: str
    start: int
    seed: bytes | None
    lines: tuple[str, ...]


def read_script(text: str) -> Script:
    """A script's head and lines. Raises `Misplayed`."""
    ladder, start, seed, lines = "", START, None, []
    for line in text.splitlines():
        words = line.split()
        try:
            if words[:1] == ["ladder"] and len(words) == 2:
                ladder = words[1]
            elif words[:1] == ["start"] and len(words) == 2:
                start = from_rfc3339(words[1])
            elif words[:1] == ["seed"] and len(words) == 2:
                seed = unb64u(words[1])
            else:
                lines.append(line)
                continue
        except Malformed as error:
            raise Misplayed(f"the script's head: {line.strip()} ({error})") from None
        lines.append("")  # keeps the numbers of lines
    return Script(ladder, start, seed, tuple(lines))


def opened(found: tuple[Choice, ...]) -> tuple[Choice, ...]:
    """What is open, steps first: they are what a rehearsal is about."""
    able = [choice for choice in found if choice.refusal is None]
    return tuple(sorted(able, key=lambda choice: choice.step is None))


def numbered(session: Session, choices: tuple[Choice, ...]) -> Iterator[str]:
    """What is open: a line for each step, and all other messages together, each after its number."""
    messages = []
    for number, choice in enumerate(choices, 1):
        if choice.step is not None:
            yield f"  {number} {title(session.ladder, choice)}{_when(session, choice)}"
        else:
            messages.append(f"{number} {title(session.ladder, choice)}")
    yield from wrap(
        "; ".join(messages) or ("nothing" if not choices else ""), 110, initial_indent="  ", subsequent_indent="  "
    )


def _when(session: Session, choice: Choice) -> str:
    """How a step that is asked for comes about."""
    step = session.ladder.steps.get(choice.step or "")
    if step is None or choice.kind != "step-request":
        return ""
    if not entitled(session, choice):
        return "; early: takes effect only if the other party accepts"
    return f"; {consent(session.ladder, step)}"


def title(ladder: Ladder, choice: Choice) -> str:
    """One choice in words."""
    step = ladder.steps.get(choice.step or "")
    if step is not None:
        return f"{_VERBS.get(choice.kind, KINDS[choice.kind].title)}: {step.title}"
    if choice.kind == "extension" and (clock := ladder.clocks.get(choice.subject.split("/")[0])) is not None:
        return f"Lengthen: {clock.title}"
    return KINDS[choice.kind].title + (f" ({choice.name.split()[-1]})" if "#" in choice.name else "")


def closed(found: tuple[Choice, ...], session: Session) -> Iterator[str]:
    """What is closed: the reason, and the time left where a clock is in the way. What is closed for one common reason
    stands together."""
    together: dict[tuple[str, int | None], list[Choice]] = {}
    for choice in found:
        if choice.refusal is None:
            continue
        if choice.refusal.code in _COMMON:
            together.setdefault((choice.refusal.code, choice.refusal.until), []).append(choice)
        else:
            yield f"  {title(session.ladder, choice)}: {refused(choice.refusal, session.now, brief=True)}"
    for (code, until), choices in together.items():
        left = f", {span(until - session.now)} left" if until is not None else ""
        named = "; ".join(title(session.ladder, choice) for choice in choices)
        yield from wrap(f"  {_COMMON[code]}{left}: {named}.", 110, subsequent_indent="    ")


def refused(refusal: Refusal, now: int, *, brief: bool = False) -> str:
    """A refusal in one line: why, by which rule, and how long still. ``brief``: only why and how long."""
    sentence = refusal.sentence.split(f" {SAFE}")[0] if brief else refusal.sentence
    left = f" {span(refusal.until - now)} left." if refusal.until is not None and refusal.until > now else ""
    return f"{sentence}{left}" + ("" if brief else f" ({refusal.rule})")


def _list(session: Session) -> str:
    return ", ".join(rehearsal.actors(session))


def _salt(seed: bytes, turn: int) -> bytes:
    return unb64u(digest(seed + turn.to_bytes(4, "big")))
