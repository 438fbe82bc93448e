"""What all parts of a running station share: its identity, its store, its threads and outbox in memory, its journal.

One lock orders everything that writes. Memory changes only after the store was written, so that a failure leaves both
as they were; the store is read once, at start, and everything in memory is made from it by the same replay that new
entries go through.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import structlog
from msgspec.structs import replace
from sqlalchemy.exc import SQLAlchemyError

from hotline.clock import Clock
from hotline.station.errors import FORGOTTEN, NotParted
from hotline.station.fanout import Fanout
from hotline.station.folder import Identity
from hotline.station.items import Items
from hotline.station.keys import Keys
from hotline.station.live_groups import LiveGroups
from hotline.station.model import Held, Thread
from hotline.station.outbox import Intent, Item, Sealer, decode_answer, decode_intent, decode_wire, encode
from hotline.station.parting import Parting
from hotline.station.replay import MAX_AHEAD, Own, Replay, reveal_body
from hotline.station.vault import StoreDamaged, Vault
from hotline.station.views import Change
from hotline.store import station as tables
from hotline.store.station import Change as Transaction
from hotline.store.station import StationStore
from mediation.effects import KeysReturned
from mediation.renewals import open_dispute, window_open
from mediation.state import from_bytes, state_hash, to_bytes
from protocols.encoding import b64u, digest, from_json, unb64u
from protocols.entry import Entry, Payload, admit, parse_entry
from protocols.errors import ProtocolError
from protocols.frames import Invitation, decode_from_hub, encode_frame
from protocols.keys import Signer
from protocols.mls import KeyPackageBundle
from protocols.translog import open_with_policy

log = structlog.get_logger("hotline.station")

JOURNAL = 500


@dataclass(slots=True)
class Note:
    """A line of the journal: when (ms UTC), what (a stable word), words for people, whether it is an alarm."""

    at: int
    what: str
    words: str
    alarm: bool


@dataclass(slots=True)
class LineStatus:
    """The line as the desk shows it. Times are ms on this station's own clock; ``offset`` is the hub's clock minus it."""

    state: str = "offline"
    since: int = 0
    address: str = ""
    offset: int = 0
    caught: bool = False
    problem: str | None = None
    presence: dict[str, int] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)
    presence_known: bool = False
    """On this connection."""
    presence_heard: bool = False
    """On any."""
    heard: int = 0


class Core:
    """See the module. `load` once before use."""

    def __init__(
        self,
        identity: Identity,
        store: StationStore,
        clock: Clock,
        rng: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self.identity = identity
        self.store = store
        self.clock = clock
        self.rng = rng
        self.vault = Vault(identity.keys.data, rng)
        self.lock = asyncio.Lock()
        self.fanout = Fanout()
        self.line = LineStatus()
        self.threads: dict[str, Thread] = {}
        self.items = Items()
        self.bundles: dict[str, KeyPackageBundle] = {}
        self.expiry: dict[str, int] = {}
        """Of our key packages, by name: POSIX seconds."""
        self.journal: list[Note] = []
        self.alarms: dict[str, str] = {}
        self.nominations: dict[str, dict[str, Any]] = {}
        """Our sealed lists, by digest: nominees and salt."""
        self.mended: dict[str, Parting] = {}
        """Threads that had parted from the hub and agree again, of which the others are still to hear."""
        self.officers: dict[str, Signer] = {}
        self.head: tuple[int, str, str] | None = None
        """Newest published head: size, its digest, the note."""
        self.cosigned = 0
        self.kept: dict[str, tuple[str, tuple[str, ...]]] = {}
        """Bodies read before their entries were replayed, by entry."""
        groups = LiveGroups()
        self.replay = Replay(identity, clock, self._newest_bundles, self._own, groups, self._sent, self._said)
        self.sealer = Sealer(identity, rng, clock.now, lambda: None if self.head is None else self.head[1], groups)

    # -- time and words -----------------------------------------------------------------------------------------------

    def now(self) -> int:
        """The hub's clock as this station knows it, ms UTC."""
        return self.clock.now() + self.line.offset

    def tell(self, thread: str | None, what: str, *, alarm: bool = False) -> None:
        self.fanout.tell(Change(thread, what, alarm))

    def officer_name(self, kid: str, at: int) -> str:
        """The function's name in an officer's mandate, or the key id where none is known."""
        try:
            return self.identity.mandates.find(kid, at).mandate.name
        except ProtocolError:
            return kid[:8]

    def office_name(self, office: str) -> str:
        return self.identity.accord.accord.office(office).name

    def office_line(self, office: str) -> tuple[str, int | None]:
        """Whether an office has a station on the line: "up", "down" or "unknown", and since when (ms UTC). While this
        station is off the line itself, nothing is known of anybody else."""
        if self.line.state != "live":
            own = office == self.identity.office
            return ("down", self.line.since + self.line.offset) if own else ("unknown", None)
        return self.office_heard(office) if self.line.presence_known else ("unknown", None)

    def office_heard(self, office: str) -> tuple[str, int | None]:
        """The same as the hub last told it, however long ago; "unknown" where it never told anything."""
        if not self.line.presence_heard:
            return "unknown", None
        kids = [mandate.kid for mandate in self.identity.mandates.stations(office, self.now())]
        up = [since for kid in kids if (since := self.line.presence.get(kid, 0))]
        if up:
            return "up", min(up)
        left = [since for kid in kids if (since := self.line.left.get(kid, 0))]
        return "down", max(left) if left else None

    def fields(self, intent: Intent) -> dict[str, Any]:
        """The fields of what is in the outbox."""
        return dict(reveal_body(intent.disclosures, intent.sd).fields) if intent.sd else {}

    async def note(self, change: Transaction, what: str, words: str, *, alarm: bool = False) -> None:
        """Write a line of the journal within a transaction."""
        at = self.now()
        await change.add_journal(at, what, self.vault.seal(f"journal/{what}", words.encode()), alarm=alarm)
        self.journal.insert(0, Note(at, what, words, alarm))
        del self.journal[JOURNAL:]

    async def record(self, what: str, words: str, *, alarm: bool = False, thread: str | None = None) -> None:
        """Write a line of the journal by itself."""
        async with self.store.change() as change:
            await self.note(change, what, words, alarm=alarm)
        self.tell(thread, "journal", alarm=alarm)

    async def alarm(self, name: str, sentence: str) -> None:
        """Raise an alarm that stays; the same one is raised once. Raises nothing: whoever raises an alarm because the
        disk fails must not end by it."""
        if self.alarms.get(name) == sentence:
            return
        log.error("alarm", alarm=name)
        try:
            await self.record("alarm", sentence, alarm=True)
        except (SQLAlchemyError, OSError) as error:
            log.error("alarm not written down", alarm=name, error=type(error).__name__)
        self.alarms[name] = sentence
        self.tell(None, "connection", alarm=True)

    # -- outbox rows --------------------------------------------------------------------------------------------------

    async def queue(self, change: Transaction, row: str, thread: str, intent: Intent, state: str = "queued") -> Item:
        """Add an intent within a transaction; the caller puts the item into memory after it."""
        item = Item(self.store.position(), row, thread, state, intent)
        await change.add_outbox(item.position, row, thread, state, self.seal_intent(row, intent), again=True)
        return item

    def seal_intent(self, row: str, intent: Intent) -> bytes:
        """An intent as stored."""
        return self.vault.seal(f"outbox/intent/{row}", encode(intent))

    def pending(self, thread: str | None = None) -> list[Item]:
        """Items the hub has not taken, in order."""
        found = [item for item in self.items.open() if thread is None or item.thread == thread]
        return sorted(found, key=lambda item: item.position)

    # -- loading ------------------------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Read the store and replay every thread from it. Raises `StoreDamaged`."""
        now = self.clock.now()
        for row in await self.store.rows(tables.mandates):
            self.identity.mandates.add_bytes(row.data)
        async with self.store.change() as change:
            for mandate in self.identity.mandates.all():
                await change.add_mandate(digest(mandate.data), mandate.data)
        for row in await self.store.rows(tables.journal, tables.journal.c.id.desc(), limit=JOURNAL):
            words = self.vault.open(f"journal/{row.what}", row.words).decode()
            self.journal.append(Note(row.at, row.what, words, row.alarm))
        for row in await self.store.rows(tables.key_packages):
            parts = from_json(self.vault.open(f"key_packages/{row.ref}", row.bundle))
            self.expiry[row.ref] = row.expires
            self.bundles[row.ref] = KeyPackageBundle(*(unb64u(part) for part in parts))
        for row in await self.store.rows(tables.heads, tables.heads.c.size):
            opened = open_with_policy(row.note, self.identity.policy)
            self.head = (row.size, b64u(opened.digest), row.note)
        for row in await self.store.rows(tables.witness):
            self.cosigned = row.size
        for stored in await self.store.outbox():
            self.items[stored.id] = self.read_item(stored)
        for row in await self.store.rows(tables.sealed_values):
            if row.name.startswith("nomination/"):
                self.nominations[row.name.removeprefix("nomination/")] = self.vault.open_json(row.name, row.sealed)
        await self._load_bodies()
        await self._load_threads()
        await self._load_renewals()
        self.line.since = now

    def read_item(self, row: tables.OutboxRow) -> Item:
        """A row of the outbox as it is stored."""
        item = Item(
            row.position,
            row.id,
            row.thread,
            row.state,
            decode_intent(self.vault.open(f"outbox/intent/{row.id}", row.intent)),
            row.entry,
        )
        if row.wire is not None:
            item.wire = decode_wire(self.vault.open(f"outbox/wire/{row.id}", row.wire))
            item.serial = parse_entry(item.wire.entry).payload.serial
        if row.answer is not None:
            item.answer = decode_answer(self.vault.open(f"outbox/answer/{row.id}", row.answer))
        return item

    async def _load_bodies(self) -> None:
        for row in await self.store.rows(tables.bodies):
            try:
                value = self.vault.open_json(f"bodies/{row.entry}", row.sealed)
            except StoreDamaged as error:
                log.error("body not read", entry=row.entry, detail=str(error)[:200])
                self.kept[row.entry] = ("refused", (error.code,))
                continue
            self.kept[row.entry] = (row.how, tuple(value))

    async def _load_renewals(self) -> None:
        for thread in self.threads.values():
            name = f"renew/{thread.id}"
            sealed = await self.store.sealed(name)
            if sealed is not None:
                (thread.renew,) = self.vault.open_json(name, sealed)
                self.alarms[f"restored/{thread.id}"] = restored_words(thread.id)

    async def put_renewal(self, change: Transaction, thread: str, epoch: int | None) -> None:
        """Store within a transaction that a thread's keys are to be renewed before ``epoch`` is sealed in, or no longer."""
        name = f"renew/{thread}"
        if epoch is None:
            await change.drop_sealed(name)
        else:
            await change.put_sealed(name, self.vault.seal_json(name, [epoch]))

    async def _load_threads(self) -> None:
        leaves: dict[str, list[Any]] = {}
        for row in await self.store.rows(tables.entries, tables.entries.c.thread, tables.entries.c.seq):
            leaves.setdefault(row.thread, []).append(row)
        for row in await self.store.rows(tables.threads, tables.threads.c.id):
            thread = self.threads[row.id] = self.blank(row.id, row.ladder)
            try:
                await self._load_thread(thread, row, leaves.get(row.id, ()))
            except Exception as error:
                # One thread that does not read must not keep the others from the officers. Not written down, so that a
                # program that does read it finds it as it was.
                log.error("thread not loaded", thread=row.id, error=type(error).__name__, detail=str(error)[:200])
                thread.frozen = thread.frozen or unloaded_words(row.id, thread.position.seq + 1)
                self.alarms[f"frozen/{row.id}"] = thread.frozen

    async def _load_thread(self, thread: Thread, row: Any, leaves: Iterable[Any]) -> None:
        """Read one stored thread and replay it. Raises what reading and replaying raise."""
        thread.title = "" if row.title is None else self.vault.open(f"threads/title/{row.id}", row.title).decode()
        thread.read_to = row.read_to
        if row.frozen is not None:
            thread.frozen = self.vault.open(f"threads/frozen/{row.id}", row.frozen).decode()
            self.alarms[f"frozen/{row.id}"] = thread.frozen
        if row.invitation is not None:
            found = decode_from_hub(self.vault.open(f"threads/invitation/{row.id}", row.invitation))
            if isinstance(found, Invitation):
                thread.invite(found)
        if row.mls is not None:
            thread.mls = self.vault.open(f"threads/mls/{row.id}", row.mls)
        if (sealed := await self.store.sealed(f"keys/{row.id}")) is not None:
            thread.keys = Keys.from_json(self.vault.open_json(f"keys/{row.id}", sealed))
        kept = await self.store.sealed(parting_name(row.id))
        parted = None if kept is None else Parting.from_bytes(self.vault.open(parting_name(row.id), kept))
        if parted is not None and parted.over:
            self.mended[row.id], parted = parted, None
        self._rebuild(thread, row, leaves, parted)
        if thread.state is not None and thread.mls is None and self.identity.kid in thread.state.roster:
            thread.keys = thread.keys.lost(FORGOTTEN, "")
        self.show_keys(thread)
        if thread.parted is not None:
            if thread.parted != parted:  # another program than the one that stored it folds otherwise
                async with self.store.change() as change:
                    await self.put_parting(change, row.id, thread.parted)
                    await self.note(change, "alarm", thread.parted.sentence(row.id), alarm=True)
            self.alarms[f"parted/{row.id}"] = thread.parted.sentence(row.id)

    def _rebuild(self, thread: Thread, row: Any, leaves: Iterable[Any], parted: Parting | None) -> None:
        """Replay a stored thread; what was replayed once must replay again to the same state, but where the thread had
        ``parted`` from the hub: it stays so until somebody thaws it."""
        for leaf in leaves:
            verified, stamp = self.replay.verified(thread.id, leaf.seq, leaf.leaf)
            held = Held(admit(verified, stamp, leaf.leaf))
            self.attach(held)
            if row.outside:
                thread.add(held)
                continue
            state, effects, position, found = self.replay.fold(thread, verified, stamp, leaf.leaf)
            if found is None and parted is not None and stamp.seq >= parted.seq:
                found = parted
            if thread.joined is None and self.identity.kid in state.roster:
                thread.joined = stamp.seq
            thread.follow(held, state, effects, position, found)
        if not row.outside and row.state is not None and thread.parted is None:
            stored = from_bytes(self.vault.open(f"threads/state/{thread.id}", row.state))
            if thread.state is None or state_hash(stored) != state_hash(thread.state):
                raise StoreDamaged(f"thread {thread.id} replays to another state than stored")

    async def put_keys(self, change: Transaction, thread: str, keys: Keys) -> None:
        """Store within a transaction what is kept beside a thread's group."""
        name = f"keys/{thread}"
        await change.put_sealed(name, self.vault.seal_json(name, keys.to_json()))

    async def settle_keys(self, thread: Thread) -> None:
        """Forget the keys that a thread can no longer go back to, by our own clock too: a quiet thread brings no entry."""
        state, late = thread.state, self.now() - MAX_AHEAD
        if thread.keys.before is None or state is None or window_open(state, late):
            return
        async with self.lock:
            keys = thread.keys.settled()
            async with self.store.change() as change:
                await self.put_keys(change, thread.id, keys)
            thread.keys = keys

    def show_keys(self, thread: Thread) -> None:
        """Raise or end the alarm over keys that this station, or another, cannot follow."""
        name, words = f"keys/{thread.id}", None
        dispute = None if thread.state is None else open_dispute(thread.state)
        if thread.keys.stuck:
            since = thread.by_id.get(thread.keys.since)
            words = keys_words(thread.id, thread.keys, 0 if since is None else since.seq)
        elif dispute is not None:
            words = self._dispute_words(
                thread.id, dispute.by, dispute.office, dispute.station, dispute.against, dispute.code
            )
        if words is None:
            self.alarms.pop(name, None)
        else:
            self.alarms[name] = words

    def station_name(self, office: str, kid: str) -> str:
        """An office and the name of its station."""
        try:
            return f"{office}, station {self.identity.mandates.find(kid, self.now()).mandate.name}"
        except ProtocolError:
            return f"{office}, station {kid[:8]}"

    def returned_words(self, thread: str, effect: KeysReturned) -> str:
        """That a thread went back to earlier keys, and why."""
        return self._dispute_words(thread, effect.by, effect.by_office, effect.station, effect.office, effect.code)

    def _dispute_words(self, thread: str, by: str, by_office: str, station: str, office: str, code: str) -> str:
        return (
            f"Thread {thread[:6]}: {self.station_name(by_office, by)} says that it cannot follow the renewal of the keys by "
            f"{self.station_name(office, station)} ({code}). The group is back in the keys that everybody had, and talk goes "
            "on there; what was sealed in between is sent again. One of the two is not telling the truth, or is broken: "
            "compare by phone. The next keys are another office's to make."
        )

    async def put_parting(self, change: Transaction, thread: str, parted: Parting | None) -> None:
        """Store within a transaction where a thread and the hub parted, or that it is over and everybody knows."""
        name = parting_name(thread)
        if parted is None:
            await change.drop_sealed(name)
        else:
            await change.put_sealed(name, self.vault.seal(name, parted.to_bytes()))

    async def thaw(self, name: str) -> Parting | None:
        """Replay a thread that parted from the hub once more from its first entry. None: every state agrees now, and steps
        go on; else where they part, and nothing was changed. Raises `NotParted`, `DoesNotFollow`, `ProtocolError`."""
        thread = self.threads.get(name)
        if thread is None or thread.parted is None or thread.frozen is not None:
            raise NotParted(name[:22])
        fresh = thread.without_content()
        for held in thread.held:
            leaf = held.admitted.leaf
            verified, stamp = self.replay.verified(name, held.seq, leaf)
            state, _, position, parted = self.replay.fold(fresh, verified, stamp, leaf)
            if parted is not None:
                return parted
            fresh.state, fresh.position = state, position
        over = replace(thread.parted, computed=thread.parted.stamped, over=True)
        async with self.lock:
            thread.state = fresh.state
            async with self.store.change() as change:
                await self.put_thread(change, thread)
                await self.put_parting(change, name, over)
                await self.note(change, "thaw", f"Thread {name[:6]} agrees with the hub again; steps go on.")
            thread.parted, thread.apart = None, None
            self.mended[name] = over
            self.alarms.pop(f"parted/{name}", None)
        self.tell(name, "thaw")
        return None

    def blank(self, thread: str, ladder: str) -> Thread:
        """A thread of which nothing is held yet."""
        return Thread(thread, ladder, self.identity.ladders.get(ladder))

    def attach(self, held: Held) -> None:
        """Give an entry the body that was kept for it."""
        kept = self.kept.get(held.id)
        if kept is None or held.fields is not None:
            return
        how, values = kept
        if how == "refused":
            held.complaint = values[0]
            return
        body = reveal_body(values, held.payload.sd)
        held.fields, held.disclosures, held.how = dict(body.fields), body.disclosures, how

    async def put_thread(self, change: Transaction, thread: Thread, **more: Any) -> None:
        """Store a thread's position and state (and ``more`` columns, already sealed) within a transaction."""
        state = None if thread.state is None else self.vault.seal(f"threads/state/{thread.id}", to_bytes(thread.state))
        await change.put_thread(
            thread.id,
            ladder=thread.ladder_id,
            outside=thread.state is None,
            seq=thread.position.seq,
            state=state,
            **more,
        )

    def seal_mls(self, thread: str, mls: bytes | None) -> bytes | None:
        return None if mls is None else self.vault.seal(f"threads/mls/{thread}", mls)

    def seal_invitation(self, invitation: Invitation) -> bytes:
        return self.vault.seal(f"threads/invitation/{invitation.thread}", encode_frame(invitation))

    def _newest_bundles(self) -> tuple[KeyPackageBundle, ...]:
        return tuple(reversed(self.bundles.values()))

    def _own(self, entry: str) -> Own | None:
        item = self.items.sealed_as(entry)
        return None if item is None else item.own()

    def _sent(self, entry: str) -> Entry | None:
        item = self.items.sealed_as(entry)
        return None if item is None or item.verified is None else item.verified.entry

    def meant(self, payload: Payload) -> Item | None:
        """An item not yet sent as far as this store knows, whose words or act an entry of ours has: it was sent."""
        for item in self.items.open():
            intent = item.intent
            same = (item.thread, intent.kind) == (payload.thread, payload.kind)
            if same and intent.sd == payload.sd and (intent.sd or intent.act == payload.act):
                return item
        return None

    def _said(self, payload: Payload) -> tuple[str, ...] | None:
        item = self.meant(payload)
        return None if item is None else item.intent.disclosures


