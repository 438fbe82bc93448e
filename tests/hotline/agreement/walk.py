"""What the walk does next: mostly what the ladder allows, often what it does not, sometimes what nobody should send."""

from __future__ import annotations

import secrets
from random import Random
from types import SimpleNamespace
from typing import Any

from mediation.durations import HOUR, MINUTE
from mediation.fold import advance
from mediation.offers import allowed
from protocols import mls
from protocols.encoding import b64u, digest
from protocols.entry import MAX_ENTRY_BYTES, make_entry
from protocols.jws import parse, sign
from protocols.keys import SeedSigner
from protocols.kinds import KINDS, Act, Author, Member, Nominate, Received, Rekey, Reveal, act_to_dict
from protocols.nomination import nomination_digest
from tests.hotline.agreement.table import T0, Table
from tests.hotline.harness import Client, Thread
from tests.mediation.crisis import Crisis, _weight

Made = tuple[bytes, dict[str, bytes]]
OFFICES = ("AV", "KV", "MD", "HD")
JUMPS = (0, 0, 0, 1, MINUTE, MINUTE, 10 * MINUTE, HOUR, 5 * HOUR, 25 * HOUR)
LISTS = (("MD", "HD"), ("HD",), ("MD",))
BODY = {"questions": ["Where?", "When?"], "answers": ["There."], "history": {}}
TRICKS = {
    "spoiled": {"entry.bad-signature"},
    "stranger": {"entry.out-of-mandate"},
    "other-epoch": {"entry.wrong-epoch"},
    "other-office": {"entry.out-of-mandate"},
    "part-changed": {"entry.part-mismatch"},
    "no-thread": {"entry.no-thread"},
    "unknown-previous": {"entry.unknown-previous"},
    "hub-only": {"entry.out-of-mandate"},
    "listener": {"rekey.roster-differs", "rekey.invalid", "ladder.roster", "ladder.rekey-due", "rekey.not-mandated"},
}


