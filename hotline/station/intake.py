"""Taking in what the hub delivers: replay it, store it with everything that follows from it, or freeze the thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hotline.station.core import Core, keys_words, log, restored_words
from hotline.station.errors import DoesNotFollow
from hotline.station.model import Held, Thread
from hotline.station.outbox import Intent, Item, encode
from hotline.station.replay import Taken
from hotline.store.station import Change as Transaction
from mediation.effects import Effect, KeysReturned, PageAlternate, Rejoined, StandstillStarted
from protocols.frames import Deliver, Invitation
from protocols.kinds import Complaint

AHEAD = (
    "The hub delivered a message stamped more than two minutes ahead of this station's clock. It was not taken and is "
    "asked for again. Nothing is lost; have this station's clock checked, and the hub's."
)
Duties = Callable[[Thread, Taken], list[tuple[str, Intent]]]
Invited = Callable[[Thread], list[tuple[str, Intent]]]
URGENT = ("FLASH", "IMMEDIATE")


class Intake:
    """`deliver` and `invite` are called frame by frame, in order. ``duties`` says what an entry obliges us to write,
    ``invited`` what a first invitation does."""

    def __init__(self, core: Core, duties: Duties, invited: Invited) -> None:
        self._core = core
        self._duties = duties
        self._invited = invited
        self.held_back: set[str] = set()
        """Threads of which this connection brought an entry from the future: nothing more of them is taken from it."""
        self.unsaid: set[str] = set()
        """Threads that have parted from the hub, of which the others have not been told on this connection."""

    async def deliver(self, frame: Deliver) -> Item | None:
        """Take one entry. Returns our own item that came back with it, if it is one."""
        core = self._core
        async with core.lock:
            thread = core.threads.get(frame.thread)
            if frame.thread in self.held_back or (thread is not None and thread.frozen):
                return None
            try:
                if thread is not None and self._known(thread, frame):
                    return None
                base = self._base(thread, frame)
                taken = core.replay.take(base, frame)
            except DoesNotFollow as error:
                if error.reason == "replay.future":
                    # One of two clocks is wrong, which passes: nothing was stored, and the hub is asked again later.
                    self.held_back.add(frame.thread)
                    await core.alarm("ahead", AHEAD)
                    return None
                await self._freeze(frame.thread, thread, error)
                return None
            if not self.held_back:
                core.alarms.pop("ahead", None)
            if taken.state is None and thread is not None and taken.held.id in thread.by_id:
                return None
            item = next((item for item in core.items.values() if item.entry == taken.held.id), None)
            ours = taken.held.payload.station == core.identity.kid
            forgotten = ours and item is None and taken.mls is not None and taken.held.id not in core.kept
            if forgotten:
                item = core.meant(taken.held.payload)
            if base is None:
                base = core.blank(frame.thread, str(taken.held.payload.act.get("ladder", "")))
            await self._store(thread, base, taken, frame.parts, item, forgotten)
        return item

    async def invite(self, invitation: Invitation) -> None:
        """Note where a thread stands in which we have a part from outside."""
        core = self._core
        async with core.lock:
            thread = core.threads.get(invitation.thread)
            if thread is not None and (
                thread.state is not None or thread.frozen or invitation in thread.invitations.values()
            ):
                return
            known = thread is not None and thread.ladder is not None
            if thread is None:
                thread = core.blank(invitation.thread, invitation.ladder)
            elif thread.ladder is None:
                thread.ladder_id, thread.ladder = invitation.ladder, core.identity.ladders.get(invitation.ladder)
            first = thread.invitation is None
            # What came before the ladder was known may have to be signed for.
            duties = [] if known else [(row, intent) for row, intent in self._invited(thread) if row not in core.items]
            async with core.store.change() as change:
                await core.put_thread(change, thread, invitation=core.seal_invitation(invitation))
                if first:
                    parties = " and ".join(invitation.parties)
                    await core.note(change, "invitation", f"Asked to act as {invitation.role} between {parties}.")
                added = [await core.queue(change, row, thread.id, intent) for row, intent in duties]
            for item in added:
                core.items[item.id] = item
            thread.invite(invitation)
            core.threads[thread.id] = thread
        core.tell(thread.id, "invitation", alarm=first)

    def _known(self, thread: Thread, frame: Deliver) -> bool:
        """Whether this very entry is held; another one in its place is proof of two histories."""
        if thread.state is None or frame.seq > thread.position.seq:
            return False
        held = thread.by_seq.get(frame.seq)
        if held is None or held.admitted.leaf != frame.leaf:
            raise DoesNotFollow("replay.two-histories", frame.seq, "another entry than the one delivered before")
        return True

    def _base(self, thread: Thread | None, frame: Deliver) -> Thread | None:
        """What to replay on: a thread seen from outside begins anew once it is delivered from its beginning."""
        if thread is None or thread.state is not None or frame.seq != 1 or 1 in thread.by_seq:
            return thread
        self._core.kept |= {
            held.id: (held.how, held.disclosures) for held in thread.held if held.disclosures is not None
        }
        return thread.without_content()

    async def _store(
        self,
        before: Thread | None,
        thread: Thread,
        taken: Taken,
        parts: Mapping[str, bytes],
        item: Item | None,
        forgotten: bool,
    ) -> None:
        core, held = self._core, taken.held
        core.attach(held)
        anew = before is not None and before is not thread
        # The thread in memory must not move before the disk has; duties are judged on the state after the entry.
        after = _shadow(thread, taken)
        duties = [(row, intent) for row, intent in self._duties(after, taken) if row not in core.items]
        added: list[Item] = []
        title = "" if item is None else str(item.intent.extra.get("title", ""))
        renew = self._renewal(thread, taken, forgotten)
        named = {"title": core.vault.seal(f"threads/title/{thread.id}", title.encode())} if title else {}
        async with core.store.change() as change:
            if anew:
                await change.drop_entries(thread.id)
            await change.add_entry(thread.id, held.seq, held.id, held.stamp.index, held.admitted.leaf)
            await change.put_parts(thread.id, held.seq, parts)
            await self._store_bodies(change, taken)
            await core.put_thread(change, after, mls=core.seal_mls(thread.id, taken.mls), **named)
            if item is not None:
                await change.put_outbox(item.id, state="accepted", entry=held.id, intent=self._spent(item), wire=None)
            if taken.spent is not None:
                await change.drop_key_packages([taken.spent])
            for row, intent in duties:
                added.append(await core.queue(change, row, thread.id, intent))
            if taken.keys != thread.keys:
                await core.put_keys(change, thread.id, taken.keys)
            await self._note(change, taken)
            if taken.parted is not None and thread.parted is None:
                await core.put_parting(change, thread.id, taken.parted)
                await core.note(change, "alarm", taken.parted.sentence(thread.id), alarm=True)
            if renew != thread.renew:
                await core.put_renewal(change, thread.id, renew)
                if thread.renew is None:
                    await core.note(change, "alarm", restored_words(thread.id), alarm=True)
        if taken.state is None:
            thread.add(held)
        else:
            self._part(thread, taken)
            thread.follow(held, taken.state, taken.effects, taken.position, taken.parted)
            thread.mls, thread.keys = taken.mls, taken.keys
            if taken.joined:
                thread.joined = held.seq
        for revealed in taken.handed:
            old = thread.by_id[revealed.entry]
            old.fields, old.disclosures, old.how = revealed.fields, revealed.disclosures, "handover"
            if held.payload.kind == "resealed":
                old.how = "group"
                old.notes.append(f"sealed again with {held.seq}")
        if taken.spent is not None:
            core.bundles.pop(taken.spent, None)
        if item is not None:
            item.state, item.entry, item.wire, item.accepted = "accepted", held.id, None, True
            item.waiting = None
            thread.title = thread.title or title
        for each in added:
            core.items[each.id] = each
        core.threads[thread.id] = thread
        self._renewing(thread, renew)
        self._sound_keys(thread, taken)
        ours = held.payload.office == core.identity.office
        alarming = held.complaint is not None or self._accused(held) is not None
        rings = alarming or _rings(core.identity.office, held.payload.precedence, taken.effects)
        core.tell(thread.id, "entry", alarm=not ours and rings)

    def _renewal(self, thread: Thread, taken: Taken, forgotten: bool) -> int | None:
        """The epoch not to be sealed in after an entry, or None.

        While catching up we cannot know which keys were used in a newer epoch either, so the mark moves along; once we
        are level with the hub, new keys are fresh.
        """
        if taken.state is None or taken.mls is None:
            return None
        if forgotten:
            return taken.state.epoch
        if thread.renew is not None and taken.held.payload.kind == "rekey":
            return None if self._core.line.caught else taken.state.epoch
        return thread.renew

    def _renewing(self, thread: Thread, renew: int | None) -> None:
        if renew == thread.renew:
            return
        core, name = self._core, f"restored/{thread.id}"
        if renew is None:
            core.alarms.pop(name, None)
        elif thread.renew is None:
            core.alarms[name] = restored_words(thread.id)
            log.error("restored from an older copy", thread=thread.id, epoch=renew)
        thread.renew = renew
        core.tell(None, "connection", alarm=renew is not None)

    def _sound_keys(self, thread: Thread, taken: Taken) -> None:
        """The alarms over keys that somebody could not follow, or that somebody came back to by itself."""
        core = self._core
        before = core.alarms.get(f"keys/{thread.id}")
        core.show_keys(thread)
        for effect in taken.effects:
            if isinstance(effect, Rejoined) and effect.station != core.identity.kid:
                core.alarms[f"rejoined/{thread.id}/{effect.station}"] = self._rejoined_words(thread, effect)
                core.tell(None, "connection", alarm=True)
        if core.alarms.get(f"keys/{thread.id}") != before:
            log.error("keys", thread=thread.id, stuck=thread.keys.stuck)
            core.tell(None, "connection", alarm=f"keys/{thread.id}" in core.alarms)

    def _rejoined_words(self, thread: Thread, effect: Rejoined) -> str:
        who = self._core.station_name(effect.office, effect.station)
        return (
            f"Thread {thread.id[:6]}: {who} came back into the keys by itself, after losing its own. Check by phone that it "
            "was them. If it was not, have their office revoke that station and renew the keys."
        )

    def _part(self, thread: Thread, taken: Taken) -> None:
        """Sound it when with this entry the thread parts from the hub. Written down already."""
        if taken.parted is None or thread.parted is not None:
            return
        core = self._core
        core.alarms[f"parted/{thread.id}"] = taken.parted.sentence(thread.id)
        log.error("thread parted", thread=thread.id, seq=taken.parted.seq)
        core.tell(thread.id, "parted", alarm=True)
        core.tell(None, "connection", alarm=True)
        self.unsaid.add(thread.id)

    async def _store_bodies(self, change: Transaction, taken: Taken) -> None:
        core, held = self._core, taken.held
        if held.disclosures is not None:
            await self._put_body(change, held.id, held.how, held.disclosures)
        elif held.complaint is not None:
            await self._put_body(change, held.id, "refused", (held.complaint,))
        for revealed in taken.handed:
            await self._put_body(change, revealed.entry, "handover", revealed.disclosures)
        if held.complaint is not None:
            await core.note(
                change,
                "complaint",
                f"The text of entry {held.seq} from {held.payload.office} is not readable and not shown "
                f"({held.complaint}). A complaint goes into the log. Ask them to send it again.",
                alarm=True,
            )

    async def _put_body(self, change: Transaction, entry: str, how: str, disclosures: tuple[str, ...]) -> None:
        await change.put_body(entry, how, self._core.vault.seal_json(f"bodies/{entry}", list(disclosures)))

    async def _note(self, change: Transaction, taken: Taken) -> None:
        core, held = self._core, taken.held
        if (about := self._accused(held)) is not None:
            words = (
                f"{held.payload.office} says that the text of our entry {about.seq} is not what we signed "
                f"({held.payload.act['code']}). It was not shown there. Send it again, and have the sending station examined."
            )
            await core.note(change, "complaint", words, alarm=True)
        if taken.suspect is not None:
            await core.note(change, "suspect", taken.suspect, alarm=True)
        for effect in taken.effects:
            if isinstance(effect, KeysReturned):
                await core.note(change, "keys", core.returned_words(held.payload.thread, effect), alarm=True)
            elif isinstance(effect, Rejoined):
                words = f"{core.station_name(effect.office, effect.station)} came back by itself after losing its keys."
                await core.note(change, "keys", words, alarm=effect.station != core.identity.kid)
        if taken.keys.stuck and taken.keys.since == held.id:
            await core.note(change, "keys", keys_words(held.payload.thread, taken.keys, held.seq), alarm=True)
        if held.payload.kind == "rekey":
            await core.note(change, "rekey", f"The keys were renewed with entry {held.seq} by {held.payload.office}.")

    def _accused(self, held: Held) -> Held | None:
        """The entry of ours that another office complains about with this one, if it does."""
        act, office = held.admitted.verified.entry.act, self._core.identity.office
        if not isinstance(act, Complaint) or held.payload.office == office:
            return None
        thread = self._core.threads.get(held.payload.thread)
        found = None if thread is None else thread.by_id.get(act.entry)
        return found if found is not None and found.payload.office == office else None

    def _spent(self, item: Item) -> bytes:
        """What is kept of an item that arrived: who wrote what kind, so that a repeated call finds its outcome."""
        bare = Intent(
            item.intent.kind, {}, item.intent.created, officer=item.intent.officer, drafter=item.intent.drafter
        )
        return self._core.vault.seal(f"outbox/intent/{item.id}", encode(bare))

    async def _freeze(self, name: str, thread: Thread | None, error: DoesNotFollow) -> None:
        core = self._core
        if thread is None:
            thread = core.blank(name, "")
        sentence = f"Thread {name[:6]}: {error.sentence}"
        async with core.store.change() as change:
            await core.put_thread(change, thread, frozen=core.vault.seal(f"threads/frozen/{name}", sentence.encode()))
            await core.note(change, "alarm", f"{sentence} [{error}]", alarm=True)
        thread.frozen = sentence
        core.threads[name] = thread
        core.alarms[f"frozen/{name}"] = sentence
        log.error("thread frozen", thread=name, reason=error.reason, seq=error.seq)
        core.tell(name, "frozen", alarm=True)
        core.tell(None, "connection", alarm=True)


def _shadow(thread: Thread, taken: Taken) -> Thread:
    """The thread as it will stand, sharing what does not change; only for reading."""
    shadow = thread.without_content()
    shadow.state, shadow.position, shadow.mls = taken.state, taken.position, taken.mls
    shadow.held, shadow.by_id, shadow.by_seq = thread.held, thread.by_id, thread.by_seq
    shadow.parted, shadow.keys = taken.parted, taken.keys
    shadow.joined = taken.held.seq if taken.joined else thread.joined
    return shadow


def _rings(office: str, precedence: str, effects: tuple[Effect, ...]) -> bool:
    """Whether the desk must sound: urgent words, an alternate to page, a standstill that began."""
    if precedence in URGENT:
        return True
    return any(
        (isinstance(effect, PageAlternate) and effect.office == office) or isinstance(effect, StandstillStarted)
        for effect in effects
    )
