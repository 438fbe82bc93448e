"""Taking in what the hub delivers: replay it, store it with everything that follows from it, or freeze the thread."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from hotline.station.core import Core, keys_words, log, restored_words
from hotline.station.errors import DoesNotFollow
from hotline.station.model import Held, Thread
from hotline.station.outbox import Intent, Item, encode
from hotline.station.receipts import Gathered, Receipts, Rows
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


BEYOND = ("open", "rekey", "rejoin", "cannot-follow", "resealed", "handover", "complaint")
"""Kinds that bring keys, texts of other entries, or accusations: each is taken by itself."""


@dataclass(frozen=True, slots=True)
class _Step:
    """An entry that only continues its thread, with what is to be stored of it."""

    thread: Thread
    taken: Taken
    parts: Mapping[str, bytes]
    item: Item | None


@dataclass(slots=True)
class Run:
    """Entries to be stored in one transaction. ``ahead``: the threads as they will stand; ``rows``: what is to be queued, with
    its thread. ``more``: the entry after them, which follows but does more than they."""

    steps: list[_Step] = field(default_factory=list)
    ahead: dict[str, Thread] = field(default_factory=dict)
    rows: Rows = field(default_factory=dict)
    more: Taken | None = None


LONGEST_RUN = 32
"""Entries in one transaction: nobody else has a turn while they are checked."""


class Intake:
    """`take` and `invite` are called in the order of the frames. ``duties`` says what an entry obliges us to write,
    ``invited`` what a first invitation does. ``make_sure``: under the lock, has memory hold the keys that are on the disk."""

    def __init__(self, core: Core, duties: Duties, invited: Invited, make_sure: Callable[[], Awaitable[None]]) -> None:
        self._core = core
        self._make_sure = make_sure
        self._duties = duties
        self._receipts = Receipts()
        self._invited = invited
        self.held_back: set[str] = set()
        """Threads of which this connection brought an entry from the future: nothing more of them is taken from it."""
        self.unsaid: set[str] = set()
        """Threads that have parted from the hub, of which the others have not been told on this connection."""

    async def take(self, frames: Sequence[Deliver], back: list[Item]) -> None:
        """Take entries in order; those that only continue their threads share a transaction, and nothing in memory moves
        before it is on the disk. ``back`` gets our own items that came back, also where a later entry raises."""
        at = 0
        while at < len(frames):
            async with self._core.lock:
                await self._make_sure()
                run = self._run(frames[at : at + LONGEST_RUN])
                await self._store_run(run)
                back += [step.item for step in run.steps if step.item is not None]
                at += len(run.steps)
                if len(run.steps) < LONGEST_RUN and at < len(frames):
                    item = await self._alone(frames[at], run.more)
                    back += [item] if item is not None else []
                    at += 1

    async def _alone(self, frame: Deliver, taken: Taken | None) -> Item | None:
        """Take an entry in a transaction of its own, whatever it brings. ``taken``: where it was checked already."""
        core = self._core
        thread = core.threads.get(frame.thread)
        if frame.thread in self.held_back or (thread is not None and thread.frozen):
            return None
        try:
            if thread is not None and self._known(thread, frame):
                return None
            base = self._base(thread, frame)
            taken = taken or core.replay.take(base, frame)
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
        item = core.items.sealed_as(taken.held.id)
        forgotten = self._forgotten(taken, item)
        if forgotten:
            item = core.meant(taken.held.payload)
        if base is None:
            base = core.blank(frame.thread, str(taken.held.payload.act.get("ladder", "")))
        await self._store(thread, base, taken, frame.parts, item, forgotten)
        return item

    def _forgotten(self, taken: Taken, item: Item | None) -> bool:
        """Whether an entry of ours was sealed under keys that this store counts as unused."""
        core, held = self._core, taken.held
        ours = held.payload.station == core.identity.kid
        return ours and item is None and taken.mls is not None and held.id not in core.kept

    # -- entries that only continue their threads ---------------------------------------------------------------------

    def _run(self, frames: Sequence[Deliver]) -> Run:
        """As many of the first entries as only continue their threads, each checked on the state that the one before it
        leaves. The first that does more, or does not follow, ends the run and is left to `_alone`."""
        core, run = self._core, Run()
        for frame in frames:
            thread = core.threads.get(frame.thread)
            if thread is None or self.held_back or not _ordinary(thread):
                break
            ahead = run.ahead.get(thread.id)
            if ahead is None:
                ahead = run.ahead[thread.id] = _ahead(thread)
            if frame.seq <= ahead.position.seq:
                break
            try:
                taken = core.replay.take(ahead, frame)
            except DoesNotFollow:
                break
            item = core.items.sealed_as(taken.held.id)
            if not _continues(thread, taken) or self._forgotten(taken, item):
                run.more = taken
                break
            core.attach(taken.held)
            ahead.state, ahead.position, ahead.mls, ahead.keys = taken.state, taken.position, taken.mls, taken.keys
            for row, intent in self._duties(ahead, taken):
                if row not in core.items:
                    run.rows.setdefault(row, (thread.id, intent))
            ahead.by_id[taken.held.id] = ahead.by_seq[taken.held.seq] = taken.held
            run.steps.append(_Step(thread, taken, frame.parts, item))
        return run

    async def _store_run(self, run: Run) -> None:
        core = self._core
        if not run.steps:
            return
        gathered = self._gather(run.rows)
        async with core.store.change() as change:
            for step in run.steps:
                held = step.taken.held
                await change.add_entry(step.thread.id, held.seq, held.id, held.stamp.index, held.admitted.leaf)
                await change.put_parts(step.thread.id, held.seq, step.parts)
                await self._store_bodies(change, step.taken)
                if step.item is not None:
                    await self._accept(change, step.item, held)
            added = await self._queue(change, gathered)
            for thread in {step.thread.id: step.thread for step in run.steps}.values():
                ahead = run.ahead[thread.id]
                moved = {} if ahead.mls is thread.mls else {"mls": core.seal_mls(thread.id, ahead.mls)}
                await core.put_thread(change, ahead, **moved)
        core.alarms.pop("ahead", None)
        self._queued(added, gathered)
        for step in run.steps:
            thread, taken, held = step.thread, step.taken, step.taken.held
            thread.follow(held, taken.state, taken.effects, taken.position)
            thread.mls, thread.keys = taken.mls, taken.keys
            if step.item is not None:
                step.item.state, step.item.entry, step.item.wire, step.item.accepted = "accepted", held.id, None, True
                step.item.waiting = step.item.verified = None
            self._sound_keys(thread, taken)
            ours = held.payload.office == core.identity.office
            rings = _rings(core.identity.office, held.payload.precedence, taken.effects)
            core.tell(thread.id, "entry", alarm=not ours and rings)

    # -- what is to be written because of them ------------------------------------------------------------------------

    def _gather(self, rows: Rows) -> Gathered:
        core = self._core
        return self._receipts.gather(rows, core.items.open() if rows else (), core.clock.now())

    async def _queue(self, change: Transaction, gathered: Gathered) -> list[Item]:
        core = self._core
        for item, intent in gathered.more:
            await change.put_outbox(item.id, intent=core.seal_intent(item.id, intent))
        return [await core.queue(change, row, thread, intent) for row, (thread, intent) in gathered.rows.items()]

    def _queued(self, added: list[Item], gathered: Gathered) -> None:
        """In memory what is on the disk."""
        for item in added:
            self._core.items[item.id] = item
        for item, intent in gathered.more:
            item.intent = intent

    async def _accept(self, change: Transaction, item: Item, held: Held) -> None:
        await change.put_outbox(item.id, state="accepted", entry=held.id, intent=self._spent(item), wire=None)

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
            duties = () if known else self._invited(thread)
            gathered = self._gather({row: (thread.id, intent) for row, intent in duties if row not in core.items})
            async with core.store.change() as change:
                await core.put_thread(change, thread, invitation=core.seal_invitation(invitation))
                if first:
                    parties = " and ".join(invitation.parties)
                    await core.note(change, "invitation", f"Asked to act as {invitation.role} between {parties}.")
                added = await self._queue(change, gathered)
            self._queued(added, gathered)
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
        gathered = self._gather(
            {row: (thread.id, intent) for row, intent in self._duties(after, taken) if row not in core.items}
        )
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
                await self._accept(change, item, held)
            if taken.spent is not None:
                await change.drop_key_packages([taken.spent])
            added = await self._queue(change, gathered)
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
            item.waiting = item.verified = None
            thread.title = thread.title or title
        self._queued(added, gathered)
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


def _ordinary(thread: Thread) -> bool:
    """Whether a thread's next entry may be one that only continues it."""
    return thread.state is not None and thread.frozen is None and thread.parted is None and thread.renew is None


def _continues(thread: Thread, taken: Taken) -> bool:
    """Whether an entry changes nothing but the state, the chain and the message keys, and calls for no word of ours."""
    quiet = taken.held.complaint is None and taken.suspect is None and taken.parted is None
    same = taken.keys == thread.keys and taken.spent is None and not taken.joined and not taken.handed
    return quiet and same and taken.held.payload.kind not in BEYOND


def _ahead(thread: Thread) -> Thread:
    """A thread to replay on before anything of it is on the disk: what it shares with ``thread`` is only read."""
    return replace(thread, by_id=ChainMap({}, thread.by_id), by_seq=ChainMap({}, thread.by_seq))  # type: ignore[arg-type]


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