class Walk:
    """Moves at a table, from one seed."""

    def __init__(self, table: Table, seed: int) -> None:
        self.table, self.rng = table, Random(seed)
        self.lists: dict[str, tuple[str, tuple[str, ...], str]] = {}
        self.log: list[str] = []

    async def move(self) -> None:
        """One thing happens."""
        rng = self.rng
        self.table.clock.at += rng.choice(JUMPS)
        choice = rng.random()
        if choice < 0.55:
            await self.what_is_open()
        elif choice < 0.68:
            await self.anything()
        elif choice < 0.80:
            await self.a_trick(rng.choice(sorted(TRICKS)))
        elif choice < 0.88:
            await self.the_mediator_is_chosen()
        elif choice < 0.95:
            await self.the_keys_are_renewed()
        else:
            self.table.clock.at += rng.choice((13, 49)) * HOUR
            self.table.hub.writer.announce({self.table.thread})
            await self.say("AV", "receipt", Received(rng.choice(self.table.ids)))  # after the hub's notes, in one batch

    # -- moves --------------------------------------------------------------------------------------------------------

    async def what_is_open(self) -> None:
        table, rng = self.table, self.rng
        office = rng.choice(("AV", "KV", "AV", "KV", "MD", "HD"))
        offers = [each for each in allowed(table.ladder, self.state, office, table.clock.at) if each.allowed]
        weights = [_weight(offer) for offer in offers]
        if not sum(weights):
            return
        offer = rng.choices(offers, weights)[0]
        code = await self.say(office, offer.kind, offer.act)
        assert code is None, (self.log[-1], "was offered and refused", code)
        if KINDS[offer.kind].receipt and office in ("AV", "KV") and rng.random() < 0.8:
            await self.say("KV" if office == "AV" else "AV", "receipt", Received(table.ids[-1]))

    async def anything(self) -> None:
        """Any kind with any act of its type, by anybody, one person or two, with any serial and any claim of sight."""
        table, rng = self.table, self.rng
        office, kind = rng.choice(OFFICES), rng.choice(sorted(set(KINDS) - {"open", "rekey", "clock-expired"}))
        act = self._any_act(kind)
        mine = table.writers[office].threads[table.thread]
        changes: dict[str, Any] = {"serial": mine.serial + rng.choice((1, 1, 1, 1, 0, 2))}
        seen = rng.randint(0, len(table.ids))
        changes |= {"prev_seq": seen, "prev": table.ids[seen - 1] if seen else None}
        await self.say(office, kind, act, two=rng.random() < 0.6, **changes)

    async def the_mediator_is_chosen(self) -> None:
        table, rng = self.table, self.rng
        for office in ("AV", "KV"):
            nominees, salt = rng.choice(LISTS), b64u(secrets.token_bytes(32))
            mark = nomination_digest(table.thread, office, nominees, salt)
            if await self.say(office, "nomination", Nominate(mark)) is None:
                self.lists[office] = (table.ids[-1], nominees, salt)
        for office, (entry, nominees, salt) in tuple(self.lists.items()):
            await self.say(office, "nomination-reveal", Reveal(entry, nominees, salt))

    async def the_keys_are_renewed(self) -> None:
        """AV brings in and puts out whom the ladder names; everybody's group follows."""
        table = self.table
        state = self.state
        adds = [table.writers[office] for office in state.due_adds]
        gone = {kid: office for kid, office in state.roster.items() if office in state.due_removes}
        entry, parts, staged = self._rekey(adds, gone)
        if await self._hand_in("AV rekey", entry, parts) is not None:
            return
        author = table.writers["AV"]
        group = author.threads[table.thread].group
        assert group is not None
        group.merge(staged)
        for client in table.writers.values():
            mine = client.threads[table.thread]
            if client is not author and mine.group is not None:
                received = mine.group.stage(parts["commit"], now=T0 // 1000)
                if received.removes_us:
                    mine.group = None
                else:
                    mine.group.merge(received)
            elif client in adds:
                mine.group = mls.Group.join(
                    parts["welcome"], client.packages.pop(), client.station.mls_seed, now=T0 // 1000
                )
            mine.epoch = state.epoch + 1

    async def a_trick(self, name: str) -> None:
        made = self._trick(name)
        if made is None:
            return
        size = len(self.table.ids)
        code = await self._hand_in(f"trick {name}", *made)
        assert code in TRICKS[name], (name, code)
        notes = self.table.ids[size:]
        assert len(notes) <= len(self.state.expired) + len(self.state.clocks)

    # -- making entries -----------------------------------------------------------------------------------------------

    @property
    def state(self) -> Any:
        table = self.table
        assert table.state is not None
        return advance(table.ladder, table.state, table.clock.at)

    async def say(self, office: str, kind: str, act: Act, *, two: bool = True, **changes: Any) -> str | None:
        table = self.table
        client, thread = table.writers[office], table.writers[office].threads[table.thread]
        made = self._write(client, thread, kind, act, two=two, **changes)
        return await self._hand_in(f"{office} {kind} {act_to_dict(act)} {changes}", *made)

    def _write(self, client: Client, thread: Thread, kind: str, act: Act, *, two: bool = True, **changes: Any) -> Made:
        known = KINDS[kind]
        fields = {name: BODY.get(name, "What we say.") for name in known.required} or None
        if fields is None and known.fields and thread.group is not None and self.rng.random() < 0.5:
            fields = {known.fields[0]: "More."}
        officer: int | None = 0 if known.author is Author.OFFICER else None
        box = () if thread.group is not None else tuple(w.station.seal_public for w in self.table.writers.values())
        return client.write(
            thread,
            kind,
            act_to_dict(act),
            fields,
            officer=officer,
            drafter=1 if two and officer is not None else None,
            box_to=box,
            **changes,
        )

    def _rekey(self, adds: list[Client], gone: dict[str, str], listener: bool = False) -> tuple[bytes, Any, Any]:
        table = self.table
        author = table.writers["AV"]
        thread = author.threads[table.thread]
        assert thread.group is not None
        leaves = {member.identity: member.leaf for member in thread.group.members()}
        packages = [client.packages[-1].key_package for client in adds]
        if listener:
            stranger = table.package(table.world.stations["HD"])
            packages.append(stranger.key_package)
        staged = thread.group.commit(
            add=packages,
            remove=[leaves[kid.encode()] for kid in gone],
            now=T0 // 1000,
            rng=secrets.token_bytes,
        )
        act = Rekey(
            thread.epoch + 1,
            tuple(Member(client.station.kid, client.station.office) for client in adds),
            tuple(Member(kid, office) for kid, office in sorted(gone.items())),
        )
        parts = {"commit": staged.commit}
        if staged.welcome is not None:
            parts["welcome"] = staged.welcome
        payload = author.payload(
            thread, "rekey", act_to_dict(act), parts={name: digest(data) for name, data in parts.items()}
        )
        return make_entry(payload, author.station.sign), parts, staged

    def _trick(self, name: str) -> Made | None:
        table, rng = self.table, self.rng
        office = rng.choice(("AV", "KV"))
        client = table.writers[office]
        thread = client.threads[table.thread]
        note = KINDS["goodwill-note"].act()
        entry, parts = self._write(client, thread, "goodwill-note", note, two=False)
        jws = parse(entry, limit=MAX_ENTRY_BYTES)
        match name:
            case "spoiled":
                data = jws.signatures[1].signature
                spoiled = data[:7] + bytes([data[7] ^ 1]) + data[8:]
                return _signed(jws, jws.signatures[0], _with(jws.signatures[1], spoiled)), parts
            case "stranger":
                key = SeedSigner(secrets.token_bytes(32))
                by = sign(jws.payload, key, typ="hotline-entry+jws", role="officer")
                return _signed(jws, by, jws.signatures[1]), parts
            case "other-office":
                return self._write(client, thread, "goodwill-note", note, office="KV" if office == "AV" else "AV")
            case "other-epoch":
                return self._write(client, thread, "goodwill-note", note, epoch=thread.epoch + rng.choice((-1, 1, 5)))
            case "part-changed":
                return entry, {"body": parts["body"] + b"\0"}
            case "no-thread":
                elsewhere = Thread(b64u(secrets.token_bytes(16)), thread.group, epoch=thread.epoch)
                return self._write(client, elsewhere, "goodwill-note", note)
            case "unknown-previous":
                return self._write(client, thread, "goodwill-note", note, prev=digest(b"nothing"), prev_seq=1)
            case "hub-only":
                clock = next((each.id for each in (*self.state.clocks, *self.state.expired)), "reply/2")
                payload = client.payload(thread, "clock-expired", {"clock": clock, "end": table.clock.at})
                return make_entry(payload, client.station.sign), {}
            case "listener":
                if any(member == table.world.stations["HD"].kid for member in self.state.roster):
                    return None
                made, parts, _ = self._rekey([], {}, listener=True)
                return made, parts
        raise AssertionError(name)

    def _any_act(self, kind: str) -> Act:
        crisis = Crisis.__new__(Crisis)
        crisis.play = SimpleNamespace(state=self.table.state)  # type: ignore[assignment]
        crisis.now = self.table.clock.at
        crisis.entries = self.table.ids
        act = crisis._act(self.rng, kind)
        while type(act) is not KINDS[kind].act:  # an act of another type never leaves the parser
            act = crisis._act(self.rng, kind)
        return act

    async def _hand_in(self, what: str, data: bytes, parts: dict[str, bytes]) -> str | None:
        code = await self.table.hand_in(data, parts)
        self.log.append(f"{what} -> {code or 'accepted'}")
        return code


def _with(signature: Any, data: bytes) -> Any:
    return type(signature)(signature.protected, data, signature.kid, signature.typ, signature.role, signature.extra)


def _signed(jws: Any, *signatures: Any) -> bytes:
    return bytes(type(jws)(jws.payload, signatures).to_bytes())
