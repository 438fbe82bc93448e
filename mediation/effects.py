"""What became true through an entry or the passage of time, told to the shells: the hub pages and announces, a station
rings, reveals and renews keys. Effects carry facts, never orders: the shell decides how to act on them.
"""

from __future__ import annotations

import msgspec

from mediation.state import Clock
from protocols.kinds import Scope


class Effect(msgspec.Struct, frozen=True, tag=True):
    """Base of all effects; serialised with the class name as ``type``."""


class ClockStarted(Effect, frozen=True):
    """A clock runs from now on."""

    clock: Clock


class ClockMet(Effect, frozen=True):
    """What the clock waited for happened in time; it no longer runs."""

    clock: Clock


class ClockStopped(Effect, frozen=True):
    """The parties agreed to something (a step down, closing) that makes the clock pointless."""

    clock: Clock


class ClockExpired(Effect, frozen=True):
    """The clock ran out. Nobody is blamed and nothing moves by itself."""

    clock: Clock


class ClockExtended(Effect, frozen=True):
    """The clock ends later now; ``clock`` is the new one, ``old_end`` in milliseconds UTC."""

    clock: Clock
    old_end: int


class ExtensionProposed(Effect, frozen=True):
    """An office proposed to lengthen a clock; the others bound by it have not agreed yet."""

    clock: str
    until: int
    office: str


class PageAlternate(Effect, frozen=True):
    """No person of ``office`` took the entry in time: page its alternates."""

    office: str
    entry: str


class OptionOpened(Effect, frozen=True):
    """``office`` may now request ``step`` (or send that kind, for a default appointment)."""

    step: str
    office: str


class StepRequested(Effect, frozen=True):
    """A step waits for the other party's consent."""

    step: str
    office: str
    request: str


class StepDeclined(Effect, frozen=True):
    """A request was declined, or withdrawn by the office that had made it."""

    step: str
    office: str
    request: str


class StepAccepted(Effect, frozen=True):
    """The consent to a request is there; it still waits for seconds or for its clock."""

    step: str
    office: str
    request: str


class Seconded(Effect, frozen=True):
    """``office`` seconded a request: ``have`` of the ``need`` seconds are there."""

    step: str
    office: str
    request: str
    have: int
    need: int


class Blocked(Effect, frozen=True):
    """``office`` blocked a request: ``have`` of the ``need`` that would drop it."""

    step: str
    office: str
    request: str
    have: int
    need: int


class StepBlocked(Effect, frozen=True):
    """So many blocked the request that it fell; its clock no longer runs."""

    step: str
    request: str


class StepLapsed(Effect, frozen=True):
    """A request lost its object: its seconds did not come in time, or the thread moved on. It may be made again."""

    step: str
    office: str
    request: str


class StepTaken(Effect, frozen=True):
    """A step that leaves the rung where it is was taken: a report, a notice, an election of a forum."""

    step: str
    office: str


class WindowOpened(Effect, frozen=True):
    """The window ``clock`` is open until its end."""

    clock: Clock


class Suspended(Effect, frozen=True):
    """Another forum is seized: clocks stand still and no step leads up; a standstill goes on."""

    office: str


class Resumed(Effect, frozen=True):
    """The suspension is over; every clock ends later by as long as it lasted, ``pause`` milliseconds."""

    office: str
    pause: int


class RungChanged(Effect, frozen=True, rename={"old": "from", "new": "to"}):
    """The thread stands on another rung."""

    old: str
    new: str


class StandstillStarted(Effect, frozen=True):
    """A standstill runs until ``end`` (milliseconds UTC). Nobody can shorten it."""

    end: int


class StandstillEnded(Effect, frozen=True):
    """The standstill is over; ``end`` is the moment it ended."""

    end: int


class Crossed(Effect, frozen=True):
    """Two messages crossed: the author of ``entry_seq`` had not seen ``other_seq`` when writing."""

    entry_seq: int
    other_seq: int


class NominationSealed(Effect, frozen=True):
    """``office`` sent its sealed nomination."""

    office: str


class RevealDue(Effect, frozen=True):
    """Both sealed nominations are in: the station of ``office`` opens its own."""

    office: str


class Nominated(Effect, frozen=True):
    """``office`` was chosen, by ``overlap`` of both lists, by ``condition`` of an objection, by ``default`` at a party's
    word, or by a ``body`` that appoints."""

    office: str
    how: str


class NomineeRemoved(Effect, frozen=True):
    """``office`` is no longer a nominee: objected to, withdrawn, or silent."""

    office: str


class Invited(Effect, frozen=True):
    """``office`` is asked to act from outside the group, as ``nominee``, ``verifier`` or holder of a role of the ladder."""

    office: str
    role: str


class AdmissionComplete(Effect, frozen=True):
    """Both parties admitted the same mediators with the same scope. ``rekey_by`` signed second and renews the keys."""

    mediators: tuple[str, ...]
    scope: Scope
    rekey_by: str


class RekeyDue(Effect, frozen=True):
    """The group's keys must be renewed so that its members equal the roster the ladder allows."""

    adds: tuple[str, ...]
    removes: tuple[str, ...]


class Rekeyed(Effect, frozen=True):
    """The group stands in a new epoch."""

    epoch: int


class KeysReturned(Effect, frozen=True):
    """A station could not follow: the group stands in the keys again that it had before the epochs ``first`` to ``last``.

    ``office`` and ``station`` made the renewal that ``by`` (a station of ``by_office``) could not follow, for ``code``.
    """

    first: int
    last: int
    office: str
    station: str
    by_office: str
    by: str
    code: str


class Rejoined(Effect, frozen=True):
    """A member station came back by itself after losing its keys: the others check by another path that it was it."""

    office: str
    station: str


class ProposalMade(Effect, frozen=True):
    """A new version of the single text; earlier acceptances no longer count."""

    proposal: str
    version: int


class Settled(Effect, frozen=True):
    """Both parties accepted the same version of the text."""

    proposal: str
    version: int


class FindingMade(Effect, frozen=True):
    """A verifier's finding about ``report``."""

    report: str
    office: str
    finding: str


class DisclosureAnswered(Effect, frozen=True):
    """``office`` agreed, or did not, to what the other party's notice of disclosure names."""

    office: str
    notice: str
    agree: bool


class CloseSigned(Effect, frozen=True):
    """``office`` signed the closing; with ``recommendation`` it only advises the parties to."""

    office: str
    recommendation: bool


class Closed(Effect, frozen=True):
    """Both parties closed the thread."""
