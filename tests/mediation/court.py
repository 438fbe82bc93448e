"""A small line with a hub in a few lines: makes a thread with a real ladder, log, witnesses and proofs, and bundles it.

Bodies are committed to but not encrypted: an auditor never sees them anyway.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import msgspec

from mediation.audit import Trust
from mediation.fold import open_thread, step
from mediation.inputs import context_of, move_of
from mediation.ladder import parse_ladder
from mediation.refusals import Refusal
from mediation.state import ThreadState, state_hash
from protocols.accord import LadderInForce
from protocols.bundle import Bundle, Exhibit, Head
from protocols.disclosure import Body
from protocols.encoding import digest, rfc3339
from protocols.entry import (
    Payload,
    Stamp,
    draft_content,
    make_entry,
    parse_entry,
    sign_draft,
    stamp_entry,
    verify_entry,
)
from protocols.kinds import KINDS, Author
from protocols.translog import (
    Checkpoint,
    Frontier,
    KeyKind,
    TlogProof,
    VerifierKey,
    add_signatures,
    build_consistency,
    build_inclusion,
    build_root,
    cosign,
    ed25519_cosigner,
    ed25519_signer,
    format_consistency,
    format_proof,
    leaf_hash,
    parse_policy,
    peek_checkpoint,
    sign_checkpoint,
)
from tests.protocols.kit import LOG, T0, Line, accord_of, seed, signer

LADDER_ID = "cpci-default"
LADDER = (resources.files("mediation") / "ladders" / f"{LADDER_ID}.toml").read_bytes()
WITNESSES = ("AV", "KV", "MD", "HD")
MINUTE = 60_000


def witness_lines() -> str:
    lines = []
    for office in WITNESSES:
        key = VerifierKey(f"{office.lower()}.example", KeyKind.COSIGNATURE_ED25519, signer(f"{office} cosigner").public)
        lines.append(f"witness {office} {key.vkey}\n")
    return "".join(lines)


POLICY = (
    f"log {VerifierKey(LOG, KeyKind.ED25519, signer('log').public).vkey}\n"
    f"{witness_lines()}group offices 3 AV KV MD HD\nquorum offices\n"
)
LINE = Line(accord_of(ladders=(LadderInForce(LADDER_ID, digest(LADDER), 60),), policy=POLICY))
THREAD = LINE.payload().thread
TRUST = Trust(parse_policy(POLICY), LINE.accord.id)


@dataclass
class Court:
    """A hub that admits what it is told to, keeps a log, and hands out bundles."""

    at: int = T0
    book: Any = field(default_factory=LINE.book)
    frontier: Frontier = field(default_factory=Frontier)
    nodes: dict[tuple[int, int], bytes] = field(default_factory=dict)
    leaves: list[tuple[int, bytes]] = field(default_factory=list)
    bodies: list[Body | None] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    serials: dict[str, int] = field(default_factory=dict)
    state: ThreadState | None = None

    def other_leaf(self, data: bytes = b"a leaf of another thread") -> None:
        """The log holds other threads too."""
        self.frontier, nodes = self.frontier.append(leaf_hash(data))
        self.nodes |= {(level, index): node for level, index, node in nodes}

    def send(
        self,
        kind: str,
        office: str = "AV",
        act: Mapping[str, Any] | None = None,
        fields: Mapping[str, Any] | None = None,
        *,
        after: int = MINUTE,
        two: bool = False,
        force: bool = False,
        **changes: Any,
    ) -> str:
        """Admit one entry ``after`` ms; its id. ``force``: although the ladder refuses it."""
        self.at += after
        station = "hub" if office == "HUB" else f"{office} station"
        serial = self.serials[office] = self.serials.get(office, 0) + 1
        payload = LINE.payload(
            kind,
            office,
            act=dict(act or {}),
            serial=serial,
            claimed=rfc3339(self.at),
            prev=self.ids[-1] if self.ids else None,
            prev_seq=len(self.ids),
        )
        body = None
        if fields is not None:
            payload, body, _ = LINE.with_body(payload, fields)
        payload = msgspec.structs.replace(payload, **changes)
        return self._stamp(payload, signer(station), two, body, force)

    def _stamp(self, payload: Payload, station: Any, two: bool, body: Body | None, force: bool) -> str:
        officer = None
        if KINDS[payload.kind].author is Author.OFFICER:
            officer = signer(f"{payload.office} {'releaser' if two else 'both'}")
        if two:
            draft = sign_draft(draft_content(payload), signer(f"{payload.office} drafter"))
            payload = msgspec.structs.replace(payload, draft=draft)
        entry = parse_entry(make_entry(payload, station, officer))
        verified = verify_entry(entry, LINE.accord, self.book, at=self.at)
        seq = len(self.ids) + 1
        move, ladder = move_of(verified, seq), parse_ladder(LADDER)
        if self.state is None:
            outcome = open_thread(context_of(LINE.accord, LADDER_ID, ladder, THREAD, self.at), move, self.at)
        else:
            outcome = step(ladder, self.state, move, self.at)
        if isinstance(outcome, Refusal):
            assert force, f"{outcome.code}: {outcome.sentence}"
        else:
            self.state = outcome.state
        assert self.state is not None
        chain = digest(self.leaves[-1][1]) if self.leaves else None
        index = self.frontier.size
        leaf = stamp_entry(entry, Stamp(self.at, seq, index, chain, state_hash(self.state)), signer("hub"))
        self.other_leaf(leaf)
        self.leaves.append((index, leaf))
        self.ids.append(entry.id)
        self.bodies.append(body)
        return entry.id

    def open(self) -> Court:
        """Arvenia opens the thread with Kostrava."""
        roster = [{"station": signer(f"{office} station").kid, "office": office} for office in ("AV", "KV")]
        act = {"ladder": LADDER_ID, "parties": ["AV", "KV"], "roster": roster}
        parts = {name: digest(name.encode()) for name in ("group_info", "commit", "welcome")}
        self.send("open", act=act, parts=parts)
        return self

    def head(
        self,
        witnesses: tuple[str, ...] = ("AV", "KV", "MD"),
        times: Mapping[str, int] | None = None,
        size: int | None = None,
    ) -> str:
        """A head over everything so far (or over the first ``size`` leaves), cosigned now, or at each witness's own of
        ``times`` (POSIX seconds)."""
        size = self.frontier.size if size is None else size
        checkpoint = Checkpoint(LOG, size, build_root(size, self.node))
        note = sign_checkpoint(checkpoint, ed25519_signer(LOG, seed("log")))
        lines = [
            cosign(
                checkpoint,
                ed25519_cosigner(f"{name.lower()}.example", seed(f"{name} cosigner")),
                (times or {}).get(name, self.at // 1000),
            )
            for name in witnesses
        ]
        return add_signatures(note, lines)

    def node(self, level: int, index: int) -> bytes:
        return self.nodes[level, index]

    def shown(self, note: bytes, token: bytes | None = None) -> Head:
        """An earlier head, with its consistency proof to the log as it stands."""
        size = peek_checkpoint(note).size
        return Head(note, format_consistency(build_consistency(size, self.frontier.size, self.node)), token)

    def bundle(self, disclose: Mapping[int, tuple[int, ...]] | None = None, note: str | None = None) -> Bundle:
        """The thread as evidence. ``disclose``: for a ``seq`` which disclosures of its body, by position."""
        note = self.head() if note is None else note
        size = self.frontier.size
        exhibits = []
        for seq, (index, leaf) in enumerate(self.leaves, 1):
            hashes = build_inclusion(index, size, self.node)
            body = self.bodies[seq - 1]
            chosen = tuple(body.disclosures[n] for n in (disclose or {}).get(seq, ())) if body is not None else ()
            exhibits.append(Exhibit(leaf, format_proof(TlogProof(index, tuple(hashes), note)).encode(), chosen))
        return Bundle(
            thread=THREAD,
            ladder_id=LADDER_ID,
            checkpoint=note.encode(),
            policy=POLICY.encode(),
            accord=LINE.accord.data,
            ladder=LADDER,
            mandates=tuple(mandate.data for mandate in self.book.all()),
            exhibits=tuple(exhibits),
        )


def small_case() -> Court:
    """Five entries: opened, notified by two people, received, acknowledged, and a word of goodwill."""
    court = Court()
    court.other_leaf(b"first leaf of the log")
    court.open()
    notice = court.send(
        "incident-notice", fields={"text": "Three hospitals lost their records.", "severity": "high"}, two=True
    )
    court.other_leaf()
    court.send("receipt", "KV", {"entry": notice})
    court.send("acknowledgement", "KV", {"entry": notice}, {"text": "I have it."})
    court.send("goodwill-note", "KV", fields={"text": "Our thoughts are with the patients."})
    return court
