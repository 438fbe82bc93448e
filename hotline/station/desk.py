"""The station as its pages use it: what officers do, and what they see.

Everything an officer does goes through here and ends in the outbox or in an `Outcome` that says why not. No rule is
decided here that the ladder decides: it is asked.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec

from hotline import keystore
from hotline.freshness import ladder_warnings
from hotline.station import screens
from hotline.station.core import Core
from hotline.station.model import Thread
from hotline.station.officers import OfficerKeys
from hotline.station.outbox import Intent, Item, Sealer
from hotline.station.parting import CODE, passes
from hotline.station.sender import Sender
from hotline.station.views import (
    AccordView,
    Change,
    ConnectionView,
    OfficerView,
    OfficeView,
    Outcome,
    ThreadSummary,
    ThreadView,
    UnknownThread,
)
from mediation.fold import step
from mediation.move import Move
from mediation.refusals import Refusal
from protocols.disclosure import body_to_bytes, make_body
from protocols.encoding import Malformed, b64u, digest
from protocols.entry import Precedence, Tlp, draft_content, sign_draft
from protocols.errors import ProtocolError
from protocols.keys import Signer
from protocols.kinds import Author, Kind, Reveal, act_to_dict, check_fields, kind_of, parse_act
from protocols.nomination import nomination_digest

LOGIN = "login"
_AT_ONCE = "It was not sent and nothing has changed."


class StationDesk:
    """Implements `hotline.station.views.Desk` over a running station's core and sender."""

    def __init__(self, core: Core, sender: Sender, keys: OfficerKeys) -> None:
        self._core = core
        self._sender = sender
        self._keys = keys
        self._unattended: set[str] = set()

    # -- seeing -------------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        return self._core.identity.settings.name

    @property
    def office(self) -> OfficeView:
        return next(office for office in self.offices() if office.id == self._core.identity.office)

    def now(self) -> int:
        return self._core.now()

    def accord(self) -> AccordView:
        signed = self._core.identity.accord
        accord = signed.accord
        ladders = tuple((each.id, self._core.identity.ladders[each.id].title, each.scale) for each in accord.ladders)
        return AccordView(
            accord.title,
            signed.id,
            accord.status,
            accord.exercise,
            accord.review,
            accord.sunset,
            ladders,
            ladder_warnings(accord, self._core.identity.ladders, self._core.now()),
        )

    def offices(self) -> tuple[OfficeView, ...]:
        return tuple(
            OfficeView(each.id, each.name, each.role, each.zone, each.language, *self._core.office_line(each.id))
            for each in self._core.identity.accord.accord.offices
        )

    def officers(self) -> tuple[OfficerView, ...]:
        found = self._core.identity.mandates.officers(self._core.identity.office, self._core.now())
        return tuple(
            OfficerView(each.kid, each.mandate.name, tuple(each.mandate.roles), each.kid in self._core.officers)
            for each in found
        )

    def connection(self) -> ConnectionView:
        core, line = self._core, self._core.line
        return ConnectionView(
            state=line.state,  # type: ignore[arg-type]  # only ever set to the three words
            since=line.since + line.offset,
            confirmed=None if not line.heard else line.heard + line.offset,
            address=line.address,
            offset=line.offset,
            queued=sum(item.state in ("queued", "sending") for item in core.pending()),
            cosigned=core.cosigned,
            published=0 if core.head is None else core.head[0],
            alarms=tuple(core.alarms.values()),
        )

    def threads(self) -> tuple[ThreadSummary, ...]:
        found = [screens.summary(self._core, thread) for thread in self._core.threads.values()]
        return tuple(sorted(found, key=lambda each: (-each.last_at, each.id)))

    def thread(self, thread: str, *, since: int = 0) -> ThreadView:
        return screens.view(self._core, self._find(thread), since)

    def journal(self, limit: int = 200) -> tuple[tuple[int, str, str], ...]:
        return tuple((note.at, note.what, note.words) for note in self._core.journal[:limit])

    def changes(self) -> AsyncIterator[Change]:
        return self._core.fanout.listen()

    # -- logins -------------------------------------------------------------------------------------------------------

    async def redeem(self, token: str) -> str | None:
        async with self._core.store.change() as change:
            officer = await change.take_token(token_hash(token), LOGIN, self._core.clock.now())
            words = "A login link was used." if officer else "A spent or unknown login link was tried."
            await self._core.note(change, "login", words)
        if officer:
            # Who holds a link is not yet who holds the passphrase.
            self.lock(officer)
        return officer

    def lock(self, officer: str) -> None:
        """Close an officer's key: at logout, and when a new login begins. One opened for unattended use stays open."""
        if officer not in self._unattended and self._core.officers.pop(officer, None) is not None:
            self._core.tell(None, "officers")

    async def unlock(self, officer: str, passphrase: bytes, *, unattended: bool = False) -> bool:
        try:
            signer = await asyncio.to_thread(self._keys.unlock, officer, passphrase)
        except keystore.KeystoreError as error:
            await self._core.record("unlock", f"An officer's key was not unlocked: {error.sentence}")
            return False
        if signer is None:
            return False
        self._core.officers[officer] = signer
        if unattended:
            self._unattended.add(officer)
        await self._core.record("unlock", f"The key of {self._core.officer_name(officer, self.now())} was unlocked.")
        self._sender.wake()
        self._core.tell(None, "officers")
        return True

    # -- doing --------------------------------------------------------------------------------------------------------

    async def open_thread(self, officer: str, counterpart: str, ladder: str, title: str) -> Outcome:
        core = self._core
        signer = self._signer(officer)
        if isinstance(signer, Outcome):
            return signer
        accord = core.identity.accord.accord
        roles = {office.id: office.role for office in accord.offices}
        if roles.get(core.identity.office) != "party" or roles.get(counterpart) != "party":
            return _no("station.not-a-party", f"A thread is opened between two parties of the agreement. {_AT_ONCE}")
        if counterpart == core.identity.office or ladder not in core.identity.ladders:
            return _no("station.no-such-ladder", f"Choose another office and a ladder of the agreement. {_AT_ONCE}")
        try:
            accord.check_in_force(core.now())
        except ProtocolError as error:
            return _no(error.code, error.sentence)
        thread = b64u(core.rng(16))
        extra = {"counterpart": counterpart, "ladder": ladder, "title": title[:200], "officer": officer}
        intent = Intent("open", {}, core.now(), precedence="PRIORITY", extra=extra)
        return await self._enqueue(f"open.{thread}", thread, intent)

    async def send(
        self,
        officer: str,
        thread: str,
        kind: str,
        act: Mapping[str, Any],
        fields: Mapping[str, Any],
        *,
        precedence: str = "ROUTINE",
        tlp: str = "AMBER+STRICT",
        read_to: int | None = None,
        client_id: str | None = None,
    ) -> Outcome:
        core = self._core
        row = f"say.{digest(f'{officer} {client_id}'.encode()) if client_id else b64u(core.rng(32))}"
        if row in core.items:
            return await self._outcome(core.items[row])
        signer = self._signer(officer)
        if isinstance(signer, Outcome):
            return signer
        found = self._find(thread)
        if found.frozen:
            return _no("station.frozen", found.frozen, thread=thread)
        if (apart := _apart(found, kind)) is not None:
            return await self._refuse(thread, kind, apart)
        try:
            known = kind_of(kind)
            if known.author is not Author.OFFICER:
                return _no("entry.out-of-mandate", f"Stations write this by themselves. {_AT_ONCE}", thread=thread)
            named = self._named(found, known, fields)
            intent = self._intent(found, known, act, named, precedence, tlp, read_to, False)
            step_name = intent.act.get("step") if kind == "step-request" else None
            two = screens.needs_two(found.ladder, kind, step_name)
            if two:
                self._require(officer, "drafter")
                intent = msgspec.structs.replace(
                    intent, drafter=officer, draft=self._signed_draft(found, intent, signer)
                )
            else:
                intent = msgspec.structs.replace(intent, officer=officer)
        except ProtocolError as error:
            return await self._refuse(thread, kind, Refusal(error.code, "protocol", error.sentence))
        refusal = self._speculate(found, intent, two_person=two)
        if refusal is not None:
            return await self._refuse(thread, kind, refusal)
        if two:
            return await self._keep_draft(row, thread, intent)
        return await self._enqueue(row, thread, intent)

    async def release(self, officer: str, draft: str, *, precedence: str | None = None) -> Outcome:
        core = self._core
        item = core.items.get(draft)
        if item is None or item.state != "draft":
            return _no("station.no-draft", "There is no such draft any more. Nothing was sent.")
        signer = self._signer(officer)
        if isinstance(signer, Outcome):
            return signer
        thread = self._find(item.thread)
        if officer == item.intent.drafter:
            sentence = (
                "The drafter and the releaser must be two people. The draft is kept; a second officer releases it."
            )
            return await self._refuse(
                item.thread, item.intent.kind, Refusal("entry.same-officer", "protocol", sentence)
            )
        try:
            self._require(officer, "releaser")
            urgency = _checked(precedence, Precedence) if precedence is not None else item.intent.precedence
        except ProtocolError as error:
            return await self._refuse(item.thread, item.intent.kind, Refusal(error.code, "protocol", error.sentence))
        intent = msgspec.structs.replace(item.intent, officer=officer, precedence=urgency)
        refusal = None if intent.force else self._speculate(thread, intent, two_person=True)
        if refusal is not None:
            return await self._refuse(item.thread, intent.kind, refusal)
        await self._change_item(item, intent, "queued")
        return await self._outcome(item)

    async def discard(self, officer: str, pending: str) -> Outcome:
        core = self._core
        async with core.lock:
            item = core.items.get(pending)
            if item is None or item.state not in ("draft", "refused"):
                return _no(
                    "station.not-discardable",
                    "Only a draft or a refused entry can be thrown away. Nothing was changed.",
                )
            async with core.store.change() as change:
                await change.drop_outbox(item.id)
                words = f"{core.officer_name(officer, core.now())} threw away a {item.state} {item.intent.kind}."
                await core.note(change, "discarded", words)
            del core.items[item.id]
        core.tell(item.thread, "pending")
        return Outcome(True, "discarded", thread=item.thread)

    async def retry(self, officer: str, pending: str) -> Outcome:
        item = self._core.items.get(pending)
        if item is None or item.state != "refused":
            return _no("station.not-refused", "Only a refused entry can be queued again. Nothing was changed.")
        intent = item.intent
        if not intent.auto and not intent.force:
            refusal = self._speculate(self._find(item.thread), intent, two_person=intent.draft is not None)
            if refusal is not None:
                return await self._refuse(item.thread, intent.kind, refusal)
        await self._change_item(item, intent, "queued")
        return await self._outcome(item)

    async def nominate(self, officer: str, thread: str, nominees: tuple[str, ...]) -> Outcome:
        core = self._core
        salt = b64u(core.rng(32))
        try:
            # An office off the roster may be named; the ladder passes over it when the lists are compared.
            parse_act(kind_of("nomination-reveal"), act_to_dict(Reveal("A" * 43, tuple(nominees), salt)))
        except ProtocolError as error:
            return await self._refuse(thread, "nomination", Refusal(error.code, "protocol", error.sentence))
        if len(set(nominees)) != len(nominees):
            return _no("ladder.duplicate-nominee", f"An office stands twice in the list. {_AT_ONCE}", thread=thread)
        mark = nomination_digest(thread, core.identity.office, tuple(nominees), salt)
        kept = {"nominees": list(nominees), "salt": salt}
        # On the disk before the digest leaves: a sealed list that nobody can open would block the mediation.
        async with core.store.change() as change:
            await change.put_sealed(f"nomination/{mark}", core.vault.seal_json(f"nomination/{mark}", kept))
        core.nominations[mark] = kept
        return await self.send(officer, thread, "nomination", {"digest": mark}, {}, precedence="PRIORITY")

    async def mark_read(self, officer: str, thread: str, seq: int) -> None:
        core, found = self._core, self._find(thread)
        newest = found.held[-1].seq if found.held else 0
        async with core.lock:
            read_to = max(0, min(seq, newest))
            async with core.store.change() as change:
                await change.put_thread(thread, read_to=read_to)
            found.read_to = read_to
        core.tell(thread, "read")

    async def scratch(self, officer: str, thread: str, kind: str) -> Mapping[str, Any]:
        place = f"scratch/{officer}/{thread}/{kind}"
        sealed = await self._core.store.sealed(place)
        return {} if sealed is None else dict(self._core.vault.open_json(place, sealed))

    async def save_scratch(self, officer: str, thread: str, kind: str, values: Mapping[str, Any]) -> None:
        place = f"scratch/{officer}/{thread}/{kind}"
        async with self._core.store.change() as change:
            if values:
                await change.put_sealed(place, self._core.vault.seal_json(place, dict(values)))
            else:
                await change.drop_sealed(place)

    # -- for an office that wants to satisfy itself -------------------------------------------------------------------

    def leaf(self, thread: str, entry: str) -> bytes:
        held = self._find(thread).by_id.get(entry)
        if held is None:
            raise UnknownThread(f"no entry {entry[:43]} in it")
        return held.admitted.leaf

    def judge(self, entry: bytes) -> Outcome:
        refusal = self.refusal(entry)
        return Outcome(True, "would follow") if refusal is None else _refused(refusal)

    def refusal(self, entry: bytes) -> Refusal | None:
        """Why an entry (without a stamp) would not follow now by this station's own reckoning, or None."""
        core = self._core
        try:
            payload = core.replay.admissible(entry, core.now()).payload
        except ProtocolError as error:
            return Refusal(error.code, "protocol", error.sentence)
        thread = core.threads.get(payload.thread)
        if thread is None:
            return Refusal("station.unknown-thread", "protocol", "This station knows no such thread.")
        return core.replay.judge(thread, entry, core.now())

    async def insist(
        self, officer: str, thread: str, kind: str, act: Mapping[str, Any], fields: Mapping[str, Any]
    ) -> tuple[Outcome, bytes]:
        core = self._core
        signer = self._signer(officer)
        if isinstance(signer, Outcome):
            return signer, b""
        found = self._find(thread)
        row = f"insist.{b64u(core.rng(16))}"
        try:
            known = kind_of(kind)
            if known.author is not Author.OFFICER:
                # An opening or a change of keys is made by the station from what it holds, never from words.
                return _no("entry.out-of-mandate", f"Stations write this by themselves. {_AT_ONCE}", thread=thread), b""
            if found.frozen:
                return _no("station.frozen", found.frozen, thread=thread), b""
            if (apart := _apart(found, kind)) is not None:
                return await self._refuse(thread, kind, apart), b""
            intent = self._intent(found, known, act, fields, "ROUTINE", "AMBER+STRICT", None, True)
        except ProtocolError as error:
            return await self._refuse(thread, kind, Refusal(error.code, "protocol", error.sentence)), b""
        await core.record("insisted", f"{kind} was sent although this station refuses it.", thread=thread)
        outcome = await self._enqueue(row, thread, msgspec.structs.replace(intent, officer=officer))
        item = core.items[row]
        if item.state == "refused":
            # Nobody shall find it in the outbox later and try it again by mistake; the journal keeps the attempt.
            await self.discard(officer, row)
        if item.wire is not None:
            return outcome, item.wire.entry
        held = None if item.entry is None else found.by_id.get(item.entry)
        return outcome, b"" if held is None else held.admitted.leaf

    # -- helpers ------------------------------------------------------------------------------------------------------

    def _find(self, thread: str) -> Thread:
        found = self._core.threads.get(thread)
        if found is None:
            raise UnknownThread(thread[:22])
        return found

    def _signer(self, officer: str) -> Signer | Outcome:
        signer = self._core.officers.get(officer)
        if signer is None:
            return _no("officer.locked", "Your key is locked on this station. Unlock it with your passphrase first.")
        return signer

    def _require(self, officer: str, role: str) -> None:
        core = self._core
        core.identity.mandates.require(officer, role=role, office=core.identity.office, at=core.now())

    def _named(self, thread: Thread, kind: Kind, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """``fields`` with the name we opened the thread under as subject, until the others have a subject from us.

        An opening has no body: without this the name would never leave our station.
        """
        if not thread.title or not fields or "subject" not in kind.fields or fields.get("subject"):
            return fields
        core = self._core
        said = [held.fields for held in thread.held if held.payload.office == core.identity.office]
        waiting = [core.fields(item.intent) for item in core.pending(thread.id)]
        if any(each is not None and each.get("subject") for each in (*said, *waiting)):
            return fields
        return {**fields, "subject": thread.title}

    def _intent(
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
            precedence=_checked(precedence, Precedence),
            tlp=_checked(tlp, Tlp),
            disclosures=disclosures,
            sd=sd,
            # What the writer had before them is fixed when they write, however long the line is down afterwards.
            read_to=newest if read_to is None else min(read_to, newest),
            force=force,
        )

    def _signed_draft(self, thread: Thread, intent: Intent, drafter: Signer) -> str:
        core = self._core
        return sign_draft(draft_content(core.sealer.draft_payload(thread, intent)), drafter)

    def _speculate(self, thread: Thread, intent: Intent, *, two_person: bool) -> Refusal | None:
        """The ladder's answer as of now, after everything that waits in the outbox before it."""
        if (apart := _apart(thread, intent.kind)) is not None:
            return apart
        if thread.state is None or thread.ladder is None or thread.parted is not None:
            return None
        core, state = self._core, thread.state
        for item in core.pending(thread.id):
            if (
                item.state not in ("queued", "sending")
                or item.intent is intent
                or item.intent.kind in ("open", "rekey")
            ):
                continue
            move = self._move(thread, state, item.intent, item.intent.draft is not None, core.sealer)
            outcome = step(thread.ladder, state, move, max(core.now(), state.at))
            if not isinstance(outcome, Refusal):
                state = outcome.state
        verdict = step(
            thread.ladder, state, self._move(thread, state, intent, two_person, core.sealer), max(core.now(), state.at)
        )
        return verdict if isinstance(verdict, Refusal) else None

    def _move(self, thread: Thread, state: Any, intent: Intent, two_person: bool, sealer: Sealer) -> Move:
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

    async def _refuse(self, thread: str, kind: str, refusal: Refusal) -> Outcome:
        await self._core.record(
            "refused", f"{kind} refused by the station: {refusal.sentence} [{refusal.code}]", thread=thread
        )
        return _refused(refusal, thread)

    async def _keep_draft(self, row: str, thread: str, intent: Intent) -> Outcome:
        core = self._core
        async with core.lock:
            async with core.store.change() as change:
                item = await core.queue(change, row, thread, intent, "draft")
            core.items[row] = item
        core.tell(thread, "pending")
        return Outcome(True, "draft", id=row, thread=thread)

    async def _enqueue(self, row: str, thread: str, intent: Intent) -> Outcome:
        core = self._core
        async with core.lock:
            async with core.store.change() as change:
                item = await core.queue(change, row, thread, intent)
            core.items[row] = item
        core.tell(thread, "pending")
        return await self._outcome(item)

    async def _change_item(self, item: Item, intent: Intent, state: str) -> None:
        core = self._core
        async with core.lock:
            sealed = core.seal_intent(item.id, intent)
            async with core.store.change() as change:
                await change.put_outbox(item.id, state=state, intent=sealed, entry=None, wire=None, answer=None)
            item.intent, item.state, item.entry, item.wire, item.answer = intent, state, None, None, None
        core.tell(item.thread, "pending")

    async def _outcome(self, item: Item) -> Outcome:
        """Wait a little for the hub's answer, then say where the item stands."""
        if item.state in ("queued", "sending"):
            done = self._sender.done.setdefault(item.id, asyncio.get_running_loop().create_future())
            self._sender.wake()
            if self._core.line.caught:
                await asyncio.wait([done], timeout=self._core.identity.settings.duty.answer)
        answer = item.answer
        if answer is not None:
            return Outcome(
                False,
                "refused",
                id=item.id,
                thread=item.thread,
                code=answer.code,
                sentence=answer.sentence,
                rule=answer.rule,
                clock=answer.clock,
                until=answer.until,
            )
        if item.state == "accepted" or item.accepted:
            return Outcome(True, "accepted", id=item.entry, thread=item.thread)
        state = "draft" if item.state == "draft" else "queued"
        return Outcome(True, state, id=item.id, thread=item.thread, sentence=item.waiting)


def _apart(thread: Thread, kind: str) -> Refusal | None:
    """Why nothing of ``kind`` goes out while the station and the hub do not agree where the ladder stands, or None."""
    if thread.parted is None or passes(kind, thread.ladder, thread.state):
        return None
    return Refusal(CODE, "station", thread.parted.refusal())


def _no(code: str, sentence: str, *, thread: str | None = None) -> Outcome:
    return Outcome(False, "refused", thread=thread, code=code, sentence=sentence)


def _refused(refusal: Refusal, thread: str | None = None) -> Outcome:
    return Outcome(
        False,
        "refused",
        thread=thread,
        code=refusal.code,
        sentence=refusal.sentence,
        rule=refusal.rule,
        clock=refusal.clock,
        until=refusal.until,
    )


def token_hash(token: str) -> str:
    """What is kept of a login or session token."""
    return b64u(hashlib.sha256(token.encode()).digest())


def _checked(value: str, allowed: Any) -> str:
    try:
        return str(msgspec.convert(value, allowed))
    except msgspec.ValidationError as error:
        raise Malformed(f"not a precedence or marking: {value[:20]!r}") from error
