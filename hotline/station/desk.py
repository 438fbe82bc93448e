"""The station as its pages use it: what officers do, and what they see.

Everything an officer does goes through here and ends in the outbox or in an `Outcome` that says why not. No rule is
decided here that the ladder decides: it is asked.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Any

import msgspec

from hotline.station import exporting, screens
from hotline.station.attachments import Attachments
from hotline.station.core import Core
from hotline.station.errors import FileNotHere, FilesRefused
from hotline.station.logins import Logins
from hotline.station.officers import OfficerKeys
from hotline.station.outbox import Intent
from hotline.station.outcomes import AT_ONCE, no, refused, talk_only
from hotline.station.queueing import Queue
from hotline.station.seeing import accord_view, connection_view, office_views, officer_views
from hotline.station.sender import Sender
from hotline.station.views import (
    AccordView,
    Change,
    ConnectionView,
    ExportView,
    FileView,
    OfficerView,
    OfficeView,
    Outcome,
    ThreadSummary,
    ThreadView,
    UnknownThread,
)
from hotline.station.waiting import Waiting
from hotline.station.writing import Writing
from mediation.refusals import Refusal
from protocols.encoding import b64u, digest
from protocols.entry import parse_entry
from protocols.errors import ProtocolError
from protocols.kinds import Author, Reveal, act_to_dict, kind_of, parse_act
from protocols.nomination import nomination_digest


class StationDesk:
    """Implements `hotline.station.views.Desk` over a running station's core and sender."""

    def __init__(self, core: Core, sender: Sender, keys: OfficerKeys, attachments: Attachments) -> None:
        self._core = core
        self.attachments = attachments
        self._logins = Logins(core, sender, keys)
        self._writing = Writing(core)
        self._queue = Queue(core, sender)
        self._waiting = Waiting(core, self._writing, self._queue)

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
        return accord_view(self._core)

    def offices(self) -> tuple[OfficeView, ...]:
        return office_views(self._core)

    def officers(self) -> tuple[OfficerView, ...]:
        return officer_views(self._core)

    def connection(self) -> ConnectionView:
        return connection_view(self._core)

    def threads(self) -> tuple[ThreadSummary, ...]:
        found = [screens.summary(self._core, thread) for thread in self._core.threads.values()]
        return tuple(sorted(found, key=screens.pressing))

    def thread(self, thread: str, *, since: int = 0) -> ThreadView:
        return screens.view(self._core, self._writing.find(thread), since)

    def journal(self, limit: int = 200) -> tuple[tuple[int, str, str], ...]:
        return tuple((note.at, note.what, note.words) for note in self._core.journal[:limit])

    def changes(self) -> AsyncIterator[Change]:
        return self._core.fanout.listen()

    # -- logins -------------------------------------------------------------------------------------------------------

    async def redeem(self, token: str) -> str | None:
        return await self._logins.redeem(token)

    def lock(self, officer: str) -> None:
        self._logins.lock(officer)

    async def unlock(self, officer: str, passphrase: bytes, *, unattended: bool = False) -> bool:
        return await self._logins.unlock(officer, passphrase, unattended=unattended)

    # -- doing --------------------------------------------------------------------------------------------------------

    async def open_thread(self, officer: str, counterpart: str, ladder: str, title: str) -> Outcome:
        core = self._core
        signer = self._writing.signer(officer)
        if isinstance(signer, Outcome):
            return signer
        accord = core.identity.accord.accord
        roles = {office.id: office.role for office in accord.offices}
        if roles.get(core.identity.office) != "party" or roles.get(counterpart) != "party":
            return no("station.not-a-party", f"A thread is opened between two parties of the agreement. {AT_ONCE}")
        if counterpart == core.identity.office or ladder not in core.identity.ladders:
            return no("station.no-such-ladder", f"Choose another office and a ladder of the agreement. {AT_ONCE}")
        try:
            accord.check_in_force(core.now())
        except ProtocolError as error:
            return no(error.code, error.sentence)
        thread = b64u(core.rng(16))
        extra = {"counterpart": counterpart, "ladder": ladder, "title": title[:200], "officer": officer}
        intent = Intent("open", {}, core.now(), precedence="PRIORITY", extra=extra)
        return await self._queue.enqueue(f"open.{thread}", thread, intent)

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
            return await self._queue.outcome(core.items[row])
        signer = self._writing.signer(officer)
        if isinstance(signer, Outcome):
            return signer
        found = self._writing.find(thread)
        if found.frozen:
            return no("station.frozen", found.frozen, thread=thread)
        if (apart := talk_only(found, kind)) is not None:
            return await self._queue.refuse(thread, kind, apart)
        try:
            known = kind_of(kind)
            if known.author is not Author.OFFICER:
                return no("entry.out-of-mandate", f"Stations write this by themselves. {AT_ONCE}", thread=thread)
            named = self._writing.named(found, known, fields)
            intent = self._writing.intent(found, known, act, named, precedence, tlp, read_to, False)
            step_name = intent.act.get("step") if kind == "step-request" else None
            two = screens.needs_two(found.ladder, kind, step_name)
            if two:
                self._writing.require(officer, "drafter")
                intent = msgspec.structs.replace(
                    intent, drafter=officer, draft=self._writing.signed_draft(found, intent, signer)
                )
            else:
                intent = msgspec.structs.replace(intent, officer=officer)
        except ProtocolError as error:
            return await self._queue.refuse(thread, kind, Refusal(error.code, "protocol", error.sentence))
        refusal = self._writing.refusal_now(found, intent, two_person=two)
        if refusal is not None:
            return await self._queue.refuse(thread, kind, refusal)
        if two:
            return await self._queue.keep_draft(row, thread, intent)
        return await self._queue.enqueue(row, thread, intent)

    async def release(self, officer: str, draft: str, *, precedence: str | None = None) -> Outcome:
        return await self._waiting.release(officer, draft, precedence=precedence)

    async def discard(self, officer: str, pending: str) -> Outcome:
        return await self._waiting.discard(officer, pending)

    async def retry(self, officer: str, pending: str) -> Outcome:
        return await self._waiting.retry(officer, pending)

    async def nominate(self, officer: str, thread: str, nominees: tuple[str, ...]) -> Outcome:
        core = self._core
        salt = b64u(core.rng(32))
        try:
            # An office off the roster may be named; the ladder passes over it when the lists are compared.
            parse_act(kind_of("nomination-reveal"), act_to_dict(Reveal("A" * 43, tuple(nominees), salt)))
        except ProtocolError as error:
            return await self._queue.refuse(thread, "nomination", Refusal(error.code, "protocol", error.sentence))
        if len(set(nominees)) != len(nominees):
            return no("ladder.duplicate-nominee", f"An office stands twice in the list. {AT_ONCE}", thread=thread)
        mark = nomination_digest(thread, core.identity.office, tuple(nominees), salt)
        kept = {"nominees": list(nominees), "salt": salt}
        # On the disk before the digest leaves: a sealed list that nobody can open would block the mediation.
        async with core.store.change() as change:
            await change.put_sealed(f"nomination/{mark}", core.vault.seal_json(f"nomination/{mark}", kept))
        core.nominations[mark] = kept
        return await self.send(officer, thread, "nomination", {"digest": mark}, {}, precedence="PRIORITY")

    async def mark_read(self, officer: str, thread: str, seq: int) -> None:
        core, found = self._core, self._writing.find(thread)
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

    # -- files --------------------------------------------------------------------------------------------------------

    def files(self, thread: str) -> Mapping[str, FileView]:
        return self.attachments.views(self._writing.find(thread).id)

    async def attach(
        self, officer: str, thread: str, name: str, type_: str, source: AsyncIterator[bytes]
    ) -> FileView | Outcome:
        self._writing.find(thread)
        signer = self._writing.signer(officer)
        if isinstance(signer, Outcome):
            return signer
        try:
            return await self.attachments.attach(officer, thread, name, type_, source)
        except (ProtocolError, FilesRefused) as error:
            return no(getattr(error, "refusal", error.code), error.sentence, thread=thread)

    async def detach(self, thread: str, blob: str) -> None:
        await self.attachments.drop(thread, blob)

    def attached(self, thread: str, blobs: Sequence[str]) -> Mapping[str, Any] | Outcome:
        try:
            return self.attachments.fields(thread, blobs)
        except (FilesRefused, FileNotHere) as error:
            return no(getattr(error, "refusal", error.code), error.sentence, thread=thread)

    async def fetch(self, officer: str, thread: str, blob: str) -> FileView:
        return await self.attachments.fetch(officer, thread, blob)

    async def read_file(self, officer: str, thread: str, blob: str) -> tuple[str, int, AsyncGenerator[bytes, None]]:
        file, plain = await self.attachments.read(officer, thread, blob)
        return file.name, file.size, plain

    # -- handing over -------------------------------------------------------------------------------------------------

    async def preview_export(self, thread: str, disclose: Sequence[str]) -> ExportView:
        return await exporting.preview(self._core, self._writing.find(thread), disclose)

    async def export(self, officer: str, thread: str, disclose: Sequence[str]) -> ExportView | Outcome:
        found = self._writing.find(thread)
        if disclose:
            # Words leave the house: that is a releaser's act, as their sending was.
            signer = self._writing.signer(officer)
            if isinstance(signer, Outcome):
                return signer
            try:
                self._writing.require(officer, "releaser")
            except ProtocolError as error:
                return no(error.code, error.sentence, thread=thread)
        made = await exporting.preview(self._core, found, disclose)
        who = self._core.officer_name(officer, self._core.now())
        fields = ", ".join(disclose) if disclose else "no words"
        await self._core.record("export", f"{who} exported the evidence, showing {fields}."[:2000], thread=thread)
        return made

    # -- for an office that wants to satisfy itself -------------------------------------------------------------------

    def leaf(self, thread: str, entry: str) -> bytes:
        held = self._writing.find(thread).by_id.get(entry)
        if held is None:
            raise UnknownThread(f"no entry {entry[:43]} in it")
        return held.admitted.leaf

    def judge(self, entry: bytes) -> Outcome:
        refusal = self.refusal(entry)
        return Outcome(True, "would follow") if refusal is None else refused(refusal)

    def refusal(self, entry: bytes) -> Refusal | None:
        """Why an entry (without a stamp) would not follow now by this station's own reckoning, or None."""
        core = self._core
        try:
            parsed = parse_entry(entry)
            payload = core.replay.admissible(parsed, core.now()).payload
        except ProtocolError as error:
            return Refusal(error.code, "protocol", error.sentence)
        thread = core.threads.get(payload.thread)
        if thread is None:
            return Refusal("station.unknown-thread", "protocol", "This station knows no such thread.")
        return core.replay.judge(thread, parsed, core.now())

    async def insist(
        self, officer: str, thread: str, kind: str, act: Mapping[str, Any], fields: Mapping[str, Any]
    ) -> tuple[Outcome, bytes]:
        core = self._core
        signer = self._writing.signer(officer)
        if isinstance(signer, Outcome):
            return signer, b""
        found = self._writing.find(thread)
        row = f"insist.{b64u(core.rng(16))}"
        try:
            known = kind_of(kind)
            if known.author is not Author.OFFICER:
                # An opening or a change of keys is made by the station from what it holds, never from words.
                return no("entry.out-of-mandate", f"Stations write this by themselves. {AT_ONCE}", thread=thread), b""
            if found.frozen:
                return no("station.frozen", found.frozen, thread=thread), b""
            if (apart := talk_only(found, kind)) is not None:
                return await self._queue.refuse(thread, kind, apart), b""
            intent = self._writing.intent(found, known, act, fields, "ROUTINE", "AMBER+STRICT", None, True)
        except ProtocolError as error:
            return await self._queue.refuse(thread, kind, Refusal(error.code, "protocol", error.sentence)), b""
        await core.record("insisted", f"{kind} was sent although this station refuses it.", thread=thread)
        outcome = await self._queue.enqueue(row, thread, msgspec.structs.replace(intent, officer=officer))
        item = core.items[row]
        if item.state == "refused":
            # Nobody shall find it in the outbox later and try it again by mistake; the journal keeps the attempt.
            await self.discard(officer, row)
        if item.wire is not None:
            return outcome, item.wire.entry
        held = None if item.entry is None else found.by_id.get(item.entry)
        return outcome, b"" if held is None else held.admitted.leaf
