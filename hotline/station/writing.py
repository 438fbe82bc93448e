"""From what an officer wants to say to an intent that can wait in the outbox, and what the ladder says to it now."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any

import msgspec

from hotline.station.core import Core
from hotline.station.model import Thread
from hotline.station.outbox import Intent
from hotline.station.outcomes import no, talk_only
from hotline.station.views import Outcome, UnknownThread
from mediation.fold import step
from mediation.ladder import Ladder
from mediation.move import Move
from mediation.refusals import Refusal
from mediation.state import ThreadState
from protocols.disclosure import body_to_bytes, make_body
from protocols.encoding import Malformed, digest
from protocols.entry import Precedence, Tlp, draft_content, sign_draft
from protocols.keys import Signer
from protocols.kinds import Kind, act_to_dict, check_fields, kind_of, parse_act


class Writing:
    """Makes intents for one station."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._kept: dict[str, tuple[ThreadState, list[Intent], ThreadState]] = {}
        """By thread: the state it had, what waited then, and the state after that."""

    def find(self, thread: str) -> Thread:
        """The thread of that id. Raises `UnknownThread`."""
        found = self._core.threads.get(thread)
        if found is None:
            raise UnknownThread(thread[:22])
        return found

    def signer(self, officer: str) -> Signer | Outcome:
        """The officer's open key, or why there is none."""
        signer = self._core.officers.get(officer)
        if signer is None:
            return no("officer.locked", "Your key is locked on this station. Unlock it with your passphrase first.")
        return signer

    def require(self, officer: str, role: str) -> None:
        """Raises `ProtocolError` unless the officer's mandate gives them ``role`` now."""
        core = self._core
        core.identity.mandates.require(officer, role=role, office=core.identity.office, at=core.now())

    def named(self, thread: Thread, kind: Kind, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """``fields`` with the name we opened the thread under as subject, until the others have a subject from us.

        An opening has no body: without this the name would never leave our station.
        """
        if not thread.title or not fields or "subject" not in kind.fields or fields.get("subject"):
            return fields
        core = self._core
        # The first of them has it: nothing after that is looked at.
        said = (held.fields for held in thread.held if held.payload.office == core.identity.office)
        waiting = (core.fields(item.intent) for item in core.pending(thread.id))
        if any(each is not None and each.get("subject") for each in chain(said, waiting)):
            return fields
        return {**fields, "subject": thread.title}

    def intent(
        self,
        thread: Thread,
        kind: Kind,
        act: Mapping[str, Any],
        fields: Mapping[str, Any],
        precedence: str,
        tlp: str,
        read_to: int | None,
        force: bool,
    ) -> Intent:
        """An intent with its body fixed. Raises `ProtocolError`."""
        typed = parse_act(kind, dict(act))
        check_fields(kind, fields)
        disclosures: tuple[str, ...] = ()
        sd: tuple[str, ...] = ()
        if fields:
            body, sd = make_body(fields, self._core.rng)
            body_to_bytes(body)
            disclosures = body.disclosures
        newest = thread.held[-1].seq if thread.held else 0
        return Intent(
            kind.name,
            act_to_dict(typed),
            self._core.now(),
            precedence=checked(precedence, Precedence),
            tlp=checked(tlp, Tlp),
            disclosures=disclosures,
            sd=sd,
            # What the writer had before them is fixed when they write, however long the line is down afterwards.
            read_to=newest if read_to is None else min(read_to, newest),
            force=force,
        )

    def signed_draft(self, thread: Thread, intent: Intent, drafter: Signer) -> str:
        """The drafter's signature over what the entry will say."""
        core = self._core
        return sign_draft(draft_content(core.sealer.draft_payload(thread, intent)), drafter)

    def refusal_now(self, thread: Thread, intent: Intent, *, two_person: bool) -> Refusal | None:
        """The ladder's answer as of now, after everything that waits in the outbox before it."""
        if (apart := talk_only(thread, intent.kind)) is not None:
            return apart
        if thread.state is None or thread.ladder is None or thread.parted is not None:
            return None
        state = self._expected(thread, thread.state, thread.ladder, intent)
        verdict = step(
            thread.ladder, state, self._move(thread, state, intent, two_person), max(self._core.now(), state.at)
        )
        return verdict if isinstance(verdict, Refusal) else None

    def _expected(self, thread: Thread, base: ThreadState, ladder: Ladder, intent: Intent) -> ThreadState:
        """The state after everything that waits but ``intent``. What was folded for the last question is not folded again as
        long as the thread stands where it stood and what waits has only grown."""
        core = self._core
        items = [
            item
            for item in core.pending(thread.id)
            if item.state in ("queued", "sending")
            and item.intent is not intent
            and item.intent.kind not in ("open", "rekey")
        ]
        kept = self._kept.get(thread.id)
        state, begin = base, 0
        if kept is not None and kept[0] is base and kept[1] == [item.intent for item in items[: len(kept[1])]]:
            state, begin = kept[2], len(kept[1])
        for item in items[begin:]:
            move = self._move(thread, state, item.intent, item.intent.draft is not None)
            outcome = step(ladder, state, move, max(core.now(), state.at))
            if not isinstance(outcome, Refusal):
                state = outcome.state
        self._kept[thread.id] = base, [item.intent for item in items], state
        return state

    def _move(self, thread: Thread, state: Any, intent: Intent, two_person: bool) -> Move:
        identity = self._core.identity
        seat = state.seats.get(identity.kid)
        people = tuple(kid for kid in (intent.officer, intent.drafter) if kid is not None)
        return Move(
            id=digest(str(intent.created).encode()),
            seq=state.seq + 1,
            kind=intent.kind,
            office=identity.office,
            station=identity.kid,
            serial=1 if seat is None else seat.serial + 1,
            prev_seq=min(intent.read_to if intent.read_to is not None else state.seq, state.seq),
            act=parse_act(kind_of(intent.kind), intent.act),
            officers=people,
            two_person=two_person,
            precedence=intent.precedence,
            epoch=state.epoch if intent.sd and thread.mls is not None else None,
        )


def checked(value: str, allowed: Any) -> str:
    """``value`` as one of ``allowed``. Raises `Malformed`."""
    try:
        return str(msgspec.convert(value, allowed))
    except msgspec.ValidationError as error:
        raise Malformed(f"not a precedence or marking: {value[:20]!r}") from error