def keys_words(thread: str, keys: Keys, seq: int) -> str:
    """The alarm of a station that does not hold the keys of the epoch in force."""
    what = f"made with entry {seq} " if seq else ""
    if keys.stuck == FORGOTTEN:
        return (
            f"Thread {thread[:6]}: this station no longer has the keys in force {what}({keys.stuck}): it was restored from an "
            "older copy of its store, or a second copy of it is running. It follows the steps but reads no words, and what "
            "you write waits. Make sure that no second copy runs, read it at another station of your office, and have your "
            "engineers bring this one back in (hotline station rejoin), after telling the other side."
        )
    return (
        f"Thread {thread[:6]}: this station does not have the keys in force {what}({keys.stuck}). It follows the steps but "
        "reads no words, and what you write waits. If it does not mend itself within minutes: read it at another station of "
        "your office, and have your engineers bring this one back in (hotline station rejoin), after telling the other side."
    )


def parting_name(thread: str) -> str:
    """Under which it is kept that a thread and the hub parted."""
    return f"parted/{thread}"


def unloaded_words(thread: str, seq: int) -> str:
    """The alarm of a station that cannot read what it holds of a thread."""
    return (
        f"Thread {thread[:6]}: what this station keeps of it does not read from entry {seq} on. It is frozen here, nothing is "
        "taken or sent in it; the other threads go on. Read it at another station of your office. Keep station.db as it is "
        "and tell your engineers."
    )


def restored_words(thread: str) -> str:
    """The alarm of a station that met an entry of its own which its store does not know."""
    return (
        f"Thread {thread[:6]}: this station was restored from an older copy of its store, or a second copy of it is "
        "running: the line holds messages of this station that it does not know. Its message keys count as used; "
        "nothing sealed leaves until it has renewed them, which it does by itself, and what waits in the outbox is safe. "
        "Make sure that no second copy runs, and tell your engineers."
    )
